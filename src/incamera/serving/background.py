"""Work that goes on beside the requests: started once, restarted when it fails, ended with the server."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Final

import structlog

from incamera.kit.clock import Clock
from incamera.privacy import declare_log_events

log = structlog.get_logger(__name__)
declare_log_events(None, {"background.failed": ("task", "wait_s"), "background.ended": ("task",)})

FIRST_WAIT_S: Final = 1.0
LONGEST_WAIT_S: Final = 60.0
HEALTHY_AFTER_S: Final = 60.0


@asynccontextmanager
async def background(clock: Clock, work: Mapping[str, Callable[[], Awaitable[None]]]) -> AsyncIterator[None]:
    """Runs each piece of work until the block ends. What fails is logged and begun again, later each time."""
    tasks = [asyncio.create_task(_keep_running(clock, name, run), name=name) for name, run in work.items()]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _keep_running(clock: Clock, name: str, run: Callable[[], Awaitable[None]]) -> None:
    wait_s = FIRST_WAIT_S
    while True:
        started = clock.monotonic()
        try:
            await run()
        except Exception as error:
            if clock.monotonic() - started > HEALTHY_AFTER_S:
                wait_s = FIRST_WAIT_S
            log.error("background.failed", task=name, wait_s=wait_s, exc_info=error)
        else:
            log.info("background.ended", task=name)
            return
        await clock.sleep(wait_s)
        wait_s = min(wait_s * 2, LONGEST_WAIT_S)
