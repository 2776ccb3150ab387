"""The server's time, seen from the edge's monotonic clock. A camera's own clock is never wall time."""

from collections import deque
from typing import Final

from incamera.kit.clock import Clock

_REMEMBERED_PINGS: Final = 8
_STEP_US: Final = 500_000  # more than this apart, and more than the round trip explains: another time


class ServerClock:
    """Turns monotonic arrival times into the server's wall time in microseconds.

    Of the last pings the one with the shortest round trip counts: its answer waited least in queues. Until the first
    answer this machine's own wall clock stands in.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._samples: deque[tuple[int, int]] = deque(maxlen=_REMEMBERED_PINGS)  # (round trip, offset), microseconds
        self._offset_us = clock.now_us() - self.monotonic_us()

    def monotonic_us(self) -> int:
        """This edge's monotonic time in microseconds: what a ping carries."""
        return int(self._clock.monotonic() * 1_000_000)

    def observe(self, sent_us: int, server_us: int) -> None:
        """A ping sent at `sent_us` (monotonic) was answered just now with the server's wall time."""
        now_us = self.monotonic_us()
        if sent_us > now_us:
            return
        trip_us, offset_us = now_us - sent_us, server_us - (sent_us + now_us) // 2
        if abs(offset_us - self._offset_us) > trip_us + _STEP_US:  # the server's clock was set
            self._samples.clear()
        self._samples.append((trip_us, offset_us))
        self._offset_us = min(self._samples)[1]

    def forget(self) -> None:
        """A new connection may lead to another clock: its first answer counts at once."""
        self._samples.clear()

    def wall_us(self, monotonic_s: float) -> int:
        """Wall time of a moment of the monotonic clock."""
        return int(monotonic_s * 1_000_000) + self._offset_us

    def now_us(self) -> int:
        return self.monotonic_us() + self._offset_us
