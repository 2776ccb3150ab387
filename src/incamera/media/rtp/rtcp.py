"""RTCP (RFC 3550 clause 6): sender reports that align sound with picture, good-byes, and what we report ourselves."""

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from incamera.media.rtp.errors import InvalidRtpPacket

SENDER_REPORT: Final = 200
RECEIVER_REPORT: Final = 201
SOURCE_DESCRIPTION: Final = 202
GOODBYE: Final = 203
_CNAME: Final = 1
_UNIX_TO_NTP_S: Final = 2_208_988_800
_REPORT = struct.Struct(">BBHIQIII")
_BLOCK = struct.Struct(">IIIIII")


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


@dataclass(frozen=True, slots=True)
class ReceptionBlock:
    """What a receiver says about one source (clause 6.4.1)."""

    ssrc: int
    fraction_lost: int  # since the last report, in 256ths
    packets_lost: int  # in all
    highest_sequence: int  # the upper bits count how often it wrapped
    jitter: int  # ticks of the track's clock (appendix A.8)
    last_report: int  # the middle 32 bits of the last sender report's NTP time; 0 before the first
    delay: int  # since that report came, in 65536ths of a second


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
    return head + _render_name(report.ssrc, name)


def render_receiver_report(ssrc: int, blocks: Sequence[ReceptionBlock], name: str) -> bytes:
    """A compound packet: what `ssrc` received, and its canonical name. Without blocks it is a sign of life."""
    head = struct.pack(">BBHI", 0x80 | len(blocks), RECEIVER_REPORT, 1 + len(blocks) * _BLOCK.size // 4, ssrc)
    return head + b"".join(map(_render_block, blocks)) + _render_name(ssrc, name)


def _render_block(block: ReceptionBlock) -> bytes:
    lost = block.fraction_lost << 24 | block.packets_lost & 0xFFFFFF
    highest, jitter = block.highest_sequence & 0xFFFFFFFF, block.jitter & 0xFFFFFFFF
    return _BLOCK.pack(block.ssrc, lost, highest, jitter, block.last_report, block.delay)


def _render_name(ssrc: int, name: str) -> bytes:
    """A source description with the canonical name (clause 6.5.1)."""
    text = name.encode()[:255]
    item = struct.pack(">IBB", ssrc, _CNAME, len(text)) + text
    item += bytes(4 - len(item) % 4)  # at least one null octet ends the list of items
    return struct.pack(">BBH", 0x81, SOURCE_DESCRIPTION, len(item) // 4) + item


def render_goodbye(ssrc: int) -> bytes:
    """The packet a sender ends with."""
    return struct.pack(">BBHI", 0x81, GOODBYE, 1, ssrc)
