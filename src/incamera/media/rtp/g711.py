"""G.711 in RTP (RFC 3551 clause 4.5.14): one octet per sample, no header; a packet is a unit of whatever length."""

from collections.abc import Iterator
from typing import Final

from incamera.media.rtp.receiver import Emit
from incamera.media.sample import AccessUnit

_MAX_PACKET_BYTES: Final = 1400


class G711Depacketiser:
    """Every packet with payload becomes a unit."""

    def __init__(self, emit: Emit) -> None:
        self._emit = emit

    def push(
        self, data: bytes, start: int, stop: int, time: int, is_marked: bool, is_after_loss: bool, arrival_s: float
    ) -> None:
        """See `Depacketiser`. The marker says "after silence" (RFC 3551 clause 4.1) and is not needed."""
        if stop > start:
            self._emit(AccessUnit(time, (data[start:stop],), is_after_loss), arrival_s)


def packetise_g711(samples: bytes) -> Iterator[tuple[int, bytes]]:
    """(ticks after the first sample, payload) of each packet of a stretch of sound."""
    for at in range(0, len(samples), _MAX_PACKET_BYTES):
        yield at, samples[at : at + _MAX_PACKET_BYTES]
