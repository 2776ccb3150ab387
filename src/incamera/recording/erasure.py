"""Erasing recordings: keys first, then files, then rows. The next start finishes what a crash interrupts."""

from collections.abc import Callable, Collection, Iterable, Sequence
from pathlib import Path
from typing import Final
from uuid import UUID

from incamera.privacy import open_session
from incamera.recording import repository
from incamera.recording.model import segment_path
from incamera.recording.writer import VolumeWriter
from incamera.storage.database import Database
from incamera.storage.vault import EpochRef, HourRef, Vault

_FILES_PER_JOB: Final = 16  # so that recording goes on between two jobs of the writer thread
_ROWS_PER_ROUND: Final = 500


class Eraser:
    """Shared by retention, a full disk and the removal of devices."""

    def __init__(
        self,
        database: Database,
        vault: Vault,
        folder: Path,
        writer: VolumeWriter,
        release: Callable[[Callable[[HourRef], bool]], None],
    ) -> None:
        self._database, self._vault, self._folder, self._writer = database, vault, folder, writer
        self._release = release  # lets go of open segments of such hours

    async def erase_hours(self, hours: Collection[HourRef]) -> int:
        """Destroys the keys of these channel-hours and removes what lies under them; returns the number of segments."""
        if not hours:
            return 0
        gone = frozenset(hours)
        self._release(gone.__contains__)
        await self._vault.destroy_hour_keys(sorted(gone))
        async with open_session(self._database, "B5.record", writes=False) as db:
            ids = await repository.list_of_hours(db, sorted(gone))
        await self.remove(ids)
        return len(ids)

    async def erase_epoch(self, epoch: EpochRef) -> int:
        """Removes all files and rows of an ownership period whose key is destroyed (the vault did that)."""
        self._release(lambda hour: hour.epoch == epoch)
        removed = 0
        while True:
            async with open_session(self._database, "B5.record", writes=False) as db:
                ids = await repository.list_of_epoch(db, epoch, _ROWS_PER_ROUND)
            if not ids:
                return removed
            await self.remove(ids)
            removed += len(ids)

    async def remove(self, segment_ids: Sequence[UUID]) -> None:
        """Files, then rows."""
        for start in range(0, len(segment_ids), _FILES_PER_JOB):
            paths = [segment_path(self._folder, name) for name in segment_ids[start : start + _FILES_PER_JOB]]
            await self._writer.run(lambda paths=paths: _unlink(paths))  # type: ignore[misc]
        async with open_session(self._database, "B5.record") as db:
            await repository.remove(db, segment_ids)


def _unlink(paths: Iterable[Path]) -> None:
    for path in paths:
        path.unlink(missing_ok=True)
