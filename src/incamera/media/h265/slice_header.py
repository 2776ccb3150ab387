"""The first fields of a slice segment header (ITU-T H.265 clause 7.3.6.1)."""

from typing import Final

from incamera.media.bits import BitReader, unescape

_HEADER_BYTES: Final = 16  # far more than these fields ever need
_FIRST_IRAP, _LAST_IRAP = 16, 23


def parse_pps_id(slice_nal_unit: bytes) -> int:
    """The picture parameter set a slice refers to; raises InvalidBitstream."""
    kind = slice_nal_unit[0] >> 1 & 0x3F if slice_nal_unit else 0
    reader = BitReader(unescape(slice_nal_unit[:_HEADER_BYTES])[2:])
    reader.flag()  # first_slice_segment_in_pic_flag
    if _FIRST_IRAP <= kind <= _LAST_IRAP:
        reader.flag()  # no_output_of_prior_pics_flag
    return reader.ue(63)
