"""The sample entry of H.264 (ISO/IEC 14496-15 clause 5): `avc1` with `avcC`."""

from collections.abc import Sequence
from typing import Final

from incamera.media.cmaf import video_sample_entry
from incamera.media.h264.parameter_sets import Sps
from incamera.media.isobmff.boxes import box

_HIGH_PROFILES: Final = frozenset({100, 110, 122, 144})


def h264_sample_entry(sps: Sps, sps_nal_units: Sequence[bytes], pps_nal_units: Sequence[bytes]) -> bytes:
    """`sps` is the active one of `sps_nal_units`."""
    configuration = box(b"avcC", _configuration(sps, sps_nal_units, pps_nal_units))
    return video_sample_entry(b"avc1", configuration, sps.width, sps.height, sps.sample_aspect_ratio)


def _configuration(sps: Sps, sps_nal_units: Sequence[bytes], pps_nal_units: Sequence[bytes]) -> bytes:
    """AVCDecoderConfigurationRecord (clause 5.3.3.1), with 4-byte NAL unit lengths."""
    head = bytes((1, sps.profile_idc, sps.constraint_flags, sps.level_idc, 0xFF, 0xE0 | len(sps_nal_units)))
    sets = [len(unit).to_bytes(2, "big") + unit for unit in (*sps_nal_units, *pps_nal_units)]
    body = b"".join(sets[: len(sps_nal_units)]) + bytes((len(pps_nal_units),)) + b"".join(sets[len(sps_nal_units) :])
    if sps.profile_idc not in _HIGH_PROFILES:
        return head + body
    depths = (0xFC | sps.chroma_format_idc, 0xF8 | (sps.bit_depth_luma - 8), 0xF8 | (sps.bit_depth_chroma - 8), 0)
    return head + body + bytes(depths)
