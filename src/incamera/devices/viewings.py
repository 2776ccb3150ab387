"""Who looked: the owner's view of the logs that `live` and `playback` keep (B4-04, B5.playback).

Both lie above this package, so `app.py` hands their logs over as `ViewingSource`s.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from incamera.access import NotFound, access_device
from incamera.accounts import AccountId, AccountService, Actor
from incamera.devices import repository
from incamera.devices.model import Viewing
from incamera.kit.clock import Clock
from incamera.privacy import open_session
from incamera.storage.database import Database

Place = tuple[datetime, UUID]  # of a line among all: when it began, and its id


@dataclass(frozen=True, slots=True)
class LoggedViewing:
    """A line of a viewing log, whichever feature keeps it: never with the viewer's address."""

    id: UUID
    account_id: UUID
    channel_id: UUID
    started_at: datetime
    last_seen_at: datetime
    is_going_on: bool


@dataclass(frozen=True, slots=True)
class ViewingSource:
    """`read(db, channel_ids, limit, before)` gives the latest lines; its session is opened for `activity`."""

    kind: Literal["live", "playback"]
    activity: str
    read: Callable[[AsyncSession, Sequence[UUID], int, Place | None], Awaitable[Sequence[LoggedViewing]]]


@dataclass(frozen=True, slots=True)
class NamedViewing:
    """A line of the log with the name the owner knows the viewer by; None: the account is gone."""

    viewing: Viewing
    viewer: str | None
    is_you: bool


class ViewingLogs:
    """Reads all logs as one."""

    def __init__(self, *, database: Database, clock: Clock, accounts: AccountService) -> None:
        self._database, self._clock, self._accounts = database, clock, accounts
        self._sources: list[ViewingSource] = []

    def add_source(self, source: ViewingSource) -> None:
        """From now on the log also shows what this source keeps."""
        self._sources.append(source)

    async def latest(
        self, db: AsyncSession, actor: Actor, device_id: UUID, limit: int, before: Place | None = None
    ) -> list[NamedViewing]:
        """Who looked at this device, live or past, the latest first. For its owner only: raises NotFound."""
        access = await access_device(db, actor, device_id, None, self._clock)
        if not access.is_owner:
            raise NotFound
        channel_ids = await repository.list_channel_ids(db, device_id)
        found = [line for source in self._sources for line in await self._read(source, channel_ids, limit, before)]
        found.sort(key=lambda line: (line.started_at, line.id), reverse=True)
        names = await self._accounts.names([AccountId(line.account_id) for line in found[:limit]])
        return [
            NamedViewing(line, names.get(AccountId(line.account_id)), is_you=line.account_id == actor.account_id)
            for line in found[:limit]
        ]

    async def _read(
        self, source: ViewingSource, channel_ids: Sequence[UUID], limit: int, before: Place | None
    ) -> list[Viewing]:
        async with open_session(self._database, source.activity, writes=False) as db:
            lines = await source.read(db, channel_ids, limit, before)
        return [
            Viewing(
                id=line.id,
                channel_id=line.channel_id,
                account_id=line.account_id,
                kind=source.kind,
                started_at=line.started_at,
                ended_at=None if line.is_going_on else line.last_seen_at,
            )
            for line in lines
        ]
