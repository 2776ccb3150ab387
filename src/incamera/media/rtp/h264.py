"""H.264 in RTP (RFC 6184): single NAL unit packets, STAP-A, FU-A; packetization modes 0 and 1."""

from collections.abc import Iterator
from typing import Final

from incamera.media.rtp.nal_units import MAX_PAYLOAD_BYTES, NalUnitDepacketiser

_LAST_SINGLE: Final = 23
_STAP_A: Final = 24
_FU_A: Final = 28
_FU_START: Final = 0x80
_FU_END: Final = 0x40


class H264Depacketiser(NalUnitDepacketiser):
    """See `Depacketiser`."""

    HEADER_BYTES = 1
    KIND_SHIFT = 0
    KIND_MASK = 0x1F
    SLICES = frozenset(range(1, 6))
    DELIMITER = 9

    def _take_payload(self, data: bytes, start: int, stop: int) -> None:
        kind = data[start] & 0x1F
        if kind == _FU_A:  # clause 5.8
            header = data[start + 1]
            if header & _FU_START:
                nal_header = bytes((data[start] & 0xE0 | header & 0x1F,))
                self._begin_fragments(nal_header, bytes((data[start], header & ~(_FU_START | _FU_END))))
            self._push_fragment(data[start + 2 : stop], bool(header & _FU_END))
        elif kind == _STAP_A:
            self._push_aggregate(data, start, stop)
        elif 0 < kind <= _LAST_SINGLE:
            self._drop_fragments()
            self._append(data[start:stop])
        else:
            self._is_damaged = True  # interleaved modes are never negotiated; reserved types carry nothing we know

    def _push_aggregate(self, data: bytes, start: int, stop: int) -> None:
        """A single-time aggregation packet (clause 5.7.1)."""
        self._drop_fragments()
        at = start + 1
        while at + 2 < stop:
            size = data[at] << 8 | data[at + 1]
            at += 2
            if at + size > stop:
                self._is_damaged = True
                return
            if size > 0:
                self._append(data[at : at + size])
            at += size


def packetise_h264(nal_units: tuple[bytes, ...]) -> Iterator[tuple[bool, bytes]]:
    """(marker, payload) of each packet of an access unit; large NAL units go as FU-A."""
    last = len(nal_units) - 1
    for number, nal_unit in enumerate(nal_units):
        if len(nal_unit) <= MAX_PAYLOAD_BYTES:
            yield number == last, nal_unit
        else:
            yield from _fragment(nal_unit, number == last)


def _fragment(nal_unit: bytes, is_last: bool) -> Iterator[tuple[bool, bytes]]:
    indicator = nal_unit[0] & 0xE0 | _FU_A
    kind = nal_unit[0] & 0x1F
    room = MAX_PAYLOAD_BYTES - 2
    for at in range(1, len(nal_unit), room):
        is_end = at + room >= len(nal_unit)
        header = kind | (_FU_START if at == 1 else 0) | (_FU_END if is_end else 0)
        yield is_end and is_last, bytes((indicator, header)) + nal_unit[at : at + room]
