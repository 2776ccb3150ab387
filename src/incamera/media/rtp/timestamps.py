"""RTP timestamps, 32 bits that wrap every 13 hours at 90 kHz, as 64-bit times that do not."""

from typing import Final

_WRAP: Final = 1 << 32
_HALF: Final = 1 << 31


class TimestampUnwrapper:
    """Follows a track's timestamps. Steps of less than half the range in either direction keep their size.

    The first time equals its timestamp. After `start_again` the next time lies more than 2^32 ticks ahead of the last
    one, so that nobody mistakes a new beginning for a continuation.
    """

    def __init__(self) -> None:
        self._last: int | None = None
        self._floor = 0

    def unwrap(self, timestamp: int) -> int:
        """The time of the next packet."""
        if self._last is None:
            self._last = self._floor + timestamp
        else:
            self._last += self._step(timestamp, self._last)
        return self._last

    def peek(self, timestamp: int) -> int | None:
        """The time of a timestamp near the last one, without moving on; None before the first."""
        return None if self._last is None else self._last + self._step(timestamp, self._last)

    def start_again(self) -> None:
        """The next timestamp begins a new sequence of its own."""
        if self._last is not None:
            self._floor = (self._last // _WRAP + 2) * _WRAP
            self._last = None

    @staticmethod
    def _step(timestamp: int, last: int) -> int:
        return ((timestamp - last + _HALF) & (_WRAP - 1)) - _HALF
