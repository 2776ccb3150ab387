"""Covers: the still picture of each channel, so that a wall of cameras is there before anything plays.

A cover is taken by the edge when a camera comes on line and every few minutes while the camera sends anyway (it is
recorded, or somebody watches); a camera that sends nothing is asked only for its first one. Each is sealed under a key
of its own, shown to whoever may see recordings, and cached by nobody (B7-01).
"""

import asyncio
from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Protocol
from uuid import UUID

import structlog
from sqlalchemy.ext.asyncio import AsyncSession

from incamera.access import Permission, access_channel
from incamera.accounts import Actor
from incamera.devices import repository
from incamera.devices.errors import CoverNotTaken, NoCover
from incamera.devices.events import ChannelOnline, DeviceChanged
from incamera.devices.jpeg import NotAJpeg, strip_metadata
from incamera.devices.model import past_moment
from incamera.devices.processing import DEVICE_ACTIVITIES
from incamera.devices.repository import CoverTurn, StoredCover
from incamera.devices.service import Viewers
from incamera.kit.clock import Clock
from incamera.kit.errors import IncameraError
from incamera.kit.events import EventBus
from incamera.kit.ids import new_id
from incamera.privacy import RetentionRule, Swept, after_commit, open_session
from incamera.protocol.messages import SnapshotResult
from incamera.storage.database import Database
from incamera.storage.vault import EpochRef, ItemRef, KeyDestroyed, KeyNotFound, ScopeKey, Vault

log = structlog.get_logger(__name__)

FRESH_FOR: Final = timedelta(minutes=5)
LOOK_EVERY_S: Final = 60.0
SETTLE_S: Final = 2.0  # a camera that has just come on line shows a better picture a moment later
_AT_ONCE: Final = 2


class Snapshots(Protocol):
    """Of `streams.UplinkDirectory`, what covers need."""

    def is_connected(self, edge_id: UUID) -> bool: ...

    async def snapshot(self, edge_id: UUID, channel_id: UUID) -> SnapshotResult: ...


@dataclass(frozen=True, slots=True)
class Cover:
    """A cover, opened. `etag` differs from person to person: no cache may tell two people that they saw the same."""

    picture: bytes
    taken_at: datetime
    etag: str


class CoverService:
    """One per server; `run` is its task. Also the `RetentionTarget` of covers."""

    def __init__(
        self,
        *,
        database: Database,
        vault: Vault,
        clock: Clock,
        events: EventBus,
        snapshots: Snapshots,
        viewers: Viewers,
    ) -> None:
        self._database, self._vault, self._clock, self._events = database, vault, clock, events
        self._snapshots, self._viewers = snapshots, viewers
        self._came_online: set[UUID] = set()
        self._somebody_came = asyncio.Event()
        self._free = asyncio.Semaphore(_AT_ONCE)
        events.subscribe(ChannelOnline, self._note)

    async def cover(self, db: AsyncSession, actor: Actor, channel_id: UUID) -> Cover:
        """The present cover; raises NotFound for an outsider and NoCover where there is none."""
        access = await access_channel(db, actor, channel_id, Permission.VIEW_RECORDINGS, self._clock)
        stored = await repository.find_cover(db, channel_id)
        if stored is None:
            raise NoCover
        try:
            key = await self._vault.item_key(ItemRef(stored.item_id, EpochRef(access.device_id, access.epoch)))
        except (KeyDestroyed, KeyNotFound) as error:
            raise NoCover from error
        tag = self._vault.pseudonym("cover.etag", f"{actor.account_id}/{stored.item_id}/{stored.taken_at.isoformat()}")
        return Cover(key.open(stored.picture, _context(channel_id)), stored.taken_at, f'"{tag.hex()[:32]}"')

    async def refresh(self, actor: Actor, channel_id: UUID) -> datetime:
        """Takes a new cover now, because a person asked; returns when it was taken. Raises CoverNotTaken."""
        async with open_session(self._database, *DEVICE_ACTIVITIES, writes=False) as db:
            await access_channel(db, actor, channel_id, Permission.VIEW_RECORDINGS, self._clock)
            turn = await repository.find_cover_turn(db, channel_id)
        if turn is None or not turn.is_online:
            raise CoverNotTaken
        return await self._take(turn)

    async def run(self) -> None:
        """Keeps covers fresh for as long as the server runs."""
        while True:
            await self._wait()
            came_online, self._came_online = frozenset(self._came_online), set()
            try:
                await self._take_due(came_online)
            except Exception as error:  # noqa: BLE001 - a locked database must not end the work; next time it answers
                log.error("cover.round_failed", error=type(error).__name__)

    async def _wait(self) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(LOOK_EVERY_S):
                await self._somebody_came.wait()
            await asyncio.sleep(SETTLE_S)
        self._somebody_came.clear()

    def _note(self, event: ChannelOnline) -> None:
        self._came_online.add(event.channel_id)
        self._somebody_came.set()

    def _is_due(self, turn: CoverTurn, came_online: bool) -> bool:
        if not turn.is_online or not self._snapshots.is_connected(turn.edge_id):
            return False
        if turn.taken_at is None:
            return True
        sends = turn.is_recorded or self._viewers.viewer_count(turn.channel_id) > 0
        return sends and (came_online or self._clock.now() - turn.taken_at >= FRESH_FOR)

    async def _take_due(self, came_online: Collection[UUID]) -> None:
        async with open_session(self._database, *DEVICE_ACTIVITIES, writes=False) as db:
            turns = await repository.list_cover_turns(db)
        async with asyncio.TaskGroup() as group:
            for turn in turns:
                if self._is_due(turn, turn.channel_id in came_online):
                    group.create_task(self._try_to_take(turn))

    async def _try_to_take(self, turn: CoverTurn) -> None:
        async with self._free:
            try:
                await self._take(turn)
            except IncameraError as error:
                log.info("cover.failed", channel_id=str(turn.channel_id), error=error.code())

    async def _take(self, turn: CoverTurn) -> datetime:
        result = await self._snapshots.snapshot(turn.edge_id, turn.channel_id)
        try:
            picture = strip_metadata(result.picture)
        except NotAJpeg as error:
            raise CoverNotTaken from error
        taken_at = past_moment(result.taken_us, self._clock.now())
        async with open_session(self._database, *DEVICE_ACTIVITIES) as db:
            now = await repository.find_cover_turn(db, turn.channel_id)
            if now is None or now.epoch != turn.epoch:
                raise CoverNotTaken  # it was removed or changed hands while the picture was taken
            item_id, key = await self._key(turn)
            stored = StoredCover(item_id, taken_at, key.seal(picture, _context(turn.channel_id)))
            await repository.put_cover(db, turn.channel_id, stored)
            after_commit(db, lambda: self._events.publish(DeviceChanged(turn.device_id)))
        return taken_at

    async def _key(self, turn: CoverTurn) -> tuple[UUID, ScopeKey]:
        """The channel's cover key, or a new one. Earlier pictures are overwritten: one key may serve them all."""
        epoch = EpochRef(turn.device_id, turn.epoch)
        if turn.item_id is not None:
            try:
                return turn.item_id, await self._vault.item_key(ItemRef(turn.item_id, epoch))
            except (KeyDestroyed, KeyNotFound):
                pass  # retention was faster; the picture of that key is gone
        item_id = new_id()
        return item_id, await self._vault.create_item_key(ItemRef(item_id, epoch))

    # --- retention ----------------------------------------------------------------------------------------------------

    async def sweep(self, rule: RetentionRule, now: datetime) -> Swept:
        """A cover lives no longer than the recordings of its channel would: key first, then the row."""
        erased = 0
        for turn in await self._over(rule, now):
            assert turn.item_id is not None
            await self._vault.destroy_item_key(ItemRef(turn.item_id, EpochRef(turn.device_id, turn.epoch)))
            async with open_session(self._database, *DEVICE_ACTIVITIES) as db:
                await repository.delete_cover(db, turn.channel_id, turn.item_id)
            erased += 1
        return Swept(erased, await self._oldest())

    async def pending(self, rule: RetentionRule, now: datetime) -> Swept:
        return Swept(0, await self._oldest(), overdue=len(await self._over(rule, now)))

    async def _over(self, rule: RetentionRule, now: datetime) -> list[CoverTurn]:
        async with open_session(self._database, *DEVICE_ACTIVITIES, writes=False) as db:
            turns = await repository.list_cover_turns(db)
        limit = rule.maximum or rule.ceiling
        return [
            turn
            for turn in turns
            if turn.taken_at is not None and turn.taken_at + (min(limit, turn.keep) if limit else turn.keep) <= now
        ]

    async def _oldest(self) -> datetime | None:
        async with open_session(self._database, *DEVICE_ACTIVITIES, writes=False) as db:
            return await repository.oldest_cover(db)


def _context(channel_id: UUID) -> str:
    return f"cover/{channel_id}"
