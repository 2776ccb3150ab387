"""Supplemental enhancement information: messages in a NAL unit (ITU-T H.264 clause 7.3.2.3, H.265 clause 7.3.5).

Only the recovery point is read (H.264 clause D.2.8, H.265 clause D.3.8); vendors put anything into the others.

A sample that the assembler let the flow begin with although it does not decode alone has one in front of it:
`is_gradual` tells it from those that do. Whoever decodes with libav may begin there, a browser may not (measured).
"""

from typing import Final, NamedTuple

from incamera.media.bits import BitReader, unescape

_RECOVERY_POINT: Final = 6
_MAX_PAYLOADS: Final = 32


class _Header(NamedTuple):
    """Where the NAL unit's header holds its type, and the type of messages."""

    size: int
    shift: int
    mask: int
    message: int


_HEADERS: Final = {"avc1": _Header(1, 0, 0x1F, 6), "hvc1": _Header(2, 1, 0x3F, 39)}
_MAX_BYTES: Final = 4096


def find_recovery_point(message_nal_unit: bytes, header_bytes: int) -> BitReader | None:
    """A reader of the recovery point's payload; None if the messages hold none."""
    data = unescape(message_nal_unit[:_MAX_BYTES])[header_bytes:]
    at = 0
    for _ in range(_MAX_PAYLOADS):
        kind, at = _read_number(data, at)
        size, at = _read_number(data, at)
        if not 0 < size <= len(data) - at:
            return None
        if kind == _RECOVERY_POINT:
            return BitReader(data[at : at + size])
        at += size
    return None


def render_recovery_point(header: bytes, payload_bits: str) -> bytes:
    """A NAL unit with this one message; `payload_bits` are the fields, the alignment is added."""
    padded = payload_bits + "1" if len(payload_bits) % 8 else payload_bits
    padded += "0" * (-len(padded) % 8)
    payload = int(padded, 2).to_bytes(len(padded) // 8, "big")
    return header + bytes((_RECOVERY_POINT, len(payload))) + payload + b"\x80"


def ue_bits(value: int) -> str:
    """ue(v) as text of 0 and 1."""
    code = f"{value + 1:b}"
    return "0" * (len(code) - 1) + code


def is_gradual(codec: str, sample: bytes | memoryview) -> bool:
    """Whether only pictures after this sync sample show everything right. `codec` as in RFC 6381; H.264 or H.265.

    The first bit of the payload tells whether the number of those pictures is 0 (ue(v), se(v): a 1).
    """
    header = _HEADERS.get(codec[:4])
    if header is None or len(sample) < 8 + header.size:
        return False
    kind = sample[4] >> header.shift & header.mask
    at = 4 + header.size
    return kind == header.message and sample[at] == _RECOVERY_POINT and not sample[at + 2] & 0x80


def _read_number(data: bytes, at: int) -> tuple[int, int]:
    """A number in bytes of 255 and one below; (-1, end) where the data ends."""
    value = 0
    while at < len(data):
        value += data[at]
        at += 1
        if data[at - 1] != 0xFF:
            return value, at
    return -1, at
