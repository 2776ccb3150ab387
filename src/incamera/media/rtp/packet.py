"""The RTP fixed header (RFC 3550 clause 5.1).

V=2, P, X, CC (1 byte) · M, payload type (1) · sequence number (2) · timestamp (4) · SSRC (4) · CC times CSRC (4 each);
then the header extension if X, the payload, and padding if P, whose last byte counts it.
"""

import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from incamera.media.rtp.errors import InvalidRtpPacket

PacketSink = Callable[[bytes, int, int, float], None]
"""`sink(data, start, stop, arrival_s)`: the packet data[start:stop], and the monotonic time at which it was read."""

RunSink = Callable[[bytes, int, int, int, float], int]
"""`sink(data, at, end, line, arrival_s)`: takes the whole interleaved packets from `at` on that only bring more of what
the last one brought and begin with the two bytes `line`; returns where it stopped."""

HEADER: Final = struct.Struct(">BBHII")
HEADER_BYTES: Final = HEADER.size  # 12
PLAIN: Final = 0x80  # first byte of a packet with no padding, extension or contributing sources: nearly all of them
MARKER: Final = 0x80
_PADDING: Final = 0x20
_EXTENSION: Final = 0x10


@dataclass(frozen=True, slots=True)
class RtpPacket:
    """A parsed packet. The hot path does without it; tests and tools do not."""

    payload_type: int
    is_marked: bool
    sequence: int
    timestamp: int
    ssrc: int
    payload: bytes


def find_payload(data: bytes, start: int, stop: int) -> tuple[int, int]:
    """Where the payload of the packet in data[start:stop] begins and ends; raises InvalidRtpPacket."""
    if stop - start < HEADER_BYTES:
        raise InvalidRtpPacket(f"{stop - start} bytes are shorter than a header")
    flags = data[start]
    if flags >> 6 != 2:
        raise InvalidRtpPacket(f"version {flags >> 6}")
    at = start + HEADER_BYTES + 4 * (flags & 0x0F)
    if flags & _EXTENSION:
        if at + 4 > stop:
            raise InvalidRtpPacket("the header extension is cut off")
        at += 4 + 4 * (data[at + 2] << 8 | data[at + 3])
    if flags & _PADDING:
        padding = data[stop - 1]
        if padding == 0:
            raise InvalidRtpPacket("padding of no bytes")
        stop -= padding
    if at > stop:
        raise InvalidRtpPacket("the header is longer than the packet")
    return at, stop


def parse_packet(data: bytes) -> RtpPacket:
    """Reads one whole packet; raises InvalidRtpPacket."""
    start, stop = find_payload(data, 0, len(data))
    _, second, sequence, timestamp, ssrc = HEADER.unpack_from(data)
    return RtpPacket(second & 0x7F, bool(second & MARKER), sequence, timestamp, ssrc, data[start:stop])


def render_header(payload_type: int, is_marked: bool, sequence: int, timestamp: int, ssrc: int) -> bytes:
    """The twelve bytes in front of a payload; sequence and timestamp are cut to 16 and 32 bits."""
    second = payload_type | (MARKER if is_marked else 0)
    return HEADER.pack(PLAIN, second, sequence & 0xFFFF, timestamp & 0xFFFFFFFF, ssrc)
