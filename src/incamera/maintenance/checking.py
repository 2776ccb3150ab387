"""`incamera check`: directory, permissions, root key, databases, declarations, recordings."""

import asyncio
import sqlite3
import stat
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from incamera.config import Settings
from incamera.kit.clock import SystemClock
from incamera.kit.errors import IncameraError
from incamera.maintenance.places import ledger_path, obtain_key
from incamera.recording import check as check_recordings
from incamera.storage import migrations, rows
from incamera.storage.data_directory import FOLDERS, DataDirectory, check_volumes, read_data_directory
from incamera.storage.database import Database
from incamera.storage.vault import Vault


@dataclass(frozen=True, slots=True)
class Finding:
    """Something `check` saw. A warning does not change the exit status."""

    text: str
    is_warning: bool = False


def check(
    settings: Settings,
    declarations: Callable[[Settings], list[str]],
    say: Callable[[str], None],
    *,
    reads_everything: bool = False,
) -> int:
    """`incamera check`: looks at everything, says every finding, and fails if one of them is more than a warning."""
    directory = read_data_directory(settings.data)
    found = [
        *_check_directory(directory),
        *_check_permissions(directory),
        *_check_root_key(settings, directory),
        *_check_sqlite(directory.keys_path),
        *(Finding(text) for text in declarations(settings)),
    ]
    if rows.kind_of(settings.database_url) == "sqlite":
        found += _check_sqlite(directory.database_path)
    found += asyncio.run(_check_contents(settings, directory, reads_everything))
    for finding in found:
        say(f"{'warning' if finding.is_warning else 'error'}: {finding.text}")
    errors = sum(not finding.is_warning for finding in found)
    say(f"checked {directory.path}: " + ("all is well" if not errors else f"{errors} errors"))
    return 1 if errors else 0


def _check_directory(directory: DataDirectory) -> Iterator[Finding]:
    try:
        check_volumes(directory)
    except IncameraError as error:
        yield Finding(str(error))


def _check_permissions(directory: DataDirectory) -> Iterator[Finding]:
    paths = [directory.path, *(directory.path / name for name in FOLDERS), directory.database_path, directory.keys_path]
    for path in paths:
        if path.exists() and stat.S_IMODE(path.stat().st_mode) & 0o077:
            yield Finding(f"others may enter or read {path}; run: chmod go= {path}")


def _check_root_key(settings: Settings, directory: DataDirectory) -> Iterator[Finding]:
    try:
        _, path = obtain_key(settings, directory)
    except IncameraError as error:
        yield Finding(str(error))
        return
    if path is not None and path.stat().st_dev == directory.path.stat().st_dev:
        yield Finding(
            f"the root key {path} is on the same file system as the data: whoever takes the disk has both",
            is_warning=True,
        )
    ledger = ledger_path(settings.ledger_file, directory, path)
    if ledger.exists() and ledger.is_relative_to(directory.path):
        yield Finding(
            f"the list of destroyed keys {ledger} is inside the data directory and would be lost with it; "
            "name another place with --ledger-file",
            is_warning=True,
        )


def _check_sqlite(path: Path) -> Iterator[Finding]:
    try:
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=10)) as connection:
            answers = [row[0] for row in connection.execute("PRAGMA integrity_check")]
            orphans = connection.execute("PRAGMA foreign_key_check").fetchall()
    except sqlite3.Error as error:
        yield Finding(f"{path} cannot be read ({error}); restore a backup")
        return
    if answers != ["ok"]:
        yield Finding(f"{path} is damaged ({answers[0]}); restore a backup")
    if orphans:
        yield Finding(f"{path} holds {len(orphans)} rows without their parent")


async def _check_contents(settings: Settings, directory: DataDirectory, reads_everything: bool) -> list[Finding]:
    """Whether the rows have the shape of this program, and whether index, files and keys of recordings agree."""
    database = Database(settings.database_url)
    try:
        if await migrations.current(database) != migrations.head():
            text = "the database waits for a migration; the next start makes a backup and does it"
            return [Finding(text, is_warning=True)]
        return await _check_recordings(settings, directory, database, reads_everything)
    except IncameraError as error:
        return [Finding(str(error))]
    except Exception as error:  # noqa: BLE001 - any driver's error means the same to who runs the check
        return [Finding(f"the database cannot be read ({type(error).__name__})")]
    finally:
        await database.close()


async def _check_recordings(
    settings: Settings, directory: DataDirectory, database: Database, reads_everything: bool
) -> list[Finding]:
    key, path = obtain_key(settings, directory)
    ledger = ledger_path(settings.ledger_file, directory, path)
    vault = await Vault.open(directory.keys_path, key, ledger=ledger, clock=SystemClock())
    try:
        folder = directory.folder("media")
        found = await check_recordings(database, vault, folder, reads_everything=reads_everything)
    finally:
        await vault.close()
    return [Finding(finding.text) for finding in found]
