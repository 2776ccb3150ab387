"""NAL units between start codes (ITU-T H.264 and H.265 Annex B): how encoders write them."""

import re
from typing import Final

_START_CODE: Final = re.compile(b"\x00\x00\x01")


def split_nal_units(stream: bytes) -> tuple[bytes, ...]:
    """The NAL units of a byte stream, without start codes and trailing zeros."""
    starts = [match.end() for match in _START_CODE.finditer(stream)]
    ends = [start - 3 for start in starts[1:]] + [len(stream)]
    return tuple(stream[start:end].rstrip(b"\x00") for start, end in zip(starts, ends, strict=True) if end > start)
