"""A backup of rows and keys, beside an older one: it is whole or it is none."""

import tempfile
from datetime import timedelta
from pathlib import Path
from typing import Final

from incamera.kit.ids import new_id
from incamera.maintenance.backing_up import make_backup, remove_leftovers
from incamera.storage import backup as archive
from incamera.storage.backup import NotABackup
from incamera.storage.data_directory import DataDirectory, make_data_directory, read_data_directory
from incamera.storage.database import Database
from incamera.storage.jobs import JobQueue
from incamera.storage.vault import Vault
from tests.faults.shim import note
from tests.support.clock import NOON, MovableClock
from tests.support.database import import_tables
from tests.support.recordings import ROOT_KEY

_KEY: Final = archive.backup_key(ROOT_KEY)

import_tables()


async def prepare(home: Path) -> None:
    directory = make_data_directory(home, new_id())
    database = Database(_url(directory))
    await database.create_all()
    clock = MovableClock()
    async with database.transaction() as db:
        await JobQueue(database, clock).add(db, "of some interest", {})
    await database.close()
    vault = await Vault.open(directory.keys_path, ROOT_KEY, ledger=home / "ledger", clock=clock)
    await vault.create_account_key(new_id())
    await vault.close()
    await _back_up(directory, clock)


async def act(home: Path) -> None:
    clock = MovableClock(NOON + timedelta(days=1))
    note(f"backed up {(await _back_up(read_data_directory(home), clock)).name}")


async def check(home: Path, notes: list[str]) -> None:
    """Every folder with a manifest opens completely; the older one and the acknowledged one are among them."""
    directory = read_data_directory(home)
    whole = {folder.name for folder in directory.folder("backups").iterdir() if folder.is_dir() and _opens(folder)}
    assert {text.removeprefix("backed up ") for text in notes} <= whole
    assert any(name.startswith(f"backup-{NOON:%Y%m%d}") for name in whole), "the older one is still there"
    remove_leftovers(directory)
    assert not _plain_copies(home), "no plain copy of keys outlives the next start"
    clock = MovableClock(NOON + timedelta(days=2))
    assert _opens(await _back_up(directory, clock))


async def _back_up(directory: DataDirectory, clock: MovableClock) -> Path:
    return await make_backup(directory, _url(directory), ROOT_KEY, None, clock)


def _opens(folder: Path) -> bool:
    """False for what is no backup; raises for one that claims to be whole and is not."""
    try:
        manifest = archive.read_manifest(folder, _KEY)
    except NotABackup:
        return False
    with tempfile.TemporaryDirectory() as place:
        for part in (manifest.rows, manifest.keys):
            archive.open_file(folder / part.name, Path(place, part.name), _KEY, part)
    return True


def _plain_copies(home: Path) -> list[Path]:
    return list(home.glob(".backup-*"))


def _url(directory: DataDirectory) -> str:
    return f"sqlite+aiosqlite:///{directory.database_path}"
