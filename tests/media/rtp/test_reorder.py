"""Packets that come by UDP: out of order, twice, or not at all."""

from hypothesis import given
from hypothesis import strategies as st

from incamera.media.rtp.receiver import RtpReceiver
from incamera.media.rtp.reorder import MAX_HELD, WINDOW_S, ReorderBuffer
from incamera.media.rtp.sound import SoundDepacketiser
from tests.support.rtp_packets import Units, a_packet


class Track:
    """A buffer before a receiver, and what came out."""

    def __init__(self) -> None:
        self.units = Units()
        self.receiver = RtpReceiver(SoundDepacketiser(self.units))
        self.buffer = ReorderBuffer(self.receiver.receive)

    def take(self, *numbers: int, at_s: float = 0.0, ssrc: int = 7) -> None:
        for number in numbers:
            self.buffer.receive(a_packet(str(number).encode(), number, number * 160, ssrc=ssrc), at_s)

    @property
    def numbers(self) -> list[int]:
        return [int(unit.nal_units[0]) for unit in self.units.all]


def test_without_loss_nothing_waits() -> None:
    track = Track()
    for number in range(5):
        track.take(number)
        assert track.numbers[-1] == number
        assert track.buffer.deadline_s is None


def test_a_packet_that_comes_late_is_put_into_its_place() -> None:
    track = Track()
    track.take(1, 3, 4)
    assert track.numbers == [1]
    assert track.buffer.deadline_s == WINDOW_S
    track.take(2, at_s=0.01)

    assert track.numbers == [1, 2, 3, 4]
    assert not any(track.units.damaged)
    assert track.buffer.deadline_s is None


def test_a_packet_that_does_not_come_is_given_up() -> None:
    track = Track()
    track.take(1, 3, 5)
    track.buffer.expire(WINDOW_S / 2)
    assert track.numbers == [1]
    track.buffer.expire(WINDOW_S)
    assert track.numbers == [1, 3], "the second hole has its own time"
    track.buffer.expire(2 * WINDOW_S)

    assert track.numbers == [1, 3, 5]
    assert track.units.damaged == [False, True, True]
    assert track.receiver.packets_lost == 2


def test_late_and_repeated_packets_are_dropped() -> None:
    track = Track()
    track.take(1, 2, 2, 4, 4, 1)
    track.buffer.expire(1.0)
    track.take(3, at_s=1.0)

    assert track.numbers == [1, 2, 4]
    assert track.buffer.packets_late == 4


def test_numbers_wrap_in_the_middle_of_a_hole() -> None:
    track = Track()
    track.take(65_534, 0, 1, 65_535)

    assert track.numbers == [65_534, 65_535, 0, 1]
    assert not any(track.units.damaged)


def test_what_is_held_has_a_limit() -> None:
    track = Track()
    track.take(0, *range(2, 2 + MAX_HELD + 1))

    assert len(track.numbers) == MAX_HELD + 2
    assert track.receiver.packets_lost == 1


def test_one_stray_number_changes_nothing_and_two_are_a_new_beginning() -> None:
    track = Track()
    track.take(100, 101, 40_000, 102)
    assert track.numbers == [100, 101, 102]
    track.take(30_000, 30_001, 30_002)

    assert track.numbers == [100, 101, 102, 30_001, 30_002]
    assert track.units.damaged[-2:] == [True, False]


def test_a_new_sender_begins_at_once() -> None:
    track = Track()
    track.take(100, 102)
    track.take(7, 8, ssrc=9)

    assert track.numbers == [100, 7, 8]


def test_a_datagram_too_short_for_a_packet_is_counted() -> None:
    track = Track()
    track.buffer.receive(b"\x80\x00", 0.0)

    assert track.receiver.packets_invalid == 1


@given(
    st.integers(0, 0xFFFF),
    st.permutations(range(12)),
    st.lists(st.integers(0, 11), max_size=6),
)
def test_any_order_within_the_window_gives_the_same_units(first: int, order: list[int], repeated: list[int]) -> None:
    track = Track()
    track.take(first - 1 & 0xFFFF)
    track.take(*(first + step & 0xFFFF for step in [*order, *repeated]))

    assert track.numbers == [first + step & 0xFFFF for step in range(-1, 12)]
    assert not any(track.units.damaged)


@given(st.lists(st.tuples(st.integers(0, 0xFFFF), st.integers(0, 1), st.floats(0, 0.2)), max_size=200))
def test_whatever_comes_is_delivered_once_and_memory_is_bounded(packets: list[tuple[int, int, float]]) -> None:
    track, now_s = Track(), 0.0
    for number, ssrc, pause_s in packets:
        now_s += pause_s
        track.take(number, at_s=now_s, ssrc=ssrc)
        assert len(track.buffer._held) <= MAX_HELD
    track.buffer.expire(now_s + 1000)
    track.buffer.expire(now_s + 2000)

    assert len(track.numbers) + track.buffer.packets_late <= len(packets)
