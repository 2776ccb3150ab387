"""H.265 as the assembler of `media.video` wants to know it."""

from typing import Final

from incamera.media.bits import InvalidBitstream
from incamera.media.cmaf import video_init_segment
from incamera.media.h265.configuration import h265_sample_entry
from incamera.media.h265.parameter_sets import PPS, SPS, VPS, parse_pps, parse_sps, parse_vps_id
from incamera.media.h265.slice_header import parse_pps_id
from incamera.media.video.format import ActiveSets, ParameterSets
from incamera.media.video.messages import find_recovery_point, render_recovery_point, ue_bits

PREFIX_SEI: Final = 39
_MAX_DEPTH: Final = 16  # 8 + 7 bits fit the three bits of hvcC, as far as any decoder goes


class H265Format:
    """See `VideoFormat`. Access unit delimiters, suffix SEI, filler and ends are not kept."""

    kind_shift = 1
    kind_mask = 0x3F
    slices = frozenset({*range(10), *range(16, 22)})  # Table 7-1; the others up to 31 are reserved
    syncs = frozenset(range(16, 22))  # BLA, IDR, CRA
    leading = frozenset({6, 7, 8, 9})  # RADL, RASL
    set_types: tuple[int, ...] = (VPS, SPS, PPS)
    message = PREFIX_SEI

    def read_set_id(self, nal_unit: bytes) -> int:
        """See `VideoFormat`."""
        kind = nal_unit[0] >> 1 & 0x3F
        if kind == SPS:
            return parse_sps(nal_unit).id
        return parse_pps(nal_unit).id if kind == PPS else parse_vps_id(nal_unit)

    def activate(self, slice_nal_unit: bytes, sets: ParameterSets) -> ActiveSets:
        """See `VideoFormat`."""
        sps = parse_sps(sets[SPS][parse_pps(sets[PPS][parse_pps_id(slice_nal_unit)]).sps_id])
        if max(sps.bit_depth_luma, sps.bit_depth_chroma) >= _MAX_DEPTH or not sets[VPS]:
            raise InvalidBitstream("no player decodes this")
        return ActiveSets(
            codec=sps.codec,
            width=sps.width,
            height=sps.height,
            init_segment=video_init_segment(
                h265_sample_entry(sps, sets), sps.width, sps.height, sps.sample_aspect_ratio
            ),
            reorder=sps.max_reorder_pictures,
        )

    def shows_reordering(self, slice_nal_unit: bytes) -> bool:
        """See `VideoFormat`. Never asked: every H.265 parameter set says how deep it reorders."""
        return False

    def find_recovery_point(self, message_nal_unit: bytes) -> int | None:
        """See `VideoFormat` (clause D.2.8). It counts in output order and may lie before the picture."""
        try:
            reader = find_recovery_point(message_nal_unit, header_bytes=2)
            return max(0, reader.se()) if reader is not None else None
        except InvalidBitstream:
            return None

    def render_recovery_point(self, pictures: int) -> bytes:
        """See `VideoFormat`: neither exact nor broken."""
        return render_recovery_point(bytes((PREFIX_SEI << 1, 1)), ue_bits(max(0, 2 * pictures - 1)) + "00")
