"""Sender reports and good-byes."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from incamera.media.rtp.errors import InvalidRtpPacket
from incamera.media.rtp.rtcp import (
    Goodbye,
    SenderReport,
    ntp_time,
    parse_rtcp,
    render_goodbye,
    render_sender_report,
)

REPORT = SenderReport(0xCAFE, ntp_time(1_700_000_000_500_000), 90_000, 12, 3456)


def test_a_rendered_report_reads_back() -> None:
    assert parse_rtcp(render_sender_report(REPORT, "garden")) == [REPORT]


@pytest.mark.parametrize("name", ["", "a", "ab", "abc", "abcd", "x" * 300])
def test_a_compound_packet_is_whole_whatever_the_name(name: str) -> None:
    packet = render_sender_report(REPORT, name)

    assert len(packet) % 4 == 0
    assert parse_rtcp(packet + render_goodbye(5)) == [REPORT, Goodbye((5,))]


def test_the_clock_counts_seconds_since_1900() -> None:
    assert REPORT.clock_s == pytest.approx(1_700_000_000.5 + 2_208_988_800, abs=1e-6)


def test_reports_alone_and_unknown_packets_are_taken() -> None:
    alone = render_sender_report(REPORT, "x")[:28]
    application = b"\x80\xcc\x00\x02" + bytes(8)

    assert parse_rtcp(application + alone) == [REPORT]


@pytest.mark.parametrize("packet", [b"\x80", b"\x00\xc8\x00\x00", b"\x80\xc8\x00\x09" + bytes(8), b"\x80\xc8\x00\x00"])
def test_a_broken_packet_is_named(packet: bytes) -> None:
    with pytest.raises(InvalidRtpPacket):
        parse_rtcp(packet)


@given(st.binary(max_size=120))
def test_any_bytes_parse_or_are_named(data: bytes) -> None:
    with contextlib.suppress(InvalidRtpPacket):
        parse_rtcp(data)
