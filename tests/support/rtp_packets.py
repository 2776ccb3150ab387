"""RTP packets for tests, and a sink that remembers what came out of them."""

from incamera.media.rtp.packet import render_header
from incamera.media.sample import AccessUnit

SSRC = 0xCAFE


def a_packet(
    payload: bytes, sequence: int = 0, timestamp: int = 0, *, is_marked: bool = False, ssrc: int = SSRC, kind: int = 96
) -> bytes:
    """One packet."""
    return render_header(kind, is_marked, sequence, timestamp, ssrc) + payload


class Units:
    """`emit` for a depacketiser."""

    def __init__(self) -> None:
        self.all: list[AccessUnit] = []
        self.arrivals: list[float] = []

    def __call__(self, unit: AccessUnit, arrival_s: float) -> None:
        self.all.append(unit)
        self.arrivals.append(arrival_s)

    @property
    def times(self) -> list[int]:
        return [unit.presentation_time for unit in self.all]

    @property
    def nal_units(self) -> list[tuple[bytes, ...]]:
        return [unit.nal_units for unit in self.all]

    @property
    def damaged(self) -> list[bool]:
        return [unit.is_damaged for unit in self.all]
