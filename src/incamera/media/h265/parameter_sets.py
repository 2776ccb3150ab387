"""Video, sequence and picture parameter sets (ITU-T H.265 clauses 7.3.2.1 to 7.3.2.3, 7.3.3, Annex E)."""

from dataclasses import dataclass
from typing import Final

from incamera.media.bits import BitReader, InvalidBitstream, unescape

MAX_PARAMETER_SET_BYTES: Final = 4096
VPS, SPS, PPS = 32, 33, 34
_HEADER_BYTES: Final = 2
_MAX_PICTURE_SIDE: Final = 16384
_MAX_REORDER: Final = 16  # MaxDpbSize (clause A.4.2)
_MAX_SHORT_TERM_SETS: Final = 64
_MAX_REFERENCES: Final = 16
_EXTENDED_SAR: Final = 255
_SAMPLE_ASPECT_RATIOS: Final = (  # Table E.1
    (1, 1), (1, 1), (12, 11), (10, 11), (16, 11), (40, 33), (24, 11), (20, 11), (32, 11),
    (80, 33), (18, 11), (15, 11), (64, 33), (160, 99), (4, 3), (3, 2), (2, 1),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class ProfileTierLevel:
    """The general part of profile_tier_level (clause 7.3.3)."""

    profile_space: int
    tier_flag: bool
    profile_idc: int
    compatibility_flags: int  # 32 bits, the flag of profile 0 first
    constraint_flags: bytes  # 6 bytes
    level_idc: int

    @property
    def codec(self) -> str:
        """What follows `hvc1.` in RFC 6381 names (ISO/IEC 14496-15 Annex E), e.g. `1.6.L93.B0`."""
        space = ("", "A", "B", "C")[self.profile_space]
        compatibility = int(f"{self.compatibility_flags:032b}"[::-1], 2)
        parts = [
            f"{space}{self.profile_idc}",
            f"{compatibility:X}",
            f"{'H' if self.tier_flag else 'L'}{self.level_idc}",
        ]
        return ".".join([*parts, *(f"{byte:02X}" for byte in self.constraint_flags.rstrip(b"\0"))])


@dataclass(frozen=True, slots=True)
class Sps:
    """What we need of a sequence parameter set. Sizes are in luma samples, after cropping."""

    id: int
    vps_id: int
    temporal_layers: int
    is_temporal_id_nested: bool
    profile: ProfileTierLevel
    chroma_format_idc: int
    width: int
    height: int
    bit_depth_luma: int
    bit_depth_chroma: int
    max_reorder_pictures: int
    sample_aspect_ratio: tuple[int, int]

    @property
    def codec(self) -> str:
        """RFC 6381 name, e.g. `hvc1.1.6.L93.B0`: parameter sets are in the init segment only."""
        return f"hvc1.{self.profile.codec}"


@dataclass(frozen=True, slots=True)
class Pps:
    """What we need of a picture parameter set."""

    id: int
    sps_id: int


def parse_vps_id(nal_unit: bytes) -> int:
    """vps_video_parameter_set_id; raises InvalidBitstream."""
    return _open(nal_unit, VPS, "video").bits(4)


def parse_pps(nal_unit: bytes) -> Pps:
    """Reads a picture parameter set, NAL unit header included; raises InvalidBitstream."""
    reader = _open(nal_unit, PPS, "picture")
    return Pps(reader.ue(63), reader.ue(15))


def parse_sps(nal_unit: bytes) -> Sps:
    """Reads a sequence parameter set, NAL unit header included; raises InvalidBitstream."""
    reader = _open(nal_unit, SPS, "sequence")
    vps_id, sub_layers, is_nested = reader.bits(4), reader.bits(3), reader.flag()
    if sub_layers > 6:
        raise InvalidBitstream("it has more temporal layers than there can be")
    profile = _read_profile(reader, sub_layers)
    sps_id = reader.ue(15)
    chroma_format_idc = reader.ue(3)
    if chroma_format_idc == 3:
        reader.flag()  # separate_colour_plane_flag
    width, height = _read_size(reader, chroma_format_idc)
    depth_luma, depth_chroma = 8 + reader.ue(8), 8 + reader.ue(8)
    order_count_bits = 4 + reader.ue(12)
    reorder = _read_reorder(reader, sub_layers)
    return Sps(
        sps_id,
        vps_id,
        1 + sub_layers,
        is_nested,
        profile,
        chroma_format_idc,
        width,
        height,
        depth_luma,
        depth_chroma,
        reorder,
        _read_aspect_ratio(reader, order_count_bits),
    )


def _open(nal_unit: bytes, kind: int, name: str) -> BitReader:
    if not 4 <= len(nal_unit) <= MAX_PARAMETER_SET_BYTES or nal_unit[0] >> 1 & 0x3F != kind:
        raise InvalidBitstream(f"this is not a {name} parameter set")
    return BitReader(unescape(nal_unit)[_HEADER_BYTES:])


def _read_profile(reader: BitReader, sub_layers: int) -> ProfileTierLevel:
    space, tier, idc = reader.bits(2), reader.flag(), reader.bits(5)
    compatibility, constraints, level = reader.bits(32), reader.bits(48), reader.bits(8)
    present = [(reader.flag(), reader.flag()) for _ in range(sub_layers)]
    if sub_layers:
        reader.bits(2 * (8 - sub_layers))
    for has_profile, has_level in present:
        reader.bits(88 * has_profile + 8 * has_level)
    return ProfileTierLevel(space, tier, idc, compatibility, constraints.to_bytes(6, "big"), level)


def _read_size(reader: BitReader, chroma_format_idc: int) -> tuple[int, int]:
    width, height = reader.ue(_MAX_PICTURE_SIDE), reader.ue(_MAX_PICTURE_SIDE)
    if reader.flag():  # conformance_window_flag
        left, right, top, bottom = reader.ue(), reader.ue(), reader.ue(), reader.ue()
        width -= (left + right) * (2 if chroma_format_idc in (1, 2) else 1)
        height -= (top + bottom) * (2 if chroma_format_idc == 1 else 1)
    if width <= 0 or height <= 0:
        raise InvalidBitstream("the picture size makes no sense")
    return width, height


def _read_reorder(reader: BitReader, sub_layers: int) -> int:
    """sps_max_num_reorder_pics of the highest temporal layer: we always take all layers."""
    has_all = reader.flag()  # sps_sub_layer_ordering_info_present_flag
    reorder = 0
    for _ in range(1 + sub_layers if has_all else 1):
        reader.ue(_MAX_REORDER)
        reorder = reader.ue(_MAX_REORDER)
        reader.ue()
    return reorder


def _read_aspect_ratio(reader: BitReader, order_count_bits: int) -> tuple[int, int]:
    """From the VUI at the far end of the set. What cannot be read up to there is taken for square pixels."""
    try:
        _skip_coding_tools(reader, order_count_bits)
        if not reader.flag() or not reader.flag():  # vui_parameters_present_flag, aspect_ratio_info_present_flag
            return 1, 1
        index = reader.bits(8)
        if index == _EXTENDED_SAR:
            horizontal, vertical = reader.bits(16), reader.bits(16)
            return (horizontal, vertical) if horizontal and vertical else (1, 1)
    except InvalidBitstream:
        return 1, 1
    return _SAMPLE_ASPECT_RATIOS[index] if index < len(_SAMPLE_ASPECT_RATIOS) else (1, 1)


def _skip_coding_tools(reader: BitReader, order_count_bits: int) -> None:
    for _ in range(6):  # sizes of coding and transform blocks, depths of the hierarchy
        reader.ue()
    if reader.flag() and reader.flag():  # scaling_list_enabled_flag, sps_scaling_list_data_present_flag
        _skip_scaling_lists(reader)
    reader.bits(2)  # amp_enabled_flag, sample_adaptive_offset_enabled_flag
    if reader.flag():  # pcm_enabled_flag
        reader.bits(8)
        reader.ue()
        reader.ue()
        reader.flag()
    _skip_short_term_sets(reader)
    if reader.flag():  # long_term_ref_pics_present_flag
        for _ in range(reader.ue(32)):
            reader.bits(order_count_bits + 1)
    reader.bits(2)  # sps_temporal_mvp_enabled_flag, strong_intra_smoothing_enabled_flag


def _skip_scaling_lists(reader: BitReader) -> None:
    """scaling_list_data (clause 7.3.4)"""
    for size in range(4):
        for _ in range(2 if size == 3 else 6):
            if not reader.flag():  # scaling_list_pred_mode_flag
                reader.ue()
                continue
            if size > 1:
                reader.se()
            for _ in range(min(64, 1 << (4 + (size << 1)))):
                reader.se()


def _skip_short_term_sets(reader: BitReader) -> None:
    """st_ref_pic_set (clause 7.3.7), of each of which the number of pictures must be known for the next one."""
    pictures = 0
    for index in range(reader.ue(_MAX_SHORT_TERM_SETS)):
        if index and reader.flag():  # inter_ref_pic_set_prediction_flag
            reader.flag()
            reader.ue()
            pictures = sum(_read_use(reader) for _ in range(pictures + 1))
        else:
            negative, positive = reader.ue(_MAX_REFERENCES), reader.ue(_MAX_REFERENCES)
            pictures = negative + positive
            for _ in range(pictures):
                reader.ue()
                reader.flag()


def _read_use(reader: BitReader) -> bool:
    """used_by_curr_pic_flag and, if it is not set, use_delta_flag: whether the derived set keeps the picture."""
    return reader.flag() or reader.flag()
