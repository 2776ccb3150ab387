"""What we tell a camera about its stream."""

import struct

from incamera.media.rtp.receiver import RtpReceiver
from incamera.media.rtp.reception import ReceptionReporter
from incamera.media.rtp.rtcp import ReceptionBlock, SenderReport, parse_rtcp, render_receiver_report
from incamera.media.rtp.sound import SoundDepacketiser
from tests.support.rtp_packets import SSRC, Units, a_packet


class Track:
    def __init__(self) -> None:
        self.receiver = RtpReceiver(SoundDepacketiser(Units()), clock_rate=8000)
        self.reporter = ReceptionReporter(self.receiver)

    def take(self, number: int, *, arrival_s: float | None = None, ssrc: int = SSRC) -> None:
        packet = a_packet(b"x", number & 0xFFFF, number * 160, ssrc=ssrc)
        self.receiver.receive(packet, 0, len(packet), number * 0.02 if arrival_s is None else arrival_s)


def test_there_is_nothing_to_say_before_the_first_packet() -> None:
    assert Track().reporter.make_block(0.0) is None


def test_loss_is_told_as_a_share_since_the_last_report_and_in_all() -> None:
    track = Track()
    track.take(65_530)
    track.reporter.make_block(0.0)
    for number in range(65_531, 65_546):
        if number not in (65_535, 65_540, 65_541, 65_542):
            track.take(number)
    block = track.reporter.make_block(5.0)

    assert block is not None
    assert block.packets_lost == 4
    assert block.fraction_lost == 4 * 256 // 15
    assert block.highest_sequence == 65_545, "one wrap stands in the upper bits"
    track.take(65_546)
    block = track.reporter.make_block(10.0)
    assert block is not None
    assert (block.fraction_lost, block.packets_lost) == (0, 4)


def test_a_steady_stream_has_no_jitter_and_an_unsteady_one_has() -> None:
    steady, unsteady = Track(), Track()
    for number in range(100):
        steady.take(number)
        unsteady.take(number, arrival_s=number * 0.02 + (number % 2) * 0.01)
    one, other = steady.reporter.make_block(2.0), unsteady.reporter.make_block(2.0)

    assert one is not None
    assert other is not None
    assert one.jitter == 0
    assert 70 <= other.jitter <= 80, "10 ms are 80 ticks"


def test_the_camera_can_tell_the_length_of_the_way() -> None:
    track = Track()
    track.take(1)
    track.reporter.heard(SenderReport(SSRC, 0x1122_3344_5566_7788, 0, 0, 0), arrival_s=10.0)
    block = track.reporter.make_block(12.5)

    assert block is not None
    assert block.last_report == 0x3344_5566
    assert block.delay == int(2.5 * 65536)


def test_a_new_sender_starts_the_count_anew() -> None:
    track = Track()
    track.take(1)
    track.take(5)
    track.reporter.make_block(0.0)
    track.take(900, ssrc=9)
    block = track.reporter.make_block(5.0)

    assert block == ReceptionBlock(9, 0, 0, 900, block.jitter if block else 0, 0, 0)


def test_a_report_is_laid_out_as_the_standard_says() -> None:
    block = ReceptionBlock(0xCAFE, 25, 3, 0x1_0005, 80, 7, 9)
    packet = render_receiver_report(0xBEEF, (block,), "edge")

    assert len(packet) % 4 == 0
    assert packet[:4] == bytes((0x81, 201, 0, 7))
    assert struct.unpack_from(">7I", packet, 4) == (0xBEEF, 0xCAFE, 25 << 24 | 3, 0x1_0005, 80, 7, 9)
    assert packet[33] == 202, "a description of the source follows (RFC 3550 clause 6.1)"
    assert parse_rtcp(packet) == []
    assert render_receiver_report(1, (), "x")[:4] == bytes((0x80, 201, 0, 1))
