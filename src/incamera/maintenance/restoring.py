"""Restoring a backup into an empty place: everything, or nothing left behind."""

import asyncio
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from incamera.config import Settings
from incamera.kit.clock import SystemClock
from incamera.maintenance.bucket import Bucket
from incamera.maintenance.errors import DatabaseNotEmpty, LedgerNeeded, OtherDatabase, RestoreTargetNotEmpty
from incamera.maintenance.places import ledger_path
from incamera.recording import forget_all as forget_recordings
from incamera.storage import backup as archive
from incamera.storage import migrations, root_key, rows
from incamera.storage.data_directory import DataDirectory, make_data_directory
from incamera.storage.database import Database
from incamera.storage.vault import ScopeKey, Vault


@dataclass(frozen=True, slots=True)
class RestoreOptions:
    """What a person decides when restoring."""

    keys: Path | None = None  # the key part, if it is kept elsewhere
    accept_lost_ledger: bool = False
    without_media: bool = False


def restore(settings: Settings, source: str, options: RestoreOptions, say: Callable[[str], None]) -> int:
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


def _restore_from(settings: Settings, source: Path, options: RestoreOptions, say: Callable[[str], None]) -> int:
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
