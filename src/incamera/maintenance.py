"""`incamera check | backup | restore`: looking after a data directory without serving from it.

Each returns the exit status and says what it found in whole sentences. `backup` may run beside the server; `restore`
and the migration's own backup need the directory for themselves.
"""

import asyncio
import shutil
import sqlite3
import stat
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from incamera import __version__
from incamera.config import Settings
from incamera.kit.clock import Clock, SystemClock
from incamera.kit.errors import IncameraError
from incamera.privacy.operator_file import Operator, load_operator
from incamera.recording import check as check_recordings
from incamera.recording import forget_all as forget_recordings
from incamera.storage import backup as archive
from incamera.storage import migrations, root_key, rows
from incamera.storage.blobs import BlobNotFound, Blobs, blobs_endpoint
from incamera.storage.data_directory import (
    FOLDERS,
    DataDirectory,
    check_volumes,
    make_data_directory,
    read_data_directory,
)
from incamera.storage.database import Database
from incamera.storage.outbound import Outbound
from incamera.storage.vault import ScopeKey, Vault

Say = Callable[[str], None]
KEEP_ROWS_DAYS: Final = 14
KEEP_KEYS_DAYS: Final = 7


class LedgerNeeded(IncameraError):
    """A backup brings destroyed keys back to life; only the ledger kills them again."""

    status = 500

    def __init__(self, path: Path) -> None:
        super().__init__(
            f"The list of destroyed keys is not at {path}; name it with --ledger-file. If it is lost for good, "
            "--accept-lost-ledger goes on without it, and what was erased since the backup becomes readable again."
        )


class RestoreTargetNotEmpty(IncameraError):
    status = 500

    def __init__(self, path: Path) -> None:
        super().__init__(f"{path} is not empty; restore into a directory that does not exist yet or holds nothing.")


class OtherDatabase(IncameraError):
    status = 500

    def __init__(self, backup_kind: str, target_kind: str) -> None:
        super().__init__(
            f"The backup holds {backup_kind} rows, but --database names {target_kind}; name the same kind."
        )


class DatabaseNotEmpty(IncameraError):
    status = 500

    def __init__(self) -> None:
        super().__init__("The database named by --database has tables already; restore into an empty one.")


def ledger_path(ledger_file: Path | None, directory: DataDirectory, key_file: Path | None) -> Path:
    """Where the list of destroyed keys is kept: apart from `keys.db` and from every backup, so beside the root key."""
    if ledger_file is not None:
        return ledger_file.absolute()
    if key_file is not None:
        return key_file.with_suffix(".tombstones")
    return directory.path / "keys.tombstones"


# --- backup ---------------------------------------------------------------------------------------------------------


def backup(settings: Settings, target: str | None, say: Say) -> int:
    """`incamera backup`."""
    directory = read_data_directory(settings.data)
    key, _ = _obtain_key(settings, directory)
    remote = Bucket.parse(target, settings) if target and target.startswith("s3://") else None
    place = Path(target) if target and remote is None else None
    written = asyncio.run(_backup(directory, settings.database_url, key, place, remote))
    say(f"backup written to {written}; keep {archive.KEYS} elsewhere and delete it after {KEEP_KEYS_DAYS} days")
    return 0


async def _backup(
    directory: DataDirectory, database_url: str, key: bytes, place: Path | None, remote: "Bucket | None"
) -> str:
    if remote is not None:
        await remote.check()
    folder = await make_backup(directory, database_url, key, place, SystemClock())
    if remote is None:
        return str(folder)
    for part in (archive.ROWS, archive.KEYS, archive.MANIFEST):  # the manifest last: without it, it is no backup
        await remote.blobs.put(f"{folder.name}/{part}", folder / part)
    shutil.rmtree(folder)
    return f"{remote.url} ({folder.name})"


async def make_backup(
    directory: DataDirectory, database_url: str, key: bytes, target: Path | None, clock: Clock
) -> Path:
    """Writes a backup into a new folder of `target` (DATA/backups by default) and drops the ones that are too old."""
    sealing = archive.backup_key(key)
    parent = (target or directory.folder("backups")).absolute()
    parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    folder = parent / archive.folder_name(clock.now())
    folder.mkdir(mode=0o700)
    try:
        # Plain copies stay on the volume that holds the originals anyway, in a folder nobody else may enter.
        with tempfile.TemporaryDirectory(dir=directory.path, prefix=".backup-") as work:
            revision = await _revision(database_url)
            plain_rows, plain_keys = Path(work, "rows"), Path(work, "keys")
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


def drop_old_backups(parent: Path, clock: Clock) -> None:
    """Key parts live 7 days, the rest 14 (requirement book 7.2); foreign folders are left alone."""
    for folder in parent.iterdir():
        moment = archive.made_at(folder)
        if moment is None or not folder.is_dir():
            continue
        age_days = (clock.now() - moment).total_seconds() / 86400
        if age_days > KEEP_ROWS_DAYS:
            shutil.rmtree(folder, ignore_errors=True)
        elif age_days > KEEP_KEYS_DAYS:
            (folder / archive.KEYS).unlink(missing_ok=True)


def outbound_of(operator: Operator) -> Outbound:
    """The one door to the outside, with the slots that the operator's file enables."""
    return Outbound(operator.outbound_slots(), allow_private=operator.own_slots())


def privacy_file(settings: Settings) -> Path | None:
    """The operator's file: the one named, else the one in the data directory if it is there."""
    usual = settings.data / "privacy.toml"
    return settings.privacy_file or (usual if usual.exists() else None)


@dataclass(frozen=True, slots=True)
class Bucket:
    """A place for backups that is somebody's computer: only if the operator's file enables it as `object_store`."""

    url: str
    blobs: Blobs
    host: str
    port: int
    outbound: Outbound

    @classmethod
    def parse(cls, url: str, settings: Settings) -> Self:
        blobs = Blobs.at(url)
        endpoint = blobs_endpoint(url)
        return cls(url, blobs, *endpoint, outbound_of(load_operator(privacy_file(settings))))

    async def check(self) -> None:
        """Raises OutboundRefused for a place that no enabled slot names."""
        await self.outbound.address_of("object_store", self.host, self.port)

    async def fetch(self, name: str, folder: Path) -> None:
        """Brings a backup here; its key part may be kept elsewhere."""
        await self.check()
        for part in (archive.MANIFEST, archive.ROWS, archive.KEYS):
            try:
                (folder / part).write_bytes(await self.blobs.get(f"{name}/{part}"))
            except BlobNotFound:
                if part != archive.KEYS:
                    raise


async def _revision(database_url: str) -> str:
    database = Database(database_url)
    try:
        return await migrations.current(database) or ""
    finally:
        await database.close()


# --- restore --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class RestoreOptions:
    """What a person decides when restoring."""

    keys: Path | None = None  # the key part, if it is kept elsewhere
    accept_lost_ledger: bool = False
    without_media: bool = False


def restore(settings: Settings, source: str, options: RestoreOptions, say: Say) -> int:
    """`incamera restore`."""
    target = settings.data.absolute()
    if target.exists() and any(target.iterdir()):
        raise RestoreTargetNotEmpty(target)
    if not source.startswith("s3://"):
        return _restore_from(settings, Path(source), options, say)
    url, _, query = source.partition("?")
    bucket_url, _, name = url.rstrip("/").rpartition("/")
    remote = Bucket.parse(f"{bucket_url}?{query}" if query else bucket_url, settings)
    with tempfile.TemporaryDirectory() as work:
        asyncio.run(remote.fetch(name, Path(work)))
        return _restore_from(settings, Path(work), options, say)


def _restore_from(settings: Settings, source: Path, options: RestoreOptions, say: Say) -> int:
    target = settings.data.absolute()
    key, key_file, manifest = _find_key(settings, source)
    directory = DataDirectory(target, archive.directory_id(manifest))
    ledger = ledger_path(settings.ledger_file, directory, key_file)
    if not ledger.exists() and not options.accept_lost_ledger:
        raise LedgerNeeded(ledger)
    kind = rows.kind_of(settings.database_url)
    if kind != manifest.database:
        raise OtherDatabase(manifest.database, kind)
    asyncio.run(_Restoration(settings, manifest, source, directory, key, ledger, options).run())
    replayed = "no list of destroyed keys" if options.accept_lost_ledger else "the list of destroyed keys"
    media = (
        "recordings are forgotten"
        if options.without_media
        else f"recordings are not in a backup: put their files back into {target / 'media'} before you start, or "
        "restore with --without-media"
    )
    say(f"restored {target} as of {manifest.made_at}; {replayed} was applied; {media}")
    return 0


@dataclass(frozen=True, slots=True)
class _Restoration:
    """One run of `restore`: everything, or nothing left behind."""

    settings: Settings
    manifest: archive.Manifest
    source: Path
    directory: DataDirectory
    key: bytes
    ledger: Path
    options: RestoreOptions

    async def run(self) -> None:
        key_part = self.options.keys or self.source / archive.KEYS
        if not key_part.is_file():
            raise archive.KeysMissing(key_part)
        sealing = archive.backup_key(self.key)
        was_there = self.directory.path.exists()
        make_data_directory(self.directory.path, self.directory.id)
        try:
            archive.open_file(key_part, self.directory.keys_path, sealing, self.manifest.keys)
            await _restore_rows(self.settings, self.manifest, self.source, sealing, self.directory)
            await self._bury_the_dead()
            if self.options.without_media:
                database = Database(self.settings.database_url)
                await forget_recordings(database)
                await database.close()
        except BaseException:
            _empty(self.directory.path, remove=not was_there)
            raise

    async def _bury_the_dead(self) -> None:
        """Opening the vault replays the ledger: every key destroyed since the backup is destroyed again, now."""
        vault = await Vault.open(
            self.directory.keys_path,
            self.key,
            ledger=self.ledger,
            clock=SystemClock(),
            new_ledger=self.options.accept_lost_ledger,
        )
        await vault.verify_shredded()
        await vault.close()


async def _restore_rows(
    settings: Settings, manifest: archive.Manifest, source: Path, sealing: ScopeKey, directory: DataDirectory
) -> None:
    if manifest.database == "sqlite":
        archive.open_file(source / archive.ROWS, directory.database_path, sealing, manifest.rows)
        return
    database = Database(settings.database_url)
    try:
        if await migrations.current(database) is not None:
            raise DatabaseNotEmpty
        await migrations.upgrade(database, to=manifest.revision)
        with tempfile.TemporaryDirectory(dir=directory.path, prefix=".restore-") as work:
            plain = Path(work, "rows")
            archive.open_file(source / archive.ROWS, plain, sealing, manifest.rows)
            await rows.load_rows(database, plain)
    finally:
        await database.close()


def _find_key(settings: Settings, source: Path) -> tuple[bytes, Path | None, archive.Manifest]:
    """The root key that opens this backup. Its file is named after a directory id that only the manifest knows."""
    if settings.root_key is not None:
        key = bytes.fromhex(settings.root_key.get_secret_value())
        return key, None, archive.read_manifest(source, archive.backup_key(key))
    files = [settings.root_key_file] if settings.root_key_file else sorted(root_key.config_folder().glob("*.key"))
    for path in files:
        if not path.exists():
            raise root_key.RootKeyMissing(path)
        key = root_key.read_key_file(path).key
        try:
            return key, path.absolute(), archive.read_manifest(source, archive.backup_key(key))
        except archive.BackupDamaged:
            continue
    if not (source / archive.MANIFEST).exists():
        raise archive.NotABackup(source)
    raise archive.BackupDamaged(source) if files else root_key.RootKeyMissing(root_key.config_folder() / "….key")


def _empty(path: Path, *, remove: bool) -> None:
    for entry in path.iterdir():
        if entry.is_dir():
            shutil.rmtree(entry, ignore_errors=True)
        else:
            entry.unlink(missing_ok=True)
    if remove:
        path.rmdir()


# --- check ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Finding:
    """Something `check` saw. A warning does not change the exit status."""

    text: str
    is_warning: bool = False


def check(
    settings: Settings, declarations: Callable[[Settings], list[str]], say: Say, *, reads_everything: bool = False
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
        _, path = _obtain_key(settings, directory)
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
    key, path = _obtain_key(settings, directory)
    ledger = ledger_path(settings.ledger_file, directory, path)
    vault = await Vault.open(directory.keys_path, key, ledger=ledger, clock=SystemClock())
    try:
        folder = directory.folder("media")
        found = await check_recordings(database, vault, folder, reads_everything=reads_everything)
    finally:
        await vault.close()
    return [Finding(finding.text) for finding in found]


def _obtain_key(settings: Settings, directory: DataDirectory) -> tuple[bytes, Path | None]:
    given = settings.root_key.get_secret_value() if settings.root_key else None
    path = settings.root_key_file or root_key.default_path(directory.id)
    if given is None and not path.exists():
        raise root_key.RootKeyMissing(path)
    return root_key.obtain(directory, given=given, key_file=settings.root_key_file)
