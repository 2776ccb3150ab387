"""Every query of access. The look-ups of the doors are one statement each, whoever asks and whatever exists."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, Row, Select, and_, delete, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from incamera.access.model import Grant, Guarded, Permission, WeeklyHours
from incamera.access.tables import GrantRow, GuardedChannelRow, GuardedDeviceRow, OwnershipRow


async def find_by_channel(db: AsyncSession, channel_id: UUID, account_id: UUID) -> Guarded | None:
    """The device of a channel, with the grants of this account on it."""
    statement = _guarded(account_id).join(
        GuardedChannelRow,
        and_(GuardedChannelRow.device_id == GuardedDeviceRow.device_id, GuardedChannelRow.channel_id == channel_id),
    )
    return _first(_group((await db.execute(statement)).all()))


async def find_by_device(db: AsyncSession, device_id: UUID, account_id: UUID) -> Guarded | None:
    """A device, with the grants of this account on it."""
    return _first(_group((await db.execute(_guarded(account_id, GuardedDeviceRow.device_id == device_id))).all()))


async def list_for_account(db: AsyncSession, account_id: UUID) -> list[Guarded]:
    """Every device that this account owns or has some grant on."""
    mine = or_(OwnershipRow.account_id == account_id, GrantRow.id.is_not(None))
    statement = _guarded(account_id, mine).order_by(GuardedDeviceRow.device_id)
    return _group((await db.execute(statement)).all())


def _guarded(
    account_id: UUID, *conditions: ColumnElement[bool]
) -> Select[GuardedDeviceRow, OwnershipRow, GrantRow | None]:
    is_mine = and_(
        GrantRow.device_id == OwnershipRow.device_id,
        GrantRow.epoch == OwnershipRow.epoch,
        GrantRow.grantee_id == account_id,
        GrantRow.is_revoked.is_(False),
    )
    statement: Any = (  # an outer join: the types of SQLAlchemy know no optional entity
        select(GuardedDeviceRow, OwnershipRow, GrantRow)
        .join(
            OwnershipRow,
            and_(OwnershipRow.device_id == GuardedDeviceRow.device_id, OwnershipRow.ended_at.is_(None)),
        )
        .outerjoin(GrantRow, is_mine)
        .where(*conditions)
    )
    found: Select[GuardedDeviceRow, OwnershipRow, GrantRow | None] = statement
    return found


def _group(rows: Iterable[Row[GuardedDeviceRow, OwnershipRow, GrantRow | None]]) -> list[Guarded]:
    found: dict[UUID, tuple[GuardedDeviceRow, OwnershipRow, list[Grant]]] = {}
    for device, ownership, grant in rows:
        _, _, grants = found.setdefault(device.device_id, (device, ownership, []))
        if grant is not None:
            grants.append(_grant(grant))
    return [
        Guarded(
            device_id=device.device_id,
            epoch=ownership.epoch,
            owner_id=ownership.account_id,
            zone=ZoneInfo(device.time_zone),
            is_suspended=device.is_suspended,
            grants=tuple(grants),
        )
        for device, ownership, grants in found.values()
    ]


def _first(found: Sequence[Guarded]) -> Guarded | None:
    return found[0] if found else None


def _grant(row: GrantRow) -> Grant:
    hours = None
    if row.weekdays is not None and row.from_minute is not None and row.to_minute is not None:
        hours = WeeklyHours(frozenset(row.weekdays), row.from_minute, row.to_minute)
    return Grant(
        id=row.id,
        device_id=row.device_id,
        epoch=row.epoch,
        grantee_id=row.grantee_id,
        permissions=frozenset(Permission(name) for name in row.permissions),
        channels=None if row.channels is None else frozenset(UUID(text) for text in row.channels),
        hours=hours,
        starts_at=row.starts_at,
        ends_at=row.ends_at,
        look_back=None if row.look_back_s is None else timedelta(seconds=row.look_back_s),
    )


async def list_grants(db: AsyncSession, device_id: UUID) -> list[Grant]:
    """Grants of the present owner that were not revoked, the oldest first."""
    statement = (
        select(GrantRow)
        .join(OwnershipRow, and_(OwnershipRow.device_id == GrantRow.device_id, OwnershipRow.epoch == GrantRow.epoch))
        .where(GrantRow.device_id == device_id, GrantRow.is_revoked.is_(False), OwnershipRow.ended_at.is_(None))
        .order_by(GrantRow.id)
    )
    return [_grant(row) for row in (await db.scalars(statement)).all()]


async def add_grant(db: AsyncSession, grant: Grant, now: datetime) -> None:
    hours = grant.hours
    db.add(
        GrantRow(
            id=grant.id,
            device_id=grant.device_id,
            epoch=grant.epoch,
            grantee_id=grant.grantee_id,
            permissions=sorted(grant.permissions),
            channels=None if grant.channels is None else sorted(map(str, grant.channels)),
            weekdays=None if hours is None else sorted(hours.weekdays),
            from_minute=None if hours is None else hours.from_minute,
            to_minute=None if hours is None else hours.to_minute,
            starts_at=grant.starts_at,
            ends_at=grant.ends_at,
            look_back_s=None if grant.look_back is None else int(grant.look_back.total_seconds()),
            is_revoked=False,
            last_valid_at=grant.ends_at or now,
        )
    )
    await db.flush()


async def revoke(db: AsyncSession, grant_id: UUID, now: datetime) -> Grant | None:
    row = await db.get(GrantRow, grant_id)
    if row is None or row.is_revoked:
        return None
    row.is_revoked, row.last_valid_at = True, now
    await db.flush()
    return _grant(row)


async def grantees(db: AsyncSession, device_id: UUID) -> set[UUID]:
    statement = select(GrantRow.grantee_id).where(GrantRow.device_id == device_id, GrantRow.is_revoked.is_(False))
    return set((await db.scalars(statement)).all())


async def add_device(
    db: AsyncSession, device_id: UUID, channels: Iterable[UUID], time_zone: str, owner_id: UUID, now: datetime
) -> None:
    db.add(GuardedDeviceRow(device_id=device_id, time_zone=time_zone, is_suspended=False))
    await db.flush()
    db.add_all(GuardedChannelRow(channel_id=channel_id, device_id=device_id) for channel_id in channels)
    db.add(OwnershipRow(device_id=device_id, epoch=1, account_id=owner_id, started_at=now, ended_at=None))
    await db.flush()


async def set_time_zone(db: AsyncSession, device_id: UUID, time_zone: str) -> None:
    await db.execute(
        update(GuardedDeviceRow).where(GuardedDeviceRow.device_id == device_id).values(time_zone=time_zone)
    )


async def set_suspended(db: AsyncSession, device_id: UUID, *, is_suspended: bool) -> None:
    await db.execute(
        update(GuardedDeviceRow).where(GuardedDeviceRow.device_id == device_id).values(is_suspended=is_suspended)
    )


async def find_owner(db: AsyncSession, device_id: UUID) -> tuple[UUID, int] | None:
    """Account and epoch of the present owner."""
    statement = select(OwnershipRow.account_id, OwnershipRow.epoch).where(
        OwnershipRow.device_id == device_id, OwnershipRow.ended_at.is_(None)
    )
    return (await db.execute(statement)).first()


async def end_epoch(db: AsyncSession, device_id: UUID, now: datetime) -> int | None:
    """Ends the present ownership and every grant of the device; returns the epoch that ended."""
    owner = await find_owner(db, device_id)
    await db.execute(
        update(OwnershipRow)
        .where(OwnershipRow.device_id == device_id, OwnershipRow.ended_at.is_(None))
        .values(ended_at=now)
    )
    await db.execute(
        update(GrantRow)
        .where(GrantRow.device_id == device_id, GrantRow.is_revoked.is_(False))
        .values(is_revoked=True, last_valid_at=now)
    )
    return None if owner is None else owner[1]


async def delete_device(db: AsyncSession, device_id: UUID) -> None:
    for table in (GrantRow, OwnershipRow, GuardedChannelRow, GuardedDeviceRow):
        await db.execute(delete(table).where(table.device_id == device_id))
