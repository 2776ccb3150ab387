"""Removing a device: stopped at once, undone within ten minutes, then erased for good.

    in use ──remove──► removed (captures nothing, doors closed) ──10 min──► erase: key, then media, then rows
       ▲                  │
       └─────restore──────┘

Erasing begins with the epoch key: from then on nothing of the device opens, also from a copy. Every step may be
repeated, so the job that a crash interrupts simply begins again.
"""

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

import structlog
from sqlalchemy.ext.asyncio import AsyncSession

from incamera.access import (
    NotFound,
    Permission,
    access_device,
    end_ownership,
    forget_device,
    resume_device,
    suspend_device,
)
from incamera.accounts import Actor
from incamera.devices import repository
from incamera.devices.errors import DeviceNotRemoved
from incamera.devices.events import DeviceChanged, DeviceErased, DeviceRemoved
from incamera.devices.model import UNDO_LENGTH
from incamera.devices.processing import DEVICE_ACTIVITIES
from incamera.devices.service import DeviceService, ShownDevice, Uplinks
from incamera.kit.clock import Clock
from incamera.kit.events import EventBus
from incamera.privacy import RetentionRule, Swept, activity, after_commit, open_session
from incamera.storage.database import Database
from incamera.storage.jobs import JobQueue, Payload
from incamera.storage.vault import Vault

log = structlog.get_logger(__name__)

ERASE_JOB: Final = "devices.erase"
SWEEP_JOB: Final = "devices.erase_removed"
SWEEP_EVERY: Final = timedelta(minutes=5)

Eraser = Callable[[DeviceErased], Awaitable[object]]


class RemovalService:
    """One per server. Also the `RetentionTarget` of everything that is kept until a device is removed."""

    def __init__(
        self,
        *,
        database: Database,
        vault: Vault,
        clock: Clock,
        events: EventBus,
        jobs: JobQueue,
        devices: DeviceService,
        uplinks: Uplinks,
    ) -> None:
        self._database, self._vault, self._clock, self._events = database, vault, clock, events
        self._jobs, self._devices, self._uplinks = jobs, devices, uplinks
        self._erasers: list[Eraser] = []
        jobs.handle(ERASE_JOB, self._erase_job)
        jobs.every(SWEEP_EVERY, SWEEP_JOB, self._sweep_job)

    def on_erase(self, eraser: Eraser) -> None:
        """`eraser` erases what its feature keeps of a device: awaited before the rows go, once more after a crash."""
        self._erasers.append(eraser)

    async def remove(self, db: AsyncSession, actor: Actor, device_id: UUID) -> datetime:
        """Stops capture and closes the doors at once; returns until when that can be undone. For the owner only."""
        access = await access_device(db, actor, device_id, Permission.CONFIGURE, self._clock)
        if not access.is_owner:
            raise NotFound
        now = self._clock.now()
        await repository.set_removed_at(db, device_id, now)
        await suspend_device(db, device_id, self._events)
        await self._jobs.add(
            db,
            ERASE_JOB,
            {"device_id": str(device_id)},
            due_at=now + UNDO_LENGTH,
            unique_key=f"{ERASE_JOB}/{device_id}/{int(now.timestamp())}",
        )
        self._tell(db, DeviceRemoved(device_id, await repository.list_channel_ids(db, device_id)))
        edge_id = await repository.get_edge_of(db, device_id)
        after_commit(db, lambda: self._uplinks.refresh_desired(edge_id))
        log.info("device.removed", device_id=str(device_id))
        return now + UNDO_LENGTH

    async def restore(self, db: AsyncSession, actor: Actor, device_id: UUID) -> ShownDevice:
        """Undoes a removal within its time; everything is as it was. Raises DeviceNotRemoved."""
        shown = await self._devices.show(db, actor, device_id)
        until = shown.device.removed_until
        if not shown.access.is_owner or until is None or until <= self._clock.now():
            raise DeviceNotRemoved
        await repository.set_removed_at(db, device_id, None)
        await resume_device(db, device_id)
        self._tell(db, DeviceChanged(device_id))
        after_commit(db, lambda: self._uplinks.refresh_desired(shown.device.edge_id))
        log.info("device.restored", device_id=str(device_id))
        return await self._devices.show(db, actor, device_id)

    async def erase_removed(self) -> int:
        """Erases every device whose time to undo is over; returns how many. Also run once before serving."""
        due = await self._due()
        for device_id in due:
            await self.erase(device_id)
        return len(due)

    async def erase(self, device_id: UUID) -> None:
        """For good. May be repeated."""
        async with open_session(self._database, *DEVICE_ACTIVITIES, writes=False) as db:
            epoch = await repository.find_epoch(db, device_id)
            channel_ids = await repository.list_channel_ids(db, device_id)
        if epoch is None:
            return
        erased = DeviceErased(device_id, epoch, channel_ids)
        await self._vault.destroy_epoch_key(device_id, epoch)
        for eraser in self._erasers:
            await eraser(erased)
        async with open_session(self._database, *DEVICE_ACTIVITIES) as db:
            await end_ownership(db, device_id, clock=self._clock, events=self._events)
            await repository.delete_device(db, device_id)
            await forget_device(db, device_id)
            self._tell(db, erased)
        log.info("device.erased", device_id=str(device_id), epoch=epoch)

    async def sweep(self, rule: RetentionRule, now: datetime) -> Swept:
        """For the retention engine: the same as `erase_removed`, with figures."""
        due = await self._due(now)
        for device_id in due:
            await self.erase(device_id)
        return Swept(len(due), await self._oldest())

    async def pending(self, rule: RetentionRule, now: datetime) -> Swept:
        """How many devices wait for their erasure, and since when the oldest was removed."""
        return Swept(0, await self._oldest(), overdue=len(await self._due(now)))

    @activity("B3.device_add")
    async def _erase_job(self, payload: Payload) -> None:
        device_id = UUID(str(payload["device_id"]))
        if device_id in await self._due():  # else it was restored, perhaps removed again since
            await self.erase(device_id)

    @activity("B3.device_add")
    async def _sweep_job(self, _payload: Payload) -> None:
        await self.erase_removed()

    async def _due(self, now: datetime | None = None) -> Sequence[UUID]:
        async with open_session(self._database, *DEVICE_ACTIVITIES, writes=False) as db:
            return await repository.list_removed(db, (now or self._clock.now()) - UNDO_LENGTH)

    async def _oldest(self) -> datetime | None:
        async with open_session(self._database, *DEVICE_ACTIVITIES, writes=False) as db:
            return await repository.oldest_removal(db)

    def _tell(self, db: AsyncSession, event: object) -> None:
        after_commit(db, lambda: self._events.publish(event))
