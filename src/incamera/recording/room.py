"""A full disk: the oldest recordings go, and recording goes on.

A reserve of free space is kept, because databases and keys live on the same volume as a rule and deleting needs room
too. Whole past hours go first, oldest first: their key is destroyed, then the files are removed. Of the hour that is
still being recorded (also by a backlog) only single files can go, oldest first, since its key is in use; the key dies
with its hour.
"""

import asyncio
import os
import sqlite3
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sqlalchemy.exc import SQLAlchemyError

from incamera.kit.clock import Clock
from incamera.privacy import open_session
from incamera.recording import repository
from incamera.recording.erasure import Eraser
from incamera.recording.model import Segment, hour_of
from incamera.recording.writer import VolumeWriter
from incamera.storage.database import Database
from incamera.storage.vault import HourRef, VaultError

_LEAST_RESERVE: Final = 4 * 1024 * 1024
_MOST_RESERVE: Final = 1024 * 1024 * 1024
_RESERVE_SHARE: Final = 50  # one fiftieth of the volume
_STEPS: Final = 500


@dataclass(frozen=True, slots=True)
class Space:
    """A volume, in bytes."""

    total: int
    free: int

    @property
    def reserve(self) -> int:
        return max(_LEAST_RESERVE, min(_MOST_RESERVE, self.total // _RESERVE_SHARE))

    @property
    def is_short(self) -> bool:
        return self.free < self.reserve

    @property
    def is_ample(self) -> bool:
        """Room enough to stop removing: half as much again as the reserve, so that it does not start over at once."""
        return self.free >= self.reserve + self.reserve // 2


def read_space(folder: Path) -> Space:
    """What the volume of `folder` has, for a process that is not root."""
    found = os.statvfs(folder)
    return Space(found.f_frsize * found.f_blocks, found.f_frsize * found.f_bavail)


class Room:
    """Makes room on the media volume, one caller at a time."""

    def __init__(
        self,
        database: Database,
        eraser: Eraser,
        writer: VolumeWriter,
        folder: Path,
        clock: Clock,
        is_in_use: Callable[[HourRef], bool],
        on_removed: Callable[[int], None],
    ) -> None:
        self._database, self._eraser, self._writer = database, eraser, writer
        self._folder, self._clock, self._is_in_use, self._on_removed = folder, clock, is_in_use, on_removed
        self._lock = asyncio.Lock()

    async def keep_reserve(self) -> None:
        """Called every few seconds."""
        if (await self._space()).is_short:
            await self.make()

    async def make(self, *, insist: bool = False) -> bool:
        """True if something went. False: nothing may be removed, or the volume has room; the caller waits a little.

        `insist`: the disk goes on refusing although it shows free space (a quota, or no inode left): the oldest goes
        all the same.
        """
        async with self._lock:
            removed = 0
            for _ in range(_STEPS):
                if (await self._space()).is_ample and (removed or not insist):
                    break
                count = await self._remove_oldest()
                if not count:
                    break
                removed += count
            if removed:
                self._on_removed(removed)
            return removed > 0

    async def _space(self) -> Space:
        return await self._writer.run(lambda: read_space(self._folder))

    async def _remove_oldest(self) -> int:
        async with open_session(self._database, "B5.record", writes=False) as db:
            oldest = next(iter(await repository.oldest_evictable(db, 1)), None)
            if oldest is None:
                return 0
            is_past = oldest.hour.hour < hour_of(self._clock.now_us()) and not self._is_in_use(oldest.hour)
            spares_others = not is_past or await repository.has_protected(db, oldest.hour)
        if spares_others:
            await self._eraser.remove([oldest.id])
            return 1
        return await self._erase_hour(oldest)

    async def _erase_hour(self, oldest: Segment) -> int:
        try:
            return await self._eraser.erase_hours([oldest.hour])
        except (VaultError, sqlite3.Error, SQLAlchemyError, OSError):
            # Not even the deletion of a key finds room: one file goes first, the key with the next step.
            with suppress(sqlite3.Error, SQLAlchemyError):
                await self._eraser.remove([oldest.id])
            return 1
