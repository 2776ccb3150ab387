"""Notices that the disk is full, read-only, broken or stalled, tells it once, and notices that it is back.

A single error is no news: room is made, or the next try succeeds. Trouble is what lasts for seconds.
"""

import errno
from collections.abc import Callable
from typing import Final

import structlog

from incamera.kit.clock import Clock
from incamera.recording.span import is_disk_full
from incamera.storage.sqlite_errors import is_read_only
from incamera.storage.volume import SENTENCES, VolumeState

log = structlog.get_logger(__name__)

WATCH_S: Final = 1.0
_LASTS_S: Final = 3.0
_FORGOTTEN_S: Final = 30.0  # without any further failure, as when nobody records any more

Listener = Callable[[VolumeState], None]


class VolumeWatch:
    """One per media volume. `busy_s` tells for how long its writer has been waiting for the disk."""

    def __init__(self, clock: Clock, busy_s: Callable[[], float]) -> None:
        self._clock, self._busy_s = clock, busy_s
        self._failing_since_s: float | None = None
        self._failed_s = 0.0
        self._kind = VolumeState.WELL
        self._listeners: list[Listener] = []
        self.state = VolumeState.WELL

    def on_change(self, listener: Listener) -> None:
        """`listener` is called in the event loop with each new state."""
        self._listeners.append(listener)

    def failed(self, error: BaseException) -> None:
        """A write, sync or commit failed."""
        self._failed_s = self._clock.monotonic()
        self._kind = kind_of(error)
        if self._failing_since_s is None:
            self._failing_since_s = self._failed_s

    def succeeded(self) -> None:
        """Something became durable."""
        self._failing_since_s = None

    async def run(self) -> None:
        while True:
            await self._clock.sleep(WATCH_S)
            self.look()

    def look(self) -> None:
        """Judges anew and tells what has changed."""
        state = self._judge()
        if state is self.state:
            return
        self.state = state
        if state is VolumeState.WELL:
            log.info("recording.volume_back")
        else:
            log.error("recording.volume_trouble", state=state.value, says=SENTENCES[state])
        for listener in self._listeners:
            listener(state)

    def _judge(self) -> VolumeState:
        now_s = self._clock.monotonic()
        if self._busy_s() > _LASTS_S:
            return VolumeState.SLOW
        if self._failing_since_s is not None and now_s - self._failed_s > _FORGOTTEN_S:
            self._failing_since_s = None
        if self._failing_since_s is None:
            return VolumeState.WELL
        return self._kind if now_s - self._failing_since_s > _LASTS_S else self.state


def kind_of(error: BaseException) -> VolumeState:
    """What an error says about the disk."""
    if is_disk_full(error):
        return VolumeState.FULL
    cause: BaseException | None = error
    while cause is not None:
        if (isinstance(cause, OSError) and cause.errno == errno.EROFS) or is_read_only(cause):
            return VolumeState.READ_ONLY
        cause = getattr(cause, "orig", None) or cause.__cause__
    return VolumeState.FAILING
