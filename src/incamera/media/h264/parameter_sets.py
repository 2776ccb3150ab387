"""Sequence and picture parameter sets (ITU-T H.264 clauses 7.3.2.1, 7.3.2.2, Annex E)."""

from dataclasses import dataclass
from typing import Final

from incamera.media.bits import BitReader, InvalidBitstream, unescape

MAX_PARAMETER_SET_BYTES: Final = 4096
_MAX_PICTURE_SIDE: Final = 16384
_PROFILES_WITH_CHROMA_FORMAT: Final = frozenset({44, 83, 86, 100, 110, 118, 122, 128, 134, 135, 138, 139, 244})
_EXTENDED_SAR: Final = 255
_SAMPLE_ASPECT_RATIOS: Final = (  # Table E-1
    (1, 1), (1, 1), (12, 11), (10, 11), (16, 11), (40, 33), (24, 11), (20, 11), (32, 11),
    (80, 33), (18, 11), (15, 11), (64, 33), (160, 99), (4, 3), (3, 2), (2, 1),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Sps:
    """What we need of a sequence parameter set. Sizes are in luma samples, after cropping."""

    id: int
    profile_idc: int
    constraint_flags: int
    level_idc: int
    width: int
    height: int
    sample_aspect_ratio: tuple[int, int]
    log2_max_frame_num: int
    has_separate_colour_planes: bool
    picture_order_count_type: int
    log2_max_picture_order_count_lsb: int
    is_frames_only: bool
    max_reference_frames: int
    max_reorder_frames: int | None  # None: the camera did not say
    chroma_format_idc: int
    bit_depth_luma: int
    bit_depth_chroma: int

    @property
    def codec(self) -> str:
        """RFC 6381 name, e.g. `avc1.640028`."""
        return f"avc1.{self.profile_idc:02X}{self.constraint_flags:02X}{self.level_idc:02X}".lower()

    @property
    def may_reorder(self) -> bool:
        """Whether pictures may be shown in another order than they are decoded."""
        if self.picture_order_count_type == 2 or self.profile_idc == 66:  # clause 8.2.1.3; Baseline has no B slices
            return False
        return self.max_reorder_frames != 0


def parse_sps(nal_unit: bytes) -> Sps:
    """Reads a sequence parameter set, NAL unit header included; raises InvalidBitstream."""
    if not 4 <= len(nal_unit) <= MAX_PARAMETER_SET_BYTES or nal_unit[0] & 0x1F != 7:
        raise InvalidBitstream("this is not a sequence parameter set")
    reader = BitReader(unescape(nal_unit)[1:])
    profile_idc, constraint_flags, level_idc = reader.bits(8), reader.bits(8), reader.bits(8)
    sps_id = reader.ue(31)
    chroma_format_idc, bit_depth_luma, bit_depth_chroma, has_separate_planes = 1, 8, 8, False
    if profile_idc in _PROFILES_WITH_CHROMA_FORMAT:
        chroma_format_idc = reader.ue(3)
        has_separate_planes = chroma_format_idc == 3 and reader.flag()
        bit_depth_luma, bit_depth_chroma = 8 + reader.ue(6), 8 + reader.ue(6)
        reader.flag()  # qpprime_y_zero_transform_bypass_flag
        if reader.flag():
            _skip_scaling_matrix(reader, lists=12 if chroma_format_idc == 3 else 8)
    log2_max_frame_num = 4 + reader.ue(12)
    order_type, log2_max_lsb = reader.ue(2), 0
    if order_type == 0:
        log2_max_lsb = 4 + reader.ue(12)
    elif order_type == 1:
        _skip_order_count_cycle(reader)
    max_reference_frames = reader.ue(16)
    reader.flag()  # gaps_in_frame_num_value_allowed_flag
    width_in_mbs, height_in_units = 1 + reader.ue(_MAX_PICTURE_SIDE), 1 + reader.ue(_MAX_PICTURE_SIDE)
    is_frames_only = reader.flag()
    if not is_frames_only:
        reader.flag()  # mb_adaptive_frame_field_flag
    reader.flag()  # direct_8x8_inference_flag
    width, height = _cropped(reader, width_in_mbs, height_in_units, is_frames_only, chroma_format_idc)
    ratio, reorder = _read_vui(reader) if reader.flag() else ((1, 1), None)
    return Sps(
        sps_id,
        profile_idc,
        constraint_flags,
        level_idc,
        width,
        height,
        ratio,
        log2_max_frame_num,
        has_separate_planes,
        order_type,
        log2_max_lsb,
        is_frames_only,
        max_reference_frames,
        reorder,
        chroma_format_idc,
        bit_depth_luma,
        bit_depth_chroma,
    )


def parse_pps_ids(nal_unit: bytes) -> tuple[int, int]:
    """(picture parameter set id, sequence parameter set id) of a PPS; raises InvalidBitstream."""
    if not 2 <= len(nal_unit) <= MAX_PARAMETER_SET_BYTES or nal_unit[0] & 0x1F != 8:
        raise InvalidBitstream("this is not a picture parameter set")
    reader = BitReader(unescape(nal_unit)[1:])
    return reader.ue(255), reader.ue(31)


def _skip_scaling_matrix(reader: BitReader, lists: int) -> None:
    for index in range(lists):
        if not reader.flag():
            continue
        last = following = 8
        for _ in range(16 if index < 6 else 64):
            if following != 0:
                following = (last + reader.se()) % 256
            last = last if following == 0 else following


def _skip_order_count_cycle(reader: BitReader) -> None:
    reader.flag()  # delta_pic_order_always_zero_flag
    reader.se()
    reader.se()
    for _ in range(reader.ue(255)):
        reader.se()


def _cropped(
    reader: BitReader, width_in_mbs: int, height_in_units: int, is_frames_only: bool, chroma_format_idc: int
) -> tuple[int, int]:
    field_factor = 1 if is_frames_only else 2
    width, height = 16 * width_in_mbs, 16 * height_in_units * field_factor
    if reader.flag():
        left, right, top, bottom = reader.ue(), reader.ue(), reader.ue(), reader.ue()
        width -= (left + right) * (2 if chroma_format_idc in (1, 2) else 1)
        height -= (top + bottom) * (2 if chroma_format_idc == 1 else 1) * field_factor
    if not (0 < width <= _MAX_PICTURE_SIDE and 0 < height <= _MAX_PICTURE_SIDE):
        raise InvalidBitstream("the picture size makes no sense")
    return width, height


def _read_vui(reader: BitReader) -> tuple[tuple[int, int], int | None]:
    """(sample aspect ratio, max_num_reorder_frames). Many cameras cut the VUI short: then the rest is unknown."""
    ratio = (1, 1)
    try:
        if reader.flag():
            index = reader.bits(8)
            if index == _EXTENDED_SAR:
                ratio = (reader.bits(16), reader.bits(16))
            elif index < len(_SAMPLE_ASPECT_RATIOS):
                ratio = _SAMPLE_ASPECT_RATIOS[index]
        return (ratio if all(ratio) else (1, 1)), _read_reorder_frames(reader)
    except InvalidBitstream:
        return (ratio if all(ratio) else (1, 1)), None


def _read_reorder_frames(reader: BitReader) -> int | None:
    if reader.flag():  # overscan_info_present_flag
        reader.flag()
    if reader.flag():  # video_signal_type_present_flag
        reader.bits(4)
        if reader.flag():
            reader.bits(24)
    if reader.flag():  # chroma_loc_info_present_flag
        reader.ue()
        reader.ue()
    if reader.flag():  # timing_info_present_flag
        reader.bits(65)
    has_hrd = [_skip_hrd(reader) for _ in range(2) if reader.flag()]
    if has_hrd:
        reader.flag()  # low_delay_hrd_flag
    reader.flag()  # pic_struct_present_flag
    if not reader.flag():  # bitstream_restriction_flag
        return None
    reader.flag()
    for _ in range(4):
        reader.ue()
    return reader.ue(16)


def _skip_hrd(reader: BitReader) -> bool:
    count = 1 + reader.ue(31)
    reader.bits(8)
    for _ in range(count):
        reader.ue()
        reader.ue()
        reader.flag()
    reader.bits(20)
    return True
