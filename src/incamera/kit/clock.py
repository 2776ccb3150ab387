"""Time as a collaborator, so that a test can move it.

Wall time is UTC; `now_us` counts microseconds since the Unix epoch. Monotonic time never jumps and has no epoch.
"""

import asyncio
import os
import time
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, Protocol

EARLIEST: Final = datetime(2026, 11, 1, tzinfo=UTC)  # this program is younger than that


class Clock(Protocol):
    """What the program knows of time. Pass it in `__init__`; never call `time` or `datetime.now` in a feature."""

    def now(self) -> datetime:
        """Current wall time, aware, in UTC."""
        ...

    def now_us(self) -> int:
        """Current wall time in microseconds since the Unix epoch."""
        ...

    def monotonic(self) -> float:
        """Seconds on a clock that never goes back."""
        ...

    async def sleep(self, delay_s: float) -> None:
        """Waits `delay_s` seconds of this clock."""
        ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def now_us(self) -> int:
        return time.time_ns() // 1000

    def monotonic(self) -> float:
        return time.monotonic()

    async def sleep(self, delay_s: float) -> None:
        await asyncio.sleep(delay_s)


class LateClock(SystemClock):
    """The machine's clock, or the newest time known while that one cannot be right.

    A board without a battery wakes up in 1970, or when its software was built, until the network tells it the time.
    What is recorded then must neither come before what was recorded earlier nor be overdue at once, so wall time goes
    on from the newest file of an earlier life. As soon as the machine's own clock is plausible, it alone counts.
    """

    def __init__(self, newest: datetime = EARLIEST) -> None:
        self._newest_us = to_us(max(newest, EARLIEST))
        self._started_s = time.monotonic()

    @property
    def is_guessing(self) -> bool:
        """Whether the machine's clock cannot be right."""
        return super().now_us() < _EARLIEST_US

    def now_us(self) -> int:
        told_us = super().now_us()
        if told_us >= _EARLIEST_US:
            return told_us
        return self._newest_us + round((time.monotonic() - self._started_s) * 1_000_000)

    def now(self) -> datetime:
        return from_us(self.now_us())


def newest_file_at(folder: Path) -> datetime:
    """When a file directly in this folder was last written; EARLIEST if there is none."""
    with suppress(OSError), os.scandir(folder) as entries:
        written = [entry.stat(follow_symlinks=False).st_mtime for entry in entries]
        return max((datetime.fromtimestamp(moment, UTC) for moment in written), default=EARLIEST)
    return EARLIEST


def from_us(microseconds: int) -> datetime:
    """The UTC wall time that many microseconds after the Unix epoch."""
    return datetime.fromtimestamp(microseconds / 1_000_000, UTC)


def to_us(moment: datetime) -> int:
    """Microseconds between the Unix epoch and an aware wall time."""
    return round(moment.timestamp() * 1_000_000)


_EARLIEST_US: Final = to_us(EARLIEST)
