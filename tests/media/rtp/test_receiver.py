"""Order, loss and senders of one track."""

from incamera.media.rtp.receiver import RtpReceiver
from incamera.media.rtp.sound import SoundDepacketiser
from tests.support.rtp_packets import Units, a_packet


def receive(*packets: bytes, payload_type: int | None = None) -> tuple[Units, RtpReceiver]:
    units = Units()
    receiver = RtpReceiver(SoundDepacketiser(units), payload_type)
    for number, packet in enumerate(packets):
        receiver.receive(packet, 0, len(packet), float(number))
    return units, receiver


def test_a_hole_in_the_numbers_flags_the_next_unit_only() -> None:
    units, receiver = receive(*(a_packet(b"x", sequence, sequence) for sequence in (1, 2, 5, 6)))

    assert units.damaged == [False, False, True, False]
    assert receiver.packets_lost == 2


def test_numbers_wrap_without_loss() -> None:
    units, receiver = receive(*(a_packet(b"x", number & 0xFFFF) for number in range(65_534, 65_539)))

    assert units.damaged == [False] * 5
    assert receiver.packets_lost == 0


def test_a_repeated_packet_is_dropped() -> None:
    units, _ = receive(a_packet(b"a", 1), a_packet(b"b", 2), a_packet(b"a", 1), a_packet(b"c", 3))

    assert [unit.nal_units[0] for unit in units.all] == [b"a", b"b", b"c"]
    assert units.damaged == [False] * 3


def test_two_consecutive_numbers_from_the_past_are_a_new_beginning() -> None:
    units, _ = receive(a_packet(b"a", 50), a_packet(b"b", 10), a_packet(b"c", 11), a_packet(b"d", 12))

    assert [unit.nal_units[0] for unit in units.all] == [b"a", b"c", b"d"]
    assert units.damaged == [False, True, False]


def test_a_far_step_back_is_a_new_beginning_at_once() -> None:
    units, _ = receive(a_packet(b"a", 30_000), a_packet(b"b", 10))

    assert units.damaged == [False, True]


def test_a_new_sender_leaves_a_gap_in_time() -> None:
    units, receiver = receive(
        a_packet(b"a", 1, 1000), a_packet(b"b", 77, 1160, ssrc=9), a_packet(b"c", 78, 1320, ssrc=9)
    )

    assert units.times[1] - units.times[0] > 1 << 32
    assert units.times[2] - units.times[1] == 160
    assert units.damaged == [False, True, False]
    assert receiver.ssrc == 9


def test_other_payload_types_pass_by() -> None:
    units, _ = receive(
        a_packet(b"a", 1, kind=8), a_packet(b"noise", 2, kind=13), a_packet(b"b", 3, kind=8), payload_type=8
    )

    assert [unit.nal_units[0] for unit in units.all] == [b"a", b"b"]
    assert units.damaged == [False, False]


def test_a_packet_that_cannot_be_read_counts_as_lost() -> None:
    units, receiver = receive(a_packet(b"a", 1), b"\x00" * 20, a_packet(b"b", 2))

    assert units.damaged == [False, True]
    assert receiver.packets_invalid == 1


def test_units_carry_the_arrival_of_their_last_packet() -> None:
    units, _ = receive(a_packet(b"a", 1), a_packet(b"b", 2))

    assert units.arrivals == [0.0, 1.0]
