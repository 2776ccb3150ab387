"""One track's packets in the order they came: which are missing, and what time it is.

Over TCP nothing is reordered, and what comes by UDP has been put into order (`reorder.py`). So a hole in the sequence
numbers is loss (over TCP, of what the camera dropped before sending), and a step back is a repetition or a camera that
started its stream again. RFC 3550 appendix A.1 is followed for the latter: two consecutive numbers begin anew.
"""

import struct
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Final, Protocol

from incamera.media.rtp.errors import InvalidRtpPacket
from incamera.media.rtp.packet import HEADER, HEADER_BYTES, MARKER, PLAIN, find_payload
from incamera.media.rtp.timestamps import TimestampUnwrapper
from incamera.media.sample import AccessUnit

Emit = Callable[[AccessUnit, float], None]
"""`emit(unit, arrival_s)`: the unit, and the arrival of the last packet that belongs to it."""

_RUN_HEAD: Final = struct.Struct(">HHHH")  # '$' and channel, length, first two bytes of RTP, sequence number
_TIME_AND_SENDER: Final = struct.Struct(">II")
_INTERLEAVED_BYTES: Final = 4
_MAX_MISORDER: Final = 100  # a step back of at most this many packets is taken for a repetition


class Depacketiser(Protocol):
    """Turns payloads of one format into access units."""

    def push(
        self, data: bytes, start: int, stop: int, time: int, is_marked: bool, is_after_loss: bool, arrival_s: float
    ) -> None:
        """The payload data[start:stop]; `time` is unwrapped. Emits the units that are now complete. Never raises."""
        ...


class FragmentCollector(ABC):
    """A depacketiser whose units come in many packets, all alike but for the first and the last."""

    continuation = b""
    """How the payload of a packet begins that only brings more of the unit under way; empty while none would do."""

    @abstractmethod
    def push_more(self, pieces: list[bytes], payload_bytes: int, arrival_s: float) -> None:
        """What followed `continuation` in some packets of the same timestamp, in order, without loss or marker."""


class RtpReceiver:
    """Checks, orders and times the packets of one track and hands their payloads to the depacketiser."""

    def __init__(self, depacketiser: Depacketiser, payload_type: int | None = None, clock_rate: int = 90_000) -> None:
        self._push = depacketiser.push
        self._collector = depacketiser if isinstance(depacketiser, FragmentCollector) else None
        self._payload_type = payload_type
        self._ssrc: int | None = None
        self._next_sequence = 0
        self._restart_sequence: int | None = None
        self._lost_before_next = False
        self._unwrapper = TimestampUnwrapper()
        self._last_timestamp: int | None = None
        self._last_time = 0
        self._clock_rate = clock_rate
        self._last_transit: float | None = None
        self._jitter = 0.0
        self.packets_lost = 0
        self.packets_invalid = 0

    @property
    def ssrc(self) -> int | None:
        """The sender heard last."""
        return self._ssrc

    @property
    def highest_sequence(self) -> int | None:
        """The number of the newest packet, 16 bits; None before the first."""
        return None if self._ssrc is None else self._next_sequence - 1 & 0xFFFF

    @property
    def jitter(self) -> int:
        """How much the way's length varies, in ticks (RFC 3550 appendix A.8), taken once per timestamp."""
        return int(self._jitter)

    def receive(self, data: bytes, start: int, stop: int, arrival_s: float) -> None:
        """Takes the packet data[start:stop]. A packet that cannot be read is counted and flags the next unit."""
        # The hottest function of the edge: some 400 calls a second and camera. Hence no value objects in here.
        if stop - start > HEADER_BYTES and data[start] == PLAIN:
            payload_start, payload_stop = start + HEADER_BYTES, stop
        else:
            try:
                payload_start, payload_stop = find_payload(data, start, stop)
            except InvalidRtpPacket:
                self.packets_invalid += 1
                self._lost_before_next = True
                return
        _, second, sequence, timestamp, ssrc = HEADER.unpack_from(data, start)
        if (ssrc != self._ssrc or sequence != self._next_sequence) and not self._accept(ssrc, sequence):
            return
        self._next_sequence = sequence + 1 & 0xFFFF
        if self._payload_type is not None and second & 0x7F != self._payload_type:
            return  # another payload type on the same channel: comfort noise, redundancy, events
        if timestamp != self._last_timestamp:
            self._last_timestamp = timestamp
            self._last_time = self._unwrapper.unwrap(timestamp)
            transit = arrival_s * self._clock_rate - self._last_time
            if self._last_transit is not None:
                self._jitter += (abs(transit - self._last_transit) - self._jitter) / 16
            self._last_transit = transit
        is_after_loss, self._lost_before_next = self._lost_before_next, False
        self._push(data, payload_start, payload_stop, self._last_time, second >= MARKER, is_after_loss, arrival_s)

    def receive_run(self, data: bytes, at: int, end: int, line: int, arrival_s: float) -> int:
        """Takes the interleaved packets from `at` on that merely continue a fragmented unit; where the first other is.

        Nothing new can be in them, so they are compared instead of parsed: 0.6 µs each instead of 1.9, for nine packets
        of ten of a large picture (`docs/design/performance.md`).
        """
        collector = self._collector
        if collector is None or not collector.continuation or self._payload_type is None or self._lost_before_next:
            return at
        assert self._last_timestamp is not None
        assert self._ssrc is not None
        same = _TIME_AND_SENDER.pack(self._last_timestamp, self._ssrc) + collector.continuation
        same_at, least = _RUN_HEAD.size, _RUN_HEAD.size + len(same)
        first_bytes, sequence, begun_at = PLAIN << 8 | self._payload_type, self._next_sequence, at
        pieces: list[bytes] = []
        while at + least < end:
            head = _RUN_HEAD.unpack_from(data, at)
            stop = at + _INTERLEAVED_BYTES + head[1]
            is_next = head[0] == line and head[2] == first_bytes and head[3] == sequence
            if not is_next or not at + least < stop <= end or not data.startswith(same, at + same_at):
                break
            pieces.append(data[at + least : stop])
            sequence = sequence + 1 & 0xFFFF
            at = stop
        if pieces:
            self._next_sequence = sequence
            heads_bytes = (_INTERLEAVED_BYTES + HEADER_BYTES) * len(pieces)
            collector.push_more(pieces, at - begun_at - heads_bytes, arrival_s)
        return at

    def find_time(self, timestamp: int) -> int | None:
        """The unwrapped time of a 32-bit timestamp near the last packet's; None before the first packet."""
        return self._unwrapper.peek(timestamp)

    def _accept(self, ssrc: int, sequence: int) -> bool:
        """Decides about a packet that is not the expected one."""
        if self._ssrc is None:
            self._ssrc = ssrc
            return True
        if ssrc != self._ssrc:
            self._start_again(ssrc)
            return True
        ahead = sequence - self._next_sequence & 0xFFFF
        if ahead < 0x8000:
            self.packets_lost += ahead
            self._lost_before_next = True
            self._restart_sequence = None
            return True
        is_repetition = 0x10000 - ahead <= _MAX_MISORDER and sequence != self._restart_sequence
        self._restart_sequence = sequence + 1 & 0xFFFF
        if is_repetition:
            return False
        self._restart_sequence = None
        self._lost_before_next = True
        return True

    def _start_again(self, ssrc: int) -> None:
        """A new sender on the channel: its times have nothing to do with those before."""
        self._ssrc = ssrc
        self._restart_sequence = None
        self._lost_before_next = True
        self._last_timestamp = self._last_transit = None
        self._unwrapper.start_again()
