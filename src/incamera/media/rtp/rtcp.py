"""RTCP (RFC 3550 clause 6): the sender reports that align sound with picture, and good-byes. The rest passes by."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from incamera.media.rtp.errors import InvalidRtpPacket

SENDER_REPORT: Final = 200
SOURCE_DESCRIPTION: Final = 202
GOODBYE: Final = 203
_CNAME: Final = 1
_UNIX_TO_NTP_S: Final = 2_208_988_800
_REPORT = struct.Struct(">BBHIQIII")


@dataclass(frozen=True, slots=True)
class SenderReport:
    """What the sender's clock said when its media clock was at `timestamp` (clause 6.4.1)."""

    ssrc: int
    ntp_time: int  # seconds since 1900 in units of 2^-32 s
    timestamp: int  # 32 bits, as in the track's packets
    packet_count: int
    byte_count: int

    @property
    def clock_s(self) -> float:
        """The sender's clock in seconds since 1900."""
        return self.ntp_time / (1 << 32)


@dataclass(frozen=True, slots=True)
class Goodbye:
    """The sources that leave (clause 6.6)."""

    ssrcs: tuple[int, ...]


def parse_rtcp(data: bytes) -> list[SenderReport | Goodbye]:
    """What a compound packet holds that we use; raises InvalidRtpPacket.

    Cameras send senders' reports alone, without the description that clause 6.1 wants beside it; that is taken.
    """
    found: list[SenderReport | Goodbye] = []
    for kind, count, start, stop in _split(data):
        if kind == SENDER_REPORT:
            found.append(_parse_sender_report(data, start, stop))
        elif kind == GOODBYE:
            ssrcs = struct.unpack_from(f">{min(count, (stop - start - 4) // 4)}I", data, start + 4)
            found.append(Goodbye(ssrcs))
    return found


def _split(data: bytes) -> Iterator[tuple[int, int, int, int]]:
    """(type, count, start, stop) of each packet of a compound one."""
    at = 0
    while at < len(data):
        if len(data) - at < 4:
            raise InvalidRtpPacket("an RTCP header is cut off")
        if data[at] >> 6 != 2:
            raise InvalidRtpPacket(f"RTCP version {data[at] >> 6}")
        stop = at + 4 + 4 * (data[at + 2] << 8 | data[at + 3])
        if stop > len(data):
            raise InvalidRtpPacket("an RTCP packet is cut off")
        yield data[at + 1], data[at] & 0x1F, at, stop
        at = stop


def _parse_sender_report(data: bytes, start: int, stop: int) -> SenderReport:
    if stop - start < _REPORT.size:
        raise InvalidRtpPacket("a sender report is cut off")
    _, _, _, ssrc, ntp_time, timestamp, packets, size_bytes = _REPORT.unpack_from(data, start)
    return SenderReport(ssrc, ntp_time, timestamp, packets, size_bytes)


def ntp_time(unix_us: int) -> int:
    """Microseconds since 1970 as an NTP timestamp: seconds since 1900 in units of 2^-32 s."""
    return ((unix_us + _UNIX_TO_NTP_S * 1_000_000) << 32) // 1_000_000


def render_sender_report(report: SenderReport, name: str) -> bytes:
    """A compound packet: the report without reception blocks, and the source's canonical name (clause 6.5.1)."""
    head = _REPORT.pack(
        0x80,
        SENDER_REPORT,
        _REPORT.size // 4 - 1,
        report.ssrc,
        report.ntp_time,
        report.timestamp & 0xFFFFFFFF,
        report.packet_count & 0xFFFFFFFF,
        report.byte_count & 0xFFFFFFFF,
    )
    text = name.encode()[:255]
    item = struct.pack(">IBB", report.ssrc, _CNAME, len(text)) + text
    item += bytes(4 - len(item) % 4)  # at least one null octet ends the list of items
    return head + struct.pack(">BBH", 0x81, SOURCE_DESCRIPTION, len(item) // 4) + item


def render_goodbye(ssrc: int) -> bytes:
    """The packet a sender ends with."""
    return struct.pack(">BBHI", 0x81, GOODBYE, 1, ssrc)
