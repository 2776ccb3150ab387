"""Sound without a payload header: G.711, G.722, G.726, L16 (RFC 3551 clause 4.5), Opus (RFC 7587 clause 4.2).

A packet is a unit of whatever length; the last tick of one is the first of the next.
"""

from collections.abc import Iterator
from typing import Final

from incamera.media.rtp.receiver import Emit
from incamera.media.sample import AccessUnit

_MAX_PACKET_BYTES: Final = 1400


class SoundDepacketiser:
    """Every packet with payload becomes a unit."""

    def __init__(self, emit: Emit) -> None:
        self._emit = emit

    def push(
        self, data: bytes, start: int, stop: int, time: int, is_marked: bool, is_after_loss: bool, arrival_s: float
    ) -> None:
        """See `Depacketiser`. The marker says "after silence" (RFC 3551 clause 4.1) and is not needed."""
        if stop > start:
            self._emit(AccessUnit(time, (data[start:stop],), is_after_loss), arrival_s)


def packetise_sound(samples: bytes, ticks_per_byte: float = 1) -> Iterator[tuple[int, bytes]]:
    """(ticks after the first sample, payload) of each packet of a stretch of sound."""
    for at in range(0, len(samples), _MAX_PACKET_BYTES):
        yield round(at * ticks_per_byte), samples[at : at + _MAX_PACKET_BYTES]
