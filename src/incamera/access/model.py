"""The rules of access, as values and pure functions.

The owner may do everything, as long as the ownership epoch lasts. Anybody else needs a grant of that epoch which, at
this moment, covers the channel and the permission. Days and hours of a grant are those of the device's place.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from uuid import UUID
from zoneinfo import ZoneInfo

DAY_MINUTES = 24 * 60


class Permission(StrEnum):
    """What a grant can allow (B9-02)."""

    VIEW_LIVE = "view_live"
    LISTEN = "listen"
    TALK = "talk"
    VIEW_RECORDINGS = "view_recordings"
    EXPORT = "export"
    RECEIVE_ALARMS = "receive_alarms"
    CONTROL = "control"
    CONFIGURE = "configure"
    SHARE = "share"


EVERYTHING = frozenset(Permission)


@dataclass(frozen=True, slots=True)
class WeeklyHours:
    """Some hours of some days, in the device's time zone.

    Weekdays count from Monday = 0. The window opens at `from_minute` of the day (0-1439) and closes at `to_minute`
    (1-1440); one that closes before it opens goes on past midnight and belongs to the day on which it opened.
    """

    weekdays: frozenset[int]
    from_minute: int
    to_minute: int

    def __post_init__(self) -> None:
        if not self.weekdays or not self.weekdays <= frozenset(range(7)):
            raise ValueError("weekdays are one or more of 0 (Monday) to 6 (Sunday)")
        if not (0 <= self.from_minute < DAY_MINUTES and 0 < self.to_minute <= DAY_MINUTES):
            raise ValueError("hours go from minute 0-1439 to minute 1-1440 of a day")
        if self.from_minute == self.to_minute:
            raise ValueError("hours that open and close in the same minute are no hours")

    def open_until(self, now: datetime, zone: ZoneInfo) -> datetime | None:
        """When the window that is open now closes (UTC), or None if none is open."""
        here = now.astimezone(zone)
        for day in (here.date(), here.date() - timedelta(days=1)):
            if day.weekday() not in self.weekdays:
                continue
            last_day = day if self.from_minute < self.to_minute else day + timedelta(days=1)
            opens, closes = _moment(day, self.from_minute, zone), _moment(last_day, self.to_minute, zone)
            if opens <= now < closes:
                return closes
        return None


def _moment(day: date, minute: int, zone: ZoneInfo) -> datetime:
    midnight = datetime.combine(day, time())
    return (midnight + timedelta(minutes=minute)).replace(tzinfo=zone).astimezone(UTC)


@dataclass(frozen=True, slots=True)
class Grant:
    """What an owner allowed one other account on one device."""

    id: UUID
    device_id: UUID
    epoch: int
    grantee_id: UUID
    permissions: frozenset[Permission]
    channels: frozenset[UUID] | None  # None: all channels, also those added later
    hours: WeeklyHours | None  # None: always
    starts_at: datetime
    ends_at: datetime | None
    look_back: timedelta | None  # how far into recordings; None: all that is kept

    def active_until(self, now: datetime, zone: ZoneInfo) -> tuple[bool, datetime | None]:
        """Whether the grant holds at `now`, and until when at the latest (None: no end is set)."""
        if now < self.starts_at or (self.ends_at is not None and now >= self.ends_at):
            return False, None
        if self.hours is None:
            return True, self.ends_at
        closes = self.hours.open_until(now, zone)
        if closes is None:
            return False, None
        return True, min(closes, self.ends_at) if self.ends_at else closes


@dataclass(frozen=True, slots=True)
class Guarded:
    """A device as the doors see it: its present owner, and the grants of the person who knocks."""

    device_id: UUID
    epoch: int
    owner_id: UUID
    zone: ZoneInfo
    is_suspended: bool  # removed, in the minutes in which that can be undone: nothing flows, only the owner sees it
    grants: tuple[Grant, ...]


@dataclass(frozen=True, slots=True)
class Access:
    """An open door. Whoever keeps it open longer than a moment asks again at `until` and on every event of `access`."""

    device_id: UUID
    channel_id: UUID | None  # None: the device as a whole
    epoch: int
    permissions: frozenset[Permission]  # all that this account may do here now
    is_owner: bool
    until: datetime | None  # None: until an event says otherwise
    look_back: timedelta | None  # recordings older than this stay closed; None: no such limit
    permission: Permission | None = None  # what was asked for, so that `recheck` can ask the same again
    channels: frozenset[UUID] | None = None  # of the device, those that may be known of; None: all

    def may(self, permission: Permission) -> bool:
        return permission in self.permissions


def decide(
    guarded: Guarded,
    account_id: UUID,
    permission: Permission | None,
    channel_id: UUID | None,
    now: datetime,
    *,
    also_suspended: bool = False,
) -> Access | None:
    """The decision. `permission` None asks whether this account may know of the device at all."""
    if guarded.is_suspended and not (also_suspended and guarded.owner_id == account_id):
        return None
    if guarded.owner_id == account_id:
        return Access(guarded.device_id, channel_id, guarded.epoch, EVERYTHING, True, None, None, permission)
    grants = [grant for grant in guarded.grants if _covers(grant, channel_id, permission)]
    return _granted(guarded, grants, permission, channel_id, now)


def _covers(grant: Grant, channel_id: UUID | None, permission: Permission | None) -> bool:
    """A grant for some channels lets its holder know of the device, but not act on the device as a whole."""
    if grant.channels is None:
        return True
    return permission is None if channel_id is None else channel_id in grant.channels


def _granted(
    guarded: Guarded, grants: Iterable[Grant], permission: Permission | None, channel_id: UUID | None, now: datetime
) -> Access | None:
    permissions: set[Permission] = set()
    channels: set[UUID] | None = set()
    asked: list[tuple[datetime | None, timedelta | None]] = []
    for grant in grants:
        is_active, until = grant.active_until(now, guarded.zone)
        if not is_active or grant.epoch != guarded.epoch:
            continue
        permissions |= grant.permissions
        channels = None if channels is None or grant.channels is None else channels | grant.channels
        if permission is None or permission in grant.permissions:
            asked.append((until, grant.look_back))
    if not asked:
        return None
    # Several grants may allow the same thing: the door stays open, and looks back, as long as the widest of them.
    untils, look_backs = zip(*asked, strict=True)
    until = None if None in untils else max(untils)
    look_back = None if None in look_backs else max(look_backs)
    return Access(
        device_id=guarded.device_id,
        channel_id=channel_id,
        epoch=guarded.epoch,
        permissions=frozenset(permissions),
        is_owner=False,
        until=until,
        look_back=look_back,
        permission=permission,
        channels=None if channels is None else frozenset(channels),
    )
