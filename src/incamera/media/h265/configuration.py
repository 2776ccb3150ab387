"""The sample entry of H.265 (ISO/IEC 14496-15 clause 8): `hvc1` with `hvcC`."""

import struct
from collections.abc import Mapping
from typing import Final

from incamera.media.cmaf import video_sample_entry
from incamera.media.h265.parameter_sets import Sps
from incamera.media.isobmff.boxes import box

_COMPLETE: Final = 0x80  # array_completeness: none of this type is in the samples


def h265_sample_entry(sps: Sps, sets: Mapping[int, Mapping[int, bytes]]) -> bytes:
    """`sets`: VPS, SPS and PPS by their NAL unit type; `sps` is the active one."""
    configuration = box(b"hvcC", _configuration(sps, sets))
    return video_sample_entry(b"hvc1", configuration, sps.width, sps.height, sps.sample_aspect_ratio)


def _configuration(sps: Sps, sets: Mapping[int, Mapping[int, bytes]]) -> bytes:
    """HEVCDecoderConfigurationRecord (clause 8.3.3.1), with 4-byte NAL unit lengths."""
    profile = sps.profile
    head = struct.pack(
        ">BBI6sBHBBBBHBB",
        1,
        profile.profile_space << 6 | profile.tier_flag << 5 | profile.profile_idc,
        profile.compatibility_flags,
        profile.constraint_flags,
        profile.level_idc,
        0xF000,  # min_spatial_segmentation_idc: not said
        0xFC,  # parallelismType: not said
        0xFC | sps.chroma_format_idc,
        0xF8 | (sps.bit_depth_luma - 8),
        0xF8 | (sps.bit_depth_chroma - 8),
        0,  # avgFrameRate: not said
        sps.temporal_layers << 3 | sps.is_temporal_id_nested << 2 | 3,
        sum(1 for group in sets.values() if group),
    )
    return head + b"".join(_array(kind, group) for kind, group in sets.items() if group)


def _array(kind: int, group: Mapping[int, bytes]) -> bytes:
    units = b"".join(len(unit).to_bytes(2, "big") + unit for unit in group.values())
    return bytes((_COMPLETE | kind,)) + len(group).to_bytes(2, "big") + units
