"""One track's sending side: numbers its packets and reports its clock."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

from incamera.media.rtp.packet import HEADER_BYTES, render_header
from incamera.media.rtp.rtcp import SenderReport, ntp_time, render_sender_report

_INTERLEAVED: Final = 0x24


@dataclass(frozen=True, slots=True)
class RtpStart:
    """Where a track's numbers begin: random, so that nobody can guess them (RFC 3550 clause 5.1)."""

    ssrc: int
    sequence: int
    timestamp: int

    @classmethod
    def random(cls, random_bits: Callable[[int], int]) -> "RtpStart":
        """From a source of random numbers such as `secrets.randbits`."""
        return cls(random_bits(32), random_bits(16), random_bits(32))


class RtpSender:
    """Puts headers before payloads. Times given to it are ticks from 0; packets carry them from `start` on."""

    def __init__(self, payload_type: int, start: RtpStart) -> None:
        self._payload_type = payload_type
        self._start = start
        self._sequence = start.sequence
        self._packets = 0
        self._bytes = 0

    @property
    def ssrc(self) -> int:
        """The source's number."""
        return self._start.ssrc

    @property
    def next_sequence(self) -> int:
        """The number of the next packet, for RTP-Info (RFC 2326 clause 12.33)."""
        return self._sequence & 0xFFFF

    def timestamp(self, time: int) -> int:
        """The 32-bit timestamp of a time."""
        return (self._start.timestamp + time) & 0xFFFFFFFF

    def render(self, time: int, payloads: Iterable[tuple[bool, bytes]]) -> list[bytes]:
        """The packets of a unit from its (marker, payload) pairs."""
        packets: list[bytes] = []
        for is_marked, payload in payloads:
            header = render_header(
                self._payload_type, is_marked, self._sequence, self._start.timestamp + time, self.ssrc
            )
            packets.append(header + payload)
            self._sequence += 1
        self._packets += len(packets)
        self._bytes += sum(map(len, packets)) - HEADER_BYTES * len(packets)
        return packets

    def render_report(self, time: int, unix_us: int, name: str) -> bytes:
        """A compound RTCP packet that says: at this wall time the media clock stood at `time`."""
        report = SenderReport(self.ssrc, ntp_time(unix_us), self.timestamp(time), self._packets, self._bytes)
        return render_sender_report(report, name)


def interleave(channel: int, packets: Iterable[bytes]) -> bytes:
    """Packets as they travel in an RTSP connection (RFC 2326 clause 10.12)."""
    framed: list[bytes] = []
    for packet in packets:
        framed.append(bytes((_INTERLEAVED, channel)) + len(packet).to_bytes(2, "big"))
        framed.append(packet)
    return b"".join(framed)
