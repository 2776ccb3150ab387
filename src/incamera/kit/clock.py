"""Time as a collaborator, so that a test can move it.

Wall time is UTC; `now_us` counts microseconds since the Unix epoch. Monotonic time never jumps and has no epoch.
"""

import asyncio
import time
from datetime import UTC, datetime
from typing import Protocol


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


def from_us(microseconds: int) -> datetime:
    """The UTC wall time that many microseconds after the Unix epoch."""
    return datetime.fromtimestamp(microseconds / 1_000_000, UTC)


def to_us(moment: datetime) -> int:
    """Microseconds between the Unix epoch and an aware wall time."""
    return round(moment.timestamp() * 1_000_000)
