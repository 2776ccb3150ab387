"""The two doors, the list of what lies behind them, and the question to ask again.

Every door runs one statement and one pure decision, so that "not yours" and "does not exist" differ in nothing that
can be seen from outside (requirement B4-01, design section 8).
"""

from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from incamera.access import repository
from incamera.access.errors import NotFound
from incamera.access.model import Access, Guarded, Permission, decide
from incamera.access.processing import DOOR_ACTIVITIES
from incamera.accounts import Actor
from incamera.kit.clock import Clock, SystemClock
from incamera.privacy import purpose

_SYSTEM_CLOCK = SystemClock()


async def access_channel(
    db: AsyncSession, actor: Actor, channel_id: UUID, permission: Permission, clock: Clock = _SYSTEM_CLOCK
) -> Access:
    """The door to bytes of one channel; raises NotFound. A suspended device (removed, undo possible) is closed."""
    async with purpose(db, *DOOR_ACTIVITIES):
        guarded = await repository.find_by_channel(db, channel_id, actor.account_id)
    return _open(guarded, actor, permission, channel_id, clock)


async def access_device(
    db: AsyncSession,
    actor: Actor,
    device_id: UUID,
    permission: Permission | None = None,
    clock: Clock = _SYSTEM_CLOCK,
    *,
    also_suspended: bool = False,
) -> Access:
    """The door to a device's configuration; raises NotFound.

    `permission` None: may know that the device exists. `also_suspended` lets the owner in while removal can be undone.
    """
    async with purpose(db, *DOOR_ACTIVITIES):
        guarded = await repository.find_by_device(db, device_id, actor.account_id)
    return _open(guarded, actor, permission, None, clock, also_suspended=also_suspended)


async def visible_devices(
    db: AsyncSession, actor: Actor, clock: Clock = _SYSTEM_CLOCK, *, also_suspended: bool = False
) -> list[Access]:
    """An `Access` for every device this account may know of now, the oldest device first."""
    async with purpose(db, *DOOR_ACTIVITIES):
        everything = await repository.list_for_account(db, actor.account_id)
    now = clock.now()
    found = (decide(it, actor.account_id, None, None, now, also_suspended=also_suspended) for it in everything)
    return [access for access in found if access is not None]


async def recheck(db: AsyncSession, actor: Actor, access: Access, clock: Clock = _SYSTEM_CLOCK) -> Access | None:
    """Asks again for what `access` was given for: the renewed access, or None when it is over.

    Sockets call it at `access.until` and on GrantRevoked and OwnershipEnded; a new ownership epoch is always the end.
    """
    async with purpose(db, *DOOR_ACTIVITIES):
        if access.channel_id is None:
            guarded = await repository.find_by_device(db, access.device_id, actor.account_id)
        else:
            guarded = await repository.find_by_channel(db, access.channel_id, actor.account_id)
    if guarded is None or guarded.epoch != access.epoch:
        return None
    return decide(guarded, actor.account_id, access.permission, access.channel_id, clock.now())


def _open(
    guarded: Guarded | None,
    actor: Actor,
    permission: Permission | None,
    channel_id: UUID | None,
    clock: Clock,
    *,
    also_suspended: bool = False,
) -> Access:
    if guarded is None:
        raise NotFound
    access = decide(guarded, actor.account_id, permission, channel_id, clock.now(), also_suspended=also_suspended)
    if access is None:
        raise NotFound
    return access
