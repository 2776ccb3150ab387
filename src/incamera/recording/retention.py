"""Retention of recordings: an hour of a channel dies when its *first* chunk reaches the channel's keeping time.

Never late, up to one hour early. The engine of `privacy` calls this every five minutes, before anything is served
after a start, and with a full disk.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from incamera.kit.clock import from_us, to_us
from incamera.privacy import RetentionRule, Swept, open_session
from incamera.recording import repository
from incamera.recording.erasure import Eraser
from incamera.recording.model import ChannelRules, KeepRule, hour_of
from incamera.recording.repository import HourExtent
from incamera.storage.database import Database
from incamera.storage.vault import Vault

_ONE_US: Final = timedelta(microseconds=1)


class MediaRetention:
    """The `RetentionTarget` of one of the two rules for recordings: of places that see public space, and of others.

    A channel that is gone from `devices` falls under the general rule until its ownership period is erased.
    """

    def __init__(
        self, database: Database, vault: Vault, eraser: Eraser, rules: ChannelRules, *, sees_public_space: bool
    ) -> None:
        self._database, self._vault, self._eraser, self._rules = database, vault, eraser, rules
        self._sees_public_space = sees_public_space

    async def sweep(self, rule: RetentionRule, now: datetime) -> Swept:
        """Destroys the keys of the hours that are over, then their files and rows."""
        due, left = await self._judge(rule, now)
        erased = await self._eraser.erase_hours([extent.hour for extent in due])
        if not self._sees_public_space and rule.ceiling is not None:
            await self._erase_forgotten_keys(now - rule.ceiling)
        return Swept(erased, _oldest(left))

    async def pending(self, rule: RetentionRule, now: datetime) -> Swept:
        due, left = await self._judge(rule, now)
        return Swept(0, _oldest([*due, *left]), overdue=sum(extent.segments for extent in due))

    async def _judge(self, rule: RetentionRule, now: datetime) -> tuple[list[HourExtent], list[HourExtent]]:
        keeps = await self._rules.keep()
        async with open_session(self._database, "B5.record", writes=False) as db:
            extents = await repository.hours_before(db, hour_of(to_us(now)) + 1)
        mine = [extent for extent in extents if self._is_mine(extent.hour.channel_id, keeps)]
        due = [extent for extent in mine if _is_over(extent, keeps, rule, now)]
        gone = {extent.hour for extent in due}
        return due, [extent for extent in mine if extent.hour not in gone]

    def _is_mine(self, channel_id: UUID, keeps: Mapping[UUID, KeepRule]) -> bool:
        rule = keeps.get(channel_id)
        return (rule is not None and rule.sees_public_space) == self._sees_public_space

    async def _erase_forgotten_keys(self, before: datetime) -> None:
        """Keys without a segment (a crash came before the first file) go when every recording of their hour must."""
        await self._eraser.erase_hours(await self._vault.hours_before(hour_of(to_us(before))))


def _is_over(extent: HourExtent, keeps: Mapping[UUID, KeepRule], rule: RetentionRule, now: datetime) -> bool:
    chosen = keeps.get(extent.hour.channel_id)
    limits = [limit for limit in (chosen.keep if chosen else rule.maximum, rule.ceiling) if limit is not None]
    return bool(limits) and from_us(extent.started_us) + min(limits) - _ONE_US < now


def _oldest(extents: list[HourExtent]) -> datetime | None:
    return from_us(min(extent.started_us for extent in extents)) if extents else None
