"""How `devices` and `sharing` change who owns and who was granted. These functions decide nothing and check nobody:
whoever calls them has passed a door first.
"""

from collections.abc import Iterable
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from incamera.access import repository
from incamera.access.events import GrantRevoked, OwnershipEnded
from incamera.access.model import Grant
from incamera.access.processing import DOOR_ACTIVITIES
from incamera.kit.clock import Clock
from incamera.kit.events import EventBus
from incamera.privacy import after_commit, purpose


async def guard_device(
    db: AsyncSession, device_id: UUID, channels: Iterable[UUID], *, time_zone: str, owner_id: UUID, clock: Clock
) -> int:
    """A new device gets its owner; returns the first ownership epoch."""
    async with purpose(db, *DOOR_ACTIVITIES):
        await repository.add_device(db, device_id, channels, time_zone, owner_id, clock.now())
    return 1


async def move_time_zone(db: AsyncSession, device_id: UUID, time_zone: str) -> None:
    """The device stands in another time zone: hours of grants follow."""
    async with purpose(db, *DOOR_ACTIVITIES):
        await repository.set_time_zone(db, device_id, time_zone)


async def suspend_device(db: AsyncSession, device_id: UUID, events: EventBus) -> None:
    """Closes the doors at once (removal that can still be undone) and has open sockets look again."""
    async with purpose(db, *DOOR_ACTIVITIES):
        await repository.set_suspended(db, device_id, is_suspended=True)
        owner = await repository.find_owner(db, device_id)
        people = await repository.grantees(db, device_id)
    if owner is not None:
        people.add(owner[0])
    for account_id in sorted(people):
        _tell(db, events, GrantRevoked(device_id, account_id))


async def resume_device(db: AsyncSession, device_id: UUID) -> None:
    """Undoes `suspend_device`: everyone has again what they had."""
    async with purpose(db, *DOOR_ACTIVITIES):
        await repository.set_suspended(db, device_id, is_suspended=False)


async def end_ownership(db: AsyncSession, device_id: UUID, *, clock: Clock, events: EventBus) -> None:
    """The present owner's epoch is over, and with it every grant."""
    async with purpose(db, *DOOR_ACTIVITIES):
        epoch = await repository.end_epoch(db, device_id, clock.now())
    if epoch is not None:
        _tell(db, events, OwnershipEnded(device_id, epoch))


async def forget_device(db: AsyncSession, device_id: UUID) -> None:
    """Deletes all rows of a device that is gone for good."""
    async with purpose(db, *DOOR_ACTIVITIES):
        await repository.delete_device(db, device_id)


async def give_grant(db: AsyncSession, grant: Grant, clock: Clock) -> None:
    """Stores what an owner allowed."""
    async with purpose(db, *DOOR_ACTIVITIES):
        await repository.add_grant(db, grant, clock.now())


async def revoke_grant(db: AsyncSession, grant_id: UUID, *, clock: Clock, events: EventBus) -> bool:
    """Ends one grant; False if it had ended already."""
    async with purpose(db, *DOOR_ACTIVITIES):
        grant = await repository.revoke(db, grant_id, clock.now())
    if grant is None:
        return False
    _tell(db, events, GrantRevoked(grant.device_id, grant.grantee_id))
    return True


async def owner_of(db: AsyncSession, device_id: UUID) -> tuple[UUID, int] | None:
    """Account and ownership epoch of a device, or None if it has no owner."""
    async with purpose(db, *DOOR_ACTIVITIES):
        return await repository.find_owner(db, device_id)


async def people_with_access(db: AsyncSession, device_id: UUID) -> list[Grant]:
    """Every grant of the present owner on this device that was not revoked."""
    async with purpose(db, *DOOR_ACTIVITIES):
        return await repository.list_grants(db, device_id)


def _tell(db: AsyncSession, events: EventBus, event: object) -> None:
    after_commit(db, lambda: events.publish(event))
