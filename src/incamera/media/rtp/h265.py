"""H.265 in RTP (RFC 7798): single NAL unit packets, aggregation packets, fragmentation units; one stream, one layer.

`sprop-max-don-diff` above 0 says that packets carry decoding order numbers. They are checked, not sorted by: a stream
that was really sent out of order is flagged as damaged. No camera we know of does that.
"""

from collections.abc import Iterator
from typing import Final

from incamera.media.rtp.nal_units import MAX_PAYLOAD_BYTES, NalUnitDepacketiser
from incamera.media.rtp.receiver import Emit

_LAST_SINGLE: Final = 47
_AGGREGATE: Final = 48
_FRAGMENT: Final = 49
_FU_START: Final = 0x80
_FU_END: Final = 0x40
_HEADER_BYTES: Final = 2
_FU_BYTES: Final = 3  # payload header and FU header
_ORDER_BYTES: Final = 2  # DONL


class H265Depacketiser(NalUnitDepacketiser):
    """See `Depacketiser`. NAL units of further layers (another eye, a better picture) are left out."""

    HEADER_BYTES = _HEADER_BYTES
    KIND_SHIFT = 1
    KIND_MASK = 0x3F
    SLICES = frozenset(range(32))
    DELIMITER = 35

    def __init__(self, emit: Emit, *, has_order_numbers: bool = False) -> None:
        super().__init__(emit)
        self._has_order_numbers = has_order_numbers
        self._order_number: int | None = None

    def _take_payload(self, data: bytes, start: int, stop: int) -> None:
        kind = data[start] >> 1 & 0x3F
        if kind == _FRAGMENT:
            self._take_fragment(data, start, stop)
        elif kind == _AGGREGATE:
            self._take_aggregate(data, start, stop)
        elif kind <= _LAST_SINGLE:
            self._drop_fragments()
            at = start + _HEADER_BYTES
            if self._has_order_numbers:
                self._look_at_order(data, at, stop)
                at += _ORDER_BYTES
            self._append(data[start : start + _HEADER_BYTES] + data[at:stop] if at > start + 2 else data[start:stop])
        else:
            self._is_damaged = True  # PACI (50) is for scalable streams; the others are reserved

    def _take_fragment(self, data: bytes, start: int, stop: int) -> None:
        """Clause 4.4.3: the header of the fragmented NAL unit is spread over payload header and FU header."""
        header = data[start + 2]
        is_start, at = bool(header & _FU_START), start + _FU_BYTES
        if is_start and self._has_order_numbers:
            self._look_at_order(data, at, stop)
            at += _ORDER_BYTES
        if is_start:
            nal_header = bytes((data[start] & 0x81 | (header & 0x3F) << 1, data[start + 1]))
            self._begin_fragments(nal_header, bytes((data[start], data[start + 1], header & ~(_FU_START | _FU_END))))
        self._push_fragment(data[at:stop], bool(header & _FU_END))

    def _take_aggregate(self, data: bytes, start: int, stop: int) -> None:
        """Clause 4.4.2: sizes and NAL units; with order numbers 16 bits before the first and 8 before each other."""
        self._drop_fragments()
        at, order_bytes = start + _HEADER_BYTES, _ORDER_BYTES
        while at < stop:
            if self._has_order_numbers:
                if order_bytes == _ORDER_BYTES:
                    self._look_at_order(data, at, stop)
                at, order_bytes = at + order_bytes, 1
            size = int.from_bytes(data[at : min(at + 2, stop)], "big")
            at += 2
            if at + size > stop:
                self._is_damaged = True
                return
            self._append(data[at : at + size])
            at += size

    def _append(self, nal_unit: bytes) -> None:
        if len(nal_unit) > _HEADER_BYTES and not (nal_unit[0] & 1 or nal_unit[1] >> 3):  # nuh_layer_id
            super()._append(nal_unit)

    def _look_at_order(self, data: bytes, at: int, stop: int) -> None:
        if at + _ORDER_BYTES > stop:
            self._is_damaged = True
            return
        number = data[at] << 8 | data[at + 1]
        if self._order_number is not None and number - self._order_number & 0xFFFF >= 0x8000:
            self._is_damaged = True
        self._order_number = number


def packetise_h265(nal_units: tuple[bytes, ...]) -> Iterator[tuple[bool, bytes]]:
    """(marker, payload) of each packet of an access unit; large NAL units go as fragments."""
    last = len(nal_units) - 1
    for number, nal_unit in enumerate(nal_units):
        if len(nal_unit) <= MAX_PAYLOAD_BYTES:
            yield number == last, nal_unit
        else:
            yield from _fragment(nal_unit, number == last)


def _fragment(nal_unit: bytes, is_last: bool) -> Iterator[tuple[bool, bytes]]:
    payload_header = bytes((nal_unit[0] & 0x81 | _FRAGMENT << 1, nal_unit[1]))
    kind = nal_unit[0] >> 1 & 0x3F
    room = MAX_PAYLOAD_BYTES - _FU_BYTES
    for at in range(_HEADER_BYTES, len(nal_unit), room):
        is_end = at + room >= len(nal_unit)
        header = kind | (_FU_START if at == _HEADER_BYTES else 0) | (_FU_END if is_end else 0)
        yield is_end and is_last, payload_header + bytes((header,)) + nal_unit[at : at + room]
