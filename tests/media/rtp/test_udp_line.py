"""A track on a line that loses, delays, repeats and reorders, from a sender that starts again: whatever comes out is
in order, once, and says where something is missing."""

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from incamera.media.rtp.h264 import H264Depacketiser, packetise_h264
from incamera.media.rtp.receiver import RtpReceiver
from incamera.media.rtp.reorder import MAX_HELD, WINDOW_S, ReorderBuffer
from incamera.media.rtp.sender import RtpSender, RtpStart
from incamera.media.rtp.sound import SoundDepacketiser
from tests.support.rtp_packets import Units, a_packet

_NEAR_WRAP = RtpStart(7, 65_528, (1 << 32) - 1000)


class LineMachine(RuleBasedStateMachine):
    """The sender counts its packets in their payload. `_under_way` are those that the line still has."""

    def __init__(self) -> None:
        super().__init__()
        self.units = Units()
        self.receiver = RtpReceiver(SoundDepacketiser(self.units), clock_rate=8000)
        self.buffer = ReorderBuffer(self.receiver.receive)
        self.now_s = 0.0
        self.count = 0
        self.lost: set[int] = set()
        self.under_way: list[tuple[int, bytes]] = []
        self.ssrc, self.sequence, self.timestamp = _NEAR_WRAP.ssrc, _NEAR_WRAP.sequence, _NEAR_WRAP.timestamp
        self.beginnings: set[int] = set()  # first packets of a new sender
        self._arrive(*self._make())  # the first: the buffer begins with what comes first

    def _make(self) -> tuple[int, bytes]:
        self.count += 1
        packet = a_packet(
            str(self.count).encode(), self.sequence & 0xFFFF, self.timestamp & 0xFFFF_FFFF, ssrc=self.ssrc
        )
        self.sequence, self.timestamp = self.sequence + 1, self.timestamp + 160
        return self.count, packet

    def _arrive(self, number: int, packet: bytes) -> None:
        del number
        self.buffer.receive(packet, self.now_s)

    @property
    def numbers(self) -> list[int]:
        return [int(unit.nal_units[0]) for unit in self.units.all]

    @rule()
    def a_packet_comes(self) -> None:
        self._flush()
        self._arrive(*self._make())

    @rule()
    def a_packet_is_lost(self) -> None:
        self.lost.add(self._make()[0])

    @rule(order=st.permutations(range(6)))
    def packets_come_in_another_order(self, order: list[int]) -> None:
        packets = [self._make() for _ in order]
        for index in order:
            self._arrive(*packets[index])

    @rule()
    def a_packet_comes_twice(self) -> None:
        number, packet = self._make()
        self._arrive(number, packet)
        self._arrive(number, packet)

    @rule()
    def a_packet_is_delayed(self) -> None:
        if len(self.under_way) < 8:
            self.under_way.append(self._make())

    @rule(step=st.integers(-(1 << 31) + 1, (1 << 31) - 1))
    def the_senders_clock_jumps(self, step: int) -> None:
        self.timestamp += step

    @rule()
    def time_passes(self) -> None:
        self.now_s += WINDOW_S
        self.buffer.expire(self.now_s)
        self.lost.update(number for number, _ in self.under_way)  # too late
        for _, packet in self.under_way:
            self.buffer.receive(packet, self.now_s)
        self.under_way.clear()

    @rule(start=st.integers(0, 65_535))
    def another_sender_begins(self, start: int) -> None:
        self._flush()
        self.now_s += 10 * WINDOW_S
        for _ in range(50):
            self.buffer.expire(self.now_s)
            self.now_s += WINDOW_S
        self.ssrc, self.sequence = self.ssrc + 1, start
        number, packet = self._make()
        self.beginnings.add(number)
        self._arrive(number, packet)

    def _flush(self) -> None:
        for _, packet in self.under_way:
            self.buffer.receive(packet, self.now_s)
        self.under_way.clear()

    @invariant()
    def what_comes_out_is_in_order_and_once(self) -> None:
        numbers = self.numbers
        assert numbers == sorted(set(numbers))
        assert len(self.buffer._held) <= MAX_HELD

    @invariant()
    def every_hole_is_told(self) -> None:
        for earlier, later, unit in zip(self.numbers, self.numbers[1:], self.units.all[1:], strict=False):
            assert unit.is_damaged == (later != earlier + 1 or later in self.beginnings)

    def teardown(self) -> None:
        self._flush()
        for _ in range(2 + len(self.buffer._held)):
            self.now_s += WINDOW_S
            self.buffer.expire(self.now_s)
        missing = set(range(1, self.count + 1)) - set(self.numbers)
        assert missing <= self.lost, "what arrived within the window came out"


LineMachine.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestLine = LineMachine.TestCase


@given(st.integers(0, 65_535), st.data())
@settings(max_examples=60, deadline=None)
def test_any_shuffle_within_the_window_gives_the_same_pictures(first: int, data: st.DataObject) -> None:
    """Pictures of several packets, sequence numbers and timestamps that wrap in the middle of them."""
    sender = RtpSender(96, RtpStart(7, first, (1 << 32) - 7200))
    pictures = [(b"\x65" + bytes((0x88, number)) * 1500,) for number in range(5)]
    packets = [p for number, unit in enumerate(pictures) for p in sender.render(number * 3600, packetise_h264(unit))]
    order = data.draw(st.permutations(range(1, len(packets))))
    units = Units()
    receiver = RtpReceiver(H264Depacketiser(units), 96)
    buffer = ReorderBuffer(receiver.receive)
    for index in (0, *order):
        buffer.receive(packets[index], 0.0)

    assert units.nal_units[:4] == pictures[:4]
    assert not any(units.damaged)
    assert {later - earlier for earlier, later in zip(units.times, units.times[1:], strict=False)} == {3600}


def test_a_loss_beside_the_wrap_with_what_follows_in_another_order() -> None:
    units = Units()
    buffer = ReorderBuffer(RtpReceiver(SoundDepacketiser(units)).receive)
    for number in (65_533, 1, 65_534, 0, 2):  # 65,535 is lost
        buffer.receive(a_packet(str(number).encode(), number, number), 0.0)
    buffer.expire(WINDOW_S)

    assert [int(unit.nal_units[0]) for unit in units.all] == [65_533, 65_534, 0, 1, 2]
    assert units.damaged == [False, False, True, False, False]


def test_a_clock_that_steps_by_hours_or_stands_still_is_told_as_it_is() -> None:
    """What becomes of such times is decided where samples are timed; here none may be lost or put in another order."""
    units = Units()
    receiver = RtpReceiver(SoundDepacketiser(units))
    hour = 3600 * 90_000
    stamps = [1000, 1000, 4600, 4600 + 5 * hour, 1000 + 5 * hour, 8200, 8200]
    for number, stamp in enumerate(stamps):
        packet = a_packet(b"x", number, stamp & 0xFFFF_FFFF)
        receiver.receive(packet, 0, len(packet), 0.04 * number)

    assert units.times == stamps
    assert not any(units.damaged)


def test_two_senders_at_once_are_both_taken_for_new_each_time_and_never_for_one_stream() -> None:
    """A collision of sender numbers, or a camera that keeps an old session alive: nobody's times are mixed."""
    units = Units()
    receiver = RtpReceiver(SoundDepacketiser(units))
    for number in range(6):
        packet = a_packet(b"x", 10 + number, 160 * number, ssrc=7 + number % 2)
        receiver.receive(packet, 0, len(packet), 0.02 * number)

    assert units.damaged == [False] + [True] * 5
    assert all(later - earlier > 1 << 32 for earlier, later in zip(units.times, units.times[1:], strict=False))


def test_a_packet_without_payload_keeps_the_numbers_together() -> None:
    units = Units()
    receiver = RtpReceiver(H264Depacketiser(units), 96)
    slice_ = b"\x65\x88\x01"
    for number, (payload, stamp) in enumerate([(slice_, 0), (b"", 0), (slice_, 3600), (b"", 3600), (slice_, 7200)]):
        packet = a_packet(payload, number, stamp, is_marked=not payload)
        receiver.receive(packet, 0, len(packet), 0.0)

    assert units.nal_units == [(slice_,), (slice_,)]
    assert not any(units.damaged)
    assert receiver.packets_lost == 0
