"""AAC in RTP: RFC 3640, mode AAC-hbr (and AAC-lbr): access units behind a table of their sizes, or one in fragments."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from incamera.media.rtp.receiver import Emit
from incamera.media.sample import AccessUnit

MAX_UNIT_BYTES: Final = 64 * 1024  # an AAC access unit has at most 768 bytes per channel; 48 channels are allowed
_MAX_UNITS_PER_PACKET: Final = 512
_MAX_PAYLOAD_BYTES: Final = 1400
_SIZE_BITS: Final = 13  # AAC-hbr, clause 3.3.6
_INDEX_BITS: Final = 3


@dataclass(frozen=True, slots=True)
class AuHeaderLayout:
    """How many bits each field of an AU header takes (clause 3.2.1). Fields that are not listed are absent."""

    size_bits: int = _SIZE_BITS
    index_bits: int = _INDEX_BITS
    index_delta_bits: int = _INDEX_BITS


class AacDepacketiser:
    """Splits packets into units `unit_ticks` apart, and joins the fragments of a unit that fills several packets."""

    def __init__(self, emit: Emit, unit_ticks: int, layout: AuHeaderLayout = AuHeaderLayout()) -> None:
        self._emit = emit
        self._unit_ticks = unit_ticks
        self._layout = layout
        self._fragment = bytearray()
        self._fragment_time = 0
        self._fragment_size = 0
        self._is_damaged = False

    def push(
        self, data: bytes, start: int, stop: int, time: int, is_marked: bool, is_after_loss: bool, arrival_s: float
    ) -> None:
        """See `Depacketiser`."""
        if is_after_loss:
            self._lose()
        sizes, at = self._parse_sizes(data, start, stop)
        if len(sizes) == 1 and sizes[0] > stop - at:
            self._push_fragment(data[at:stop], sizes[0], time, arrival_s)
            return
        if self._fragment:
            self._lose()
        for number, size in enumerate(sizes):
            if at + size > stop:
                self._lose()
                return
            if size:
                self._finish(data[at : at + size], time + number * self._unit_ticks, arrival_s)
            at += size

    def _parse_sizes(self, data: bytes, start: int, stop: int) -> tuple[list[int], int]:
        """The sizes in the AU header section (clause 3.2.1), and where the data begins; nothing if it is broken."""
        layout = self._layout
        if stop - start < 2:
            return [], stop
        bits = data[start] << 8 | data[start + 1]
        at = start + 2 + (bits + 7) // 8
        first = layout.size_bits + layout.index_bits
        other = layout.size_bits + layout.index_delta_bits
        if at > stop or bits < first or bits > _MAX_UNITS_PER_PACKET * other:
            self._lose()
            return [], stop
        table = int.from_bytes(data[start + 2 : at], "big") >> ((at - start - 2) * 8 - bits)
        mask = (1 << layout.size_bits) - 1
        sizes = [table >> (bits - layout.size_bits) & mask]
        left = bits - first
        while left >= other:
            sizes.append(table >> (left - layout.size_bits) & mask)
            left -= other
        return sizes, at

    def _push_fragment(self, piece: bytes, size: int, time: int, arrival_s: float) -> None:
        """Every fragment repeats the size of the whole unit and its time (clause 3.2.3.1)."""
        if self._fragment and (time, size) != (self._fragment_time, self._fragment_size):
            self._lose()
        if not self._fragment:
            self._fragment_time, self._fragment_size = time, size
        if len(self._fragment) + len(piece) > min(size, MAX_UNIT_BYTES):
            self._lose()
            return
        self._fragment += piece
        if len(self._fragment) == size:
            whole, self._fragment = bytes(self._fragment), bytearray()
            self._finish(whole, time, arrival_s)

    def _lose(self) -> None:
        self._fragment = bytearray()
        self._is_damaged = True

    def _finish(self, unit: bytes, time: int, arrival_s: float) -> None:
        is_damaged, self._is_damaged = self._is_damaged, False
        self._emit(AccessUnit(time, (unit,), is_damaged), arrival_s)


def packetise_aac(unit: bytes) -> Iterator[tuple[bool, bytes]]:
    """(marker, payload) of each packet of one access unit, AAC-hbr."""
    header = (16).to_bytes(2, "big") + (len(unit) << _INDEX_BITS).to_bytes(2, "big")
    room = _MAX_PAYLOAD_BYTES - len(header)
    for at in range(0, len(unit), room):
        yield at + room >= len(unit), header + unit[at : at + room]
