"""Puts the packets of a track back into order as they come by UDP, and gives up on those that do not come.

    expected            delivered at once: without loss nothing waits, and nothing is copied
    ahead               kept until the hole before it is filled, for WINDOW_S at most
    behind, or twice    dropped

A sender that begins again elsewhere in the range of numbers is believed at its second packet in a row, and a new one
(SSRC) at its first, as RFC 3550 appendix A.1 has it.
"""

from typing import Final

from incamera.media.rtp.packet import HEADER_BYTES, PacketSink

WINDOW_S: Final = 0.08  # a picture at 12 per second; a wireless link repeats a frame within 30 ms
MAX_HELD: Final = 1024  # packets, about a large sync sample
_MAX_DROPOUT: Final = 3000  # RFC 3550 appendix A.1
_MAX_MISORDER: Final = 100


class ReorderBuffer:
    """One track's packets, one datagram each. `deliver` gets them in order; the holes it sees are losses."""

    def __init__(self, deliver: PacketSink) -> None:
        self._deliver = deliver
        self._ssrc = -1
        self._next = 0
        self._suspect: int | None = None  # what would follow a packet from somewhere else entirely
        self._held: dict[int, bytes] = {}
        self._hole_since_s = 0.0
        self.packets_late = 0  # and repeated ones

    @property
    def deadline_s(self) -> float | None:
        """When `expire` is due; None while nothing is missing."""
        return self._hole_since_s + WINDOW_S if self._held else None

    def receive(self, data: bytes, arrival_s: float) -> None:
        """Takes one datagram."""
        if len(data) < HEADER_BYTES:
            self._deliver(data, 0, len(data), arrival_s)  # it counts what cannot be read
            return
        sequence = data[2] << 8 | data[3]
        ssrc = int.from_bytes(data[8:12], "big")
        if ssrc != self._ssrc:
            self._begin(ssrc, sequence)
        ahead = sequence - self._next & 0xFFFF
        if ahead == 0:
            self._next = sequence + 1 & 0xFFFF
            self._deliver(data, 0, len(data), arrival_s)
            if self._held:
                self._drain(arrival_s)
        elif ahead < _MAX_DROPOUT:
            self._hold(sequence, data, arrival_s)
        elif ahead < 0x10000 - _MAX_MISORDER:
            self._take_stranger(sequence, data, arrival_s)
        else:
            self.packets_late += 1

    def expire(self, now_s: float) -> None:
        """Delivers what has waited long enough for its predecessors."""
        while self._held and now_s - self._hole_since_s >= WINDOW_S:
            self._skip_hole(now_s)

    def _begin(self, ssrc: int, sequence: int) -> None:
        self._ssrc, self._next, self._suspect = ssrc, sequence, None
        self._held.clear()  # of a sender that is gone

    def _hold(self, sequence: int, data: bytes, arrival_s: float) -> None:
        if sequence in self._held:
            self.packets_late += 1
            return
        if not self._held:
            self._hole_since_s = arrival_s
        self._held[sequence] = data
        if len(self._held) > MAX_HELD:
            self._skip_hole(arrival_s)
        self.expire(arrival_s)

    def _take_stranger(self, sequence: int, data: bytes, arrival_s: float) -> None:
        """A number far from all others: the sender began again, or somebody else's packet went astray."""
        if sequence != self._suspect:
            self._suspect = sequence + 1 & 0xFFFF
            self.packets_late += 1
            return
        while self._held:
            self._skip_hole(arrival_s)
        self._suspect, self._next = None, sequence + 1 & 0xFFFF
        self._deliver(data, 0, len(data), arrival_s)

    def _skip_hole(self, now_s: float) -> None:
        self._next = min(self._held, key=lambda sequence: sequence - self._next & 0xFFFF)
        self._drain(now_s)

    def _drain(self, now_s: float) -> None:
        """Everything up to the next hole. That one opened no later than now: its time begins anew."""
        held = self._held
        while (data := held.pop(self._next, None)) is not None:
            self._next = self._next + 1 & 0xFFFF
            self._deliver(data, 0, len(data), now_s)
        self._hole_since_s = now_s
