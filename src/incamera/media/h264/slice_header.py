"""The first fields of a slice header, up to the picture order count (ITU-T H.264 clause 7.3.3)."""

from typing import Final

from incamera.media.bits import BitReader, InvalidBitstream, unescape
from incamera.media.h264.parameter_sets import Sps

_HEADER_BYTES: Final = 48  # far more than these fields ever need


def parse_pps_id(slice_nal_unit: bytes) -> int:
    """The picture parameter set a slice refers to; raises InvalidBitstream."""
    reader = BitReader(unescape(slice_nal_unit[:_HEADER_BYTES])[1:])
    reader.ue()  # first_mb_in_slice
    reader.ue(9)  # slice_type
    return reader.ue(255)


def parse_picture_order_count_lsb(slice_nal_unit: bytes, sps: Sps) -> int:
    """pic_order_cnt_lsb of a slice in a stream of order type 0; raises InvalidBitstream."""
    if sps.picture_order_count_type != 0:
        raise InvalidBitstream("this stream carries no picture order count in its slices")
    reader = BitReader(unescape(slice_nal_unit[:_HEADER_BYTES])[1:])
    reader.ue()  # first_mb_in_slice
    reader.ue(9)  # slice_type
    reader.ue(255)  # pic_parameter_set_id
    if sps.has_separate_colour_planes:
        reader.bits(2)
    reader.bits(sps.log2_max_frame_num)
    if not sps.is_frames_only and reader.flag():
        reader.flag()  # bottom_field_flag
    if slice_nal_unit[0] & 0x1F == 5:
        reader.ue(65535)  # idr_pic_id
    return reader.bits(sps.log2_max_picture_order_count_lsb)
