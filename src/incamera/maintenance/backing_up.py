"""Backups: rows and keys, sealed apart, and the old ones dropped in time."""

import asyncio
import fcntl
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from typing import Final

from incamera import __version__
from incamera.config import Settings
from incamera.kit.clock import Clock, SystemClock
from incamera.maintenance.bucket import Bucket
from incamera.maintenance.errors import BackupNotUploaded
from incamera.maintenance.places import obtain_key
from incamera.storage import backup as archive
from incamera.storage import migrations, rows
from incamera.storage.blobs import BlobError
from incamera.storage.data_directory import DataDirectory, read_data_directory
from incamera.storage.database import Database

KEEP_ROWS_DAYS: Final = 14
KEEP_KEYS_DAYS: Final = 7
_WORK: Final = ".backup-"


def backup(settings: Settings, target: str | None, say: Callable[[str], None]) -> int:
    """`incamera backup`."""
    directory = read_data_directory(settings.data)
    key, _ = obtain_key(settings, directory)
    remote = Bucket.parse(target, settings) if target and target.startswith("s3://") else None
    place = Path(target) if target and remote is None else None
    written = asyncio.run(_backup(directory, settings.database_url, key, place, remote))
    say(f"backup written to {written}; keep {archive.KEYS} elsewhere and delete it after {KEEP_KEYS_DAYS} days")
    return 0


async def _backup(
    directory: DataDirectory, database_url: str, key: bytes, place: Path | None, remote: Bucket | None
) -> str:
    if remote is not None:
        await remote.check()
    folder = await make_backup(directory, database_url, key, place, SystemClock())
    if remote is None:
        return str(folder)
    try:
        for part in (archive.ROWS, archive.KEYS, archive.MANIFEST):  # the manifest last: without it, it is no backup
            await remote.blobs.put(f"{folder.name}/{part}", folder / part)
    except BlobError as error:
        raise BackupNotUploaded(folder, str(error)) from error
    _remove(folder)
    return f"{remote.url} ({folder.name})"


async def make_backup(
    directory: DataDirectory, database_url: str, key: bytes, target: Path | None, clock: Clock
) -> Path:
    """Writes a backup into a new folder of `target` (DATA/backups by default) and drops the ones that are too old."""
    sealing = archive.backup_key(key)
    await asyncio.to_thread(remove_leftovers, directory)
    parent = (target or directory.folder("backups")).absolute()
    parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    folder = parent / archive.folder_name(clock.now())
    folder.mkdir(mode=0o700)
    try:
        with _work_folder(directory) as work:
            revision = await _revision(database_url)
            plain_rows, plain_keys = work / "rows", work / "keys"
            # Keys last: a key that is younger than its row would leave the row unreadable, the reverse is harmless.
            await rows.dump_rows(database_url, plain_rows)
            await asyncio.to_thread(archive.copy_sqlite, directory.keys_path, plain_keys)
            manifest = archive.Manifest(
                format=archive.FORMAT,
                directory_id=str(directory.id),
                made_at=clock.now().isoformat(),
                software=__version__,
                revision=revision,
                database=rows.kind_of(database_url),
                rows=await asyncio.to_thread(archive.seal_file, plain_rows, folder / archive.ROWS, sealing),
                keys=await asyncio.to_thread(archive.seal_file, plain_keys, folder / archive.KEYS, sealing),
            )
        archive.write_manifest(folder, manifest, sealing)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    drop_old_backups(parent, clock)
    return folder


@contextmanager
def _work_folder(directory: DataDirectory) -> Iterator[Path]:
    """For plain copies: on the volume that holds the originals anyway, where nobody else may enter."""
    with tempfile.TemporaryDirectory(dir=directory.path, prefix=_WORK) as name:
        descriptor = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield Path(name)
        finally:
            os.close(descriptor)


def remove_leftovers(directory: DataDirectory) -> None:
    """Removes plain copies of a backup that was killed: keys that are destroyed later would live on in them."""
    for folder in directory.path.glob(f"{_WORK}*"):
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(folder, ignore_errors=True)
        except BlockingIOError:
            continue  # another backup is being made just now
        finally:
            os.close(descriptor)


def drop_old_backups(parent: Path, clock: Clock) -> None:
    """Key parts live 7 days, the rest 14 (requirement book 7.2); foreign folders are left alone."""
    for folder in parent.iterdir():
        moment = archive.made_at(folder)
        if moment is None or not folder.is_dir():
            continue
        age_days = (clock.now() - moment).total_seconds() / 86400
        if age_days > KEEP_ROWS_DAYS:
            _remove(folder, ignore_errors=True)
        elif age_days > KEEP_KEYS_DAYS:
            (folder / archive.KEYS).unlink(missing_ok=True)


def _remove(folder: Path, *, ignore_errors: bool = False) -> None:
    """The manifest first, as it came last: whoever is killed here leaves nothing that claims to be a backup."""
    with suppress(OSError) if ignore_errors else nullcontext():
        (folder / archive.MANIFEST).unlink(missing_ok=True)
    shutil.rmtree(folder, ignore_errors=ignore_errors)


async def _revision(database_url: str) -> str:
    database = Database(database_url)
    try:
        return await migrations.current(database) or ""
    finally:
        await database.close()
