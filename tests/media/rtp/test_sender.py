"""The sending side is what the receiving side expects."""

from incamera.media.rtp.packet import parse_packet
from incamera.media.rtp.receiver import RtpReceiver
from incamera.media.rtp.rtcp import SenderReport, parse_rtcp
from incamera.media.rtp.sender import RtpSender, RtpStart, interleave
from incamera.media.rtp.sound import SoundDepacketiser, packetise_sound
from tests.support.rtp_packets import Units


def test_packets_are_numbered_and_timed_across_the_wrap() -> None:
    sender = RtpSender(8, RtpStart(7, 0xFFFF, 0xFFFFFFFF))

    packets = [parse_packet(packet) for packet in sender.render(2, [(False, b"a"), (True, b"b")])]

    assert [packet.sequence for packet in packets] == [0xFFFF, 0]
    assert {packet.timestamp for packet in packets} == {1}
    assert [packet.is_marked for packet in packets] == [False, True]


def test_a_report_counts_what_was_sent() -> None:
    sender = RtpSender(8, RtpStart(7, 0, 100))
    sender.render(0, [(True, b"12345")])

    [report] = parse_rtcp(sender.render_report(50, 0, "x"))

    assert isinstance(report, SenderReport)
    assert (report.timestamp, report.packet_count, report.byte_count) == (150, 1, 5)


def test_long_sound_is_cut_into_packets_that_join_again() -> None:
    sender, units = RtpSender(8, RtpStart(7, 0, 0)), Units()
    receiver = RtpReceiver(SoundDepacketiser(units))
    sound = bytes(range(256)) * 20
    for ticks, payload in packetise_sound(sound):
        for packet in sender.render(ticks, [(False, payload)]):
            receiver.receive(packet, 0, len(packet), 0.0)

    assert b"".join(unit.nal_units[0] for unit in units.all) == sound
    assert units.times[1] == len(units.all[0].nal_units[0])


def test_interleaved_frames_carry_channel_and_length() -> None:
    assert interleave(3, [b"ab", b""]) == b"$\x03\x00\x02ab$\x03\x00\x00"
