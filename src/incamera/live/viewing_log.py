"""The viewing log: who watched which camera, from when to when. The owner reads it; nobody else does.

Beginning and end of a viewing are noted in memory and written by one task, so that a picture never waits for the
database and a thousand viewers are a few statements. Written within FLUSH_S of the start: the owner sees a viewer at
once by the count, and in the log soon after. After a crash a viewing ends up to TOUCH_S too early.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

import structlog
from sqlalchemy.ext.asyncio import AsyncSession

from incamera.accounts import Actor
from incamera.devices import LoggedViewing
from incamera.kit.clock import Clock
from incamera.kit.ids import new_id
from incamera.live import repository
from incamera.privacy import activity, open_session
from incamera.storage.database import Database
from incamera.storage.vault import Vault, VaultError

log = structlog.get_logger(__name__)

FLUSH_S: Final = 1.0
TOUCH_S: Final = 30.0
ACTIVITY: Final = "B4.live_view"


@dataclass(frozen=True, slots=True)
class _Begun:
    id: UUID
    account_id: UUID
    channel_id: UUID
    started_at: datetime
    viewer_ip: str


class ViewingLog:
    """Notes viewings and writes them down. `run` is its task; `flush` writes what is left at the end."""

    def __init__(self, database: Database, vault: Vault, clock: Clock) -> None:
        self._database, self._vault, self._clock = database, vault, clock
        self._begun: list[_Begun] = []
        self._going_on: set[UUID] = set()
        self._ended: dict[UUID, datetime] = {}
        self._touched_at = clock.monotonic()
        self._writing = asyncio.Lock()

    def begin(self, actor: Actor, channel_id: UUID, viewer_ip: str) -> UUID:
        """Somebody starts to watch; the number to `end` it by."""
        begun = _Begun(new_id(), actor.account_id, channel_id, self._clock.now(), viewer_ip)
        self._begun.append(begun)
        self._going_on.add(begun.id)
        return begun.id

    def end(self, viewing_id: UUID) -> None:
        """Somebody has stopped watching."""
        if viewing_id in self._going_on:
            self._going_on.discard(viewing_id)
            self._ended[viewing_id] = self._clock.now()

    async def run(self) -> None:
        """Writes every FLUSH_S while the server runs."""
        while True:
            await self._clock.sleep(FLUSH_S)
            try:
                await self.flush()
            except Exception as error:  # noqa: BLE001 - a locked database must not end the log; the lines are kept
                log.error("live.viewing_log_failed", error=type(error).__name__)

    @activity(ACTIVITY)
    async def flush(self) -> None:
        """Writes down what was noted so far."""
        async with self._writing:
            is_due = self._clock.monotonic() - self._touched_at >= TOUCH_S
            if not (self._begun or self._ended or (is_due and self._going_on)):
                return
            begun, ended, going_on = self._begun, self._ended, tuple(self._going_on) if is_due else ()
            self._begun, self._ended = [], {}
            try:
                async with open_session(self._database, ACTIVITY) as db:
                    await self._write(db, begun, ended, going_on)
            except BaseException:
                self._begun, self._ended = begun + self._begun, ended | self._ended
                raise
            if is_due:
                self._touched_at = self._clock.monotonic()

    async def latest(
        self, db: AsyncSession, channel_ids: Sequence[UUID], limit: int, before: tuple[datetime, UUID] | None = None
    ) -> Sequence[LoggedViewing]:
        """The latest viewings of these channels, newest first: a `devices.ViewingSource`, which asks the door."""
        rows = await repository.latest(db, channel_ids, limit, before)
        return [
            LoggedViewing(
                row.id, row.account_id, row.channel_id, row.started_at, row.last_seen_at, self._is_going_on(row.id)
            )
            for row in rows
        ]

    @activity(ACTIVITY)
    async def erase(self, channel_ids: Sequence[UUID]) -> None:
        """The device is gone for good, and with it who watched it."""
        async with open_session(self._database, ACTIVITY) as db:
            await repository.erase(db, channel_ids)

    def _is_going_on(self, viewing_id: UUID) -> bool:
        """Until its end is written: what a reader was told once stays true."""
        return viewing_id in self._going_on or viewing_id in self._ended

    # --- inside -----------------------------------------------------------------------------------------------------

    async def _write(
        self, db: AsyncSession, begun: Sequence[_Begun], ended: dict[UUID, datetime], going_on: Sequence[UUID]
    ) -> None:
        for one in begun:
            try:
                key = await self._vault.account_key(one.account_id)
            except VaultError:
                continue  # the account was erased meanwhile: nothing of it is written any more
            await repository.add(
                db,
                one.id,
                account_id=one.account_id,
                channel_id=one.channel_id,
                started_at=one.started_at,
                viewer_ip=one.viewer_ip,
                key=key,
            )
        by_end: dict[datetime, list[UUID]] = {}  # to the second, rounded up: a thousand who leave are one statement
        for viewing_id, ended_at in ended.items():
            second = ended_at.replace(microsecond=0) + timedelta(seconds=1)
            by_end.setdefault(second, []).append(viewing_id)
        for ended_at, viewing_ids in by_end.items():
            await repository.touch(db, viewing_ids, ended_at)
        if going_on:
            await repository.touch(db, going_on, self._clock.now())
