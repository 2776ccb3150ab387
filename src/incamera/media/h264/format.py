"""H.264 as the assembler of `media.video` wants to know it."""

from typing import Final

from incamera.media.bits import BitReader, InvalidBitstream
from incamera.media.cmaf import video_init_segment
from incamera.media.h264.configuration import h264_sample_entry
from incamera.media.h264.parameter_sets import Sps, parse_pps_ids, parse_sps
from incamera.media.h264.slice_header import parse_picture_order_count_lsb, parse_pps_id
from incamera.media.video.format import ActiveSets, ParameterSets
from incamera.media.video.messages import find_recovery_point, render_recovery_point, ue_bits

_SLICE, _IDR, _SEI, _SPS, _PPS = 1, 5, 6, 7, 8
_ORDER_COUNT_PER_PICTURE: Final = 2  # frames count in fields (clause 8.2.1)
_MAX_RECOVERY: Final = 65_535  # recovery_frame_cnt < MaxFrameNum (clause D.2.8)


class H264Format:
    """See `VideoFormat`. One per stream: it remembers the active parameter set."""

    kind_shift = 0
    kind_mask = 0x1F
    # Data partitions (2-4) belong to the Extended profile, which no browser plays; AUD, SEI, filler and ends carry
    # nothing that a player needs, and SEI may hold whatever a vendor puts there.
    slices = frozenset({_SLICE, _IDR})
    syncs = frozenset({_IDR})
    leading: frozenset[int] = frozenset()
    set_types: tuple[int, ...] = (_SPS, _PPS)
    message = _SEI

    def __init__(self) -> None:
        self._sps: Sps | None = None

    def read_set_id(self, nal_unit: bytes) -> int:
        """See `VideoFormat`."""
        return parse_sps(nal_unit).id if nal_unit[0] & 0x1F == _SPS else parse_pps_ids(nal_unit)[0]

    def activate(self, slice_nal_unit: bytes, sets: ParameterSets) -> ActiveSets:
        """See `VideoFormat`."""
        sps_id = parse_pps_ids(sets[_PPS][parse_pps_id(slice_nal_unit)])[1]
        self._sps = sps = parse_sps(sets[_SPS][sps_id])
        entry = h264_sample_entry(sps, tuple(sets[_SPS].values()), tuple(sets[_PPS].values()))
        return ActiveSets(
            codec=sps.codec,
            width=sps.width,
            height=sps.height,
            init_segment=video_init_segment(entry, sps.width, sps.height, sps.sample_aspect_ratio),
            reorder=sps.max_reorder_frames if sps.may_reorder else 0,
        )

    def shows_reordering(self, slice_nal_unit: bytes) -> bool:
        """See `VideoFormat`: the picture after a sync sample is not the next one to be shown."""
        if self._sps is None:
            return False
        try:
            return parse_picture_order_count_lsb(slice_nal_unit, self._sps) > _ORDER_COUNT_PER_PICTURE
        except InvalidBitstream:
            return False

    def find_recovery_point(self, message_nal_unit: bytes) -> int | None:
        """See `VideoFormat` (clause D.1.8)."""
        try:
            reader: BitReader | None = find_recovery_point(message_nal_unit, header_bytes=1)
            return reader.ue(_MAX_RECOVERY) if reader is not None else None
        except InvalidBitstream:
            return None

    def render_recovery_point(self, pictures: int) -> bytes:
        """See `VideoFormat`: neither exact nor broken, in one slice group."""
        return render_recovery_point(bytes((_SEI,)), ue_bits(pictures) + "0000")
