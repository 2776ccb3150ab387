"""A clock that a test moves."""

import asyncio
from datetime import UTC, datetime, timedelta

from incamera.kit.clock import to_us

NOON = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)  # a Tuesday


class MovableClock:
    """Stands still until told to move; `sleep` moves it."""

    def __init__(self, now: datetime = NOON) -> None:
        self._start = self._now = now

    def now(self) -> datetime:
        return self._now

    def now_us(self) -> int:
        return to_us(self._now)

    def monotonic(self) -> float:
        return (self._now - self._start).total_seconds()

    async def sleep(self, delay_s: float) -> None:
        self.move(seconds=delay_s)
        await asyncio.sleep(0)

    def move(self, **delta: float) -> None:
        """Goes forward by `timedelta(**delta)`."""
        self._now += timedelta(**delta)
