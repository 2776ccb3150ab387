"""The viewing log of recordings: who looked back at which channel, from when to when. The owner reads it."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

import structlog
from sqlalchemy.ext.asyncio import AsyncSession

from incamera.accounts import Actor
from incamera.devices import LoggedViewing
from incamera.kit.clock import Clock
from incamera.kit.ids import new_id
from incamera.playback import repository
from incamera.privacy import activity, open_session
from incamera.storage.database import Database

log = structlog.get_logger(__name__)

TOUCH_S: Final = 30.0
ACTIVITY: Final = "B5.playback"


class PlaybackLog:
    """A line is committed before the first picture is sent, then touched every half minute by `run`."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database, self._clock = database, clock
        self._going_on: set[UUID] = set()
        self._ended: set[UUID] = set()

    @activity(ACTIVITY)
    async def begin(self, actor: Actor, channel_id: UUID) -> UUID:
        """Somebody starts to look; the number to `end` it by. Durable when this returns."""
        viewing_id = new_id()
        async with open_session(self._database, ACTIVITY) as db:
            await repository.add(db, viewing_id, actor.account_id, channel_id, self._clock.now())
        self._going_on.add(viewing_id)
        return viewing_id

    def end(self, viewing_id: UUID) -> None:
        """Somebody has stopped looking."""
        if viewing_id in self._going_on:
            self._going_on.discard(viewing_id)
            self._ended.add(viewing_id)

    async def run(self) -> None:
        """For as long as the server runs."""
        while True:
            await self._clock.sleep(TOUCH_S)
            try:
                await self.flush()
            except Exception as error:  # noqa: BLE001 - a locked database must not end the log
                log.error("playback.log_failed", error=type(error).__name__)

    @activity(ACTIVITY)
    async def flush(self) -> None:
        """Notes who is still there, and who left since."""
        ended, self._ended = self._ended, set()
        seen = [*ended, *self._going_on]
        if not seen:
            return
        try:
            async with open_session(self._database, ACTIVITY) as db:
                await repository.touch(db, seen, self._clock.now())
        except BaseException:
            self._ended |= ended
            raise

    @activity(ACTIVITY)
    async def erase(self, channel_ids: Sequence[UUID]) -> None:
        """Deletes every line about these channels."""
        async with open_session(self._database, ACTIVITY) as db:
            await repository.erase(db, channel_ids)

    async def latest(
        self, db: AsyncSession, channel_ids: Sequence[UUID], limit: int, before: tuple[datetime, UUID] | None = None
    ) -> list[LoggedViewing]:
        """The latest viewings of these channels. The caller has asked the door whether this person may know."""
        rows = await repository.latest(db, channel_ids, limit, before)
        going_on = self._going_on | self._ended  # until its end is written
        return [
            LoggedViewing(row.id, row.account_id, row.channel_id, row.started_at, row.last_seen_at, row.id in going_on)
            for row in rows
        ]
