"""The RTP header."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from incamera.media.rtp.errors import InvalidRtpPacket
from incamera.media.rtp.packet import find_payload, parse_packet
from tests.support.rtp_packets import a_packet


def test_a_rendered_header_reads_back() -> None:
    packet = parse_packet(a_packet(b"payload", 65535, 0xFFFFFFFF, is_marked=True, ssrc=7, kind=8))

    assert (packet.sequence, packet.timestamp, packet.ssrc) == (65535, 0xFFFFFFFF, 7)
    assert (packet.payload_type, packet.is_marked, packet.payload) == (8, True, b"payload")


def test_sources_extension_and_padding_are_not_payload() -> None:
    plain = a_packet(b"")
    sources, extension, padding = b"\x00\x00\x00\x01" * 2, b"\xbe\xde\x00\x01" + b"\x10\xff\x00\x00", b"\x00\x00\x03"
    packet = bytes([0x80 | 0x20 | 0x10 | 2]) + plain[1:] + sources + extension + b"payload" + padding

    assert parse_packet(packet).payload == b"payload"


@pytest.mark.parametrize(
    ("packet", "reason"),
    [
        (b"\x80\x60\x00", "shorter"),
        (bytes([0x40]) + bytes(11), "version 1"),
        (bytes([0x81]) + bytes(11), "longer"),
        (bytes([0x90]) + bytes(12), "cut off"),
        (bytes([0x90]) + bytes(13) + b"\xff\xff", "longer"),
        (bytes([0xA0]) + bytes(11), "no bytes"),
        (bytes([0xA0]) + bytes(11) + b"\xff", "longer"),
    ],
)
def test_a_broken_header_is_named(packet: bytes, reason: str) -> None:
    with pytest.raises(InvalidRtpPacket, match=reason):
        parse_packet(packet)


@given(st.binary(max_size=200))
def test_any_bytes_give_a_payload_inside_them_or_an_error(data: bytes) -> None:
    try:
        start, stop = find_payload(data, 0, len(data))
    except InvalidRtpPacket:
        return
    assert 12 <= start <= stop <= len(data)


@pytest.mark.parametrize(
    "extension",
    [
        b"\xbe\xde\x00\x01\x10\xff\x00\x00",  # one-byte elements (RFC 8285 clause 4.2)
        b"\x10\x00\x00\x02\x01\x03abc\x00\x00\x00",  # two-byte elements (clause 4.3)
        b"\xab\xac\x00\x03" + b"\xe0\x00\x00\x00\x80\x00\x00\x00\xc0\x01\x00\x00",  # ONVIF replay: NTP time and flags
        b"\x00\x00\x00\x00",  # an empty one
    ],
)
def test_header_extensions_of_every_kind_are_passed_over(extension: bytes) -> None:
    plain = a_packet(b"")

    assert parse_packet(bytes([0x90]) + plain[1:] + extension + b"payload").payload == b"payload"
    assert parse_packet(bytes([0x90]) + plain[1:] + extension).payload == b""
