"""Retention of recordings: an hour of a channel dies when its *first* chunk reaches the channel's keeping time.

Never late, up to one hour early. The engine of `privacy` calls this every five minutes, before anything is served
after a start, and with a full disk.
"""

from collections import defaultdict
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
        due, oldest_us = await self._judge(rule, now)
        erased = await self._eraser.erase_hours([extent.hour for extent in due])
        if due:
            oldest_us = min((await self._oldest_of_mine(await self._rules.keep())).values(), default=None)
        if not self._sees_public_space and rule.ceiling is not None:
            await self._erase_forgotten_keys(now - rule.ceiling)
        return Swept(erased, None if oldest_us is None else from_us(oldest_us))

    async def pending(self, rule: RetentionRule, now: datetime) -> Swept:
        due, oldest_us = await self._judge(rule, now)
        overdue = sum(extent.segments for extent in due)
        return Swept(0, None if oldest_us is None else from_us(oldest_us), overdue=overdue)

    async def _judge(self, rule: RetentionRule, now: datetime) -> tuple[list[HourExtent], int | None]:
        """The hours that are over, and when the oldest chunk came, in one of them or not.

        Most often nothing is over: then the oldest segment of each channel tells so, and no hour is looked at.
        """
        keeps = await self._rules.keep()
        oldest = await self._oldest_of_mine(keeps)
        late: defaultdict[int, list[UUID]] = defaultdict(list)
        for channel_id, started_us in oldest.items():
            until_us = _over_until_us(keeps.get(channel_id), rule, now)
            if until_us is not None and started_us <= until_us:
                late[until_us].append(channel_id)
        due: list[HourExtent] = []
        if late:
            async with open_session(self._database, "B5.record", writes=False) as db:
                for until_us, channel_ids in late.items():
                    due += await repository.hours_begun_until(db, channel_ids, until_us)
        return due, min(oldest.values(), default=None)

    async def _oldest_of_mine(self, keeps: Mapping[UUID, KeepRule]) -> dict[UUID, int]:
        async with open_session(self._database, "B5.record", writes=False) as db:
            oldest = await repository.oldest_of_channels(db)
        return {channel_id: started_us for channel_id, started_us in oldest.items() if self._is_mine(channel_id, keeps)}

    def _is_mine(self, channel_id: UUID, keeps: Mapping[UUID, KeepRule]) -> bool:
        rule = keeps.get(channel_id)
        return (rule is not None and rule.sees_public_space) == self._sees_public_space

    async def _erase_forgotten_keys(self, before: datetime) -> None:
        """Keys without a segment (a crash came before the first file) go when every recording of their hour must."""
        await self._eraser.erase_hours(await self._vault.hours_before(hour_of(to_us(before))))


def _over_until_us(chosen: KeepRule | None, rule: RetentionRule, now: datetime) -> int | None:
    """An hour is over if its first chunk came at this moment or before; None: nothing is ever over."""
    limits = [limit for limit in (chosen.keep if chosen else rule.maximum, rule.ceiling) if limit is not None]
    return to_us(now) - min(limits) // _ONE_US if limits else None
