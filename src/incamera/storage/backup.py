"""Backups: one sealed archive of the rows and one of the keys, under a manifest that vouches for both.

    BACKUP/manifest.sealed    what is in here: directory id, revision, formats, SHA-256 and size of each part
    BACKUP/rows.sealed        SQLite: the database file · PostgreSQL: every table, as COPY writes it
    BACKUP/keys.sealed        keys.db; keep it elsewhere and drop it after 7 days, the rest after 14

A part is a sequence of AES-256-GCM records under its own key (HKDF of the `backup` purpose key and a random salt); the
record number is the nonce and the last record says so, hence neither order nor length can be changed (the STREAM
construction of Hoang, Reyhanitabar, Rogaway and Vizár, 2015). Media are not in a backup: they have their own retention.
"""

import hashlib
import json
import os
import sqlite3
import struct
from collections.abc import Iterator
from contextlib import closing
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import IO, Any, Final, Self
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from incamera.kit.errors import IncameraError
from incamera.kit.files import sync_folder
from incamera.storage.vault import ScopeKey, derive_key

FORMAT: Final = 1
MANIFEST: Final = "manifest.sealed"
ROWS: Final = "rows.sealed"
KEYS: Final = "keys.sealed"
RECORD_BYTES: Final = 1024 * 1024
_MAGIC: Final = b"incamera backup 1\n"
_SALT_BYTES: Final = 16
_TAG_BYTES: Final = 16
_LAST: Final = 1 << 31


class BackupError(IncameraError):
    """A backup cannot be made or read."""

    status = 500


class NotABackup(BackupError):
    def __init__(self, path: Path) -> None:
        super().__init__(f"{path} is not a backup of Incamera; name the folder that holds {MANIFEST}.")


class BackupDamaged(BackupError):
    def __init__(self, path: Path) -> None:
        super().__init__(f"{path} was altered, is incomplete, or belongs to another root key; use another backup.")


class BackupTooNew(BackupError):
    def __init__(self, version: int) -> None:
        super().__init__(f"The backup has format {version}, this program knows {FORMAT}; install the newer version.")


class KeysMissing(BackupError):
    def __init__(self, path: Path) -> None:
        super().__init__(f"The key part {path} is not there; name it with --keys. Without it no row can be read.")


@dataclass(frozen=True, slots=True)
class Part:
    """One file of a backup."""

    name: str
    sha256: str
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a backup holds. `database` is `sqlite` or `postgresql`: rows go back into the same kind."""

    format: int
    directory_id: str
    made_at: str
    software: str
    revision: str
    database: str
    rows: Part
    keys: Part

    @classmethod
    def parse(cls, text: bytes) -> Self:
        data: dict[str, Any] = json.loads(text)
        if data["format"] > FORMAT:
            raise BackupTooNew(data["format"])
        return cls(**{**data, "rows": Part(**data["rows"]), "keys": Part(**data["keys"])})

    def render(self) -> bytes:
        return json.dumps(asdict(self), indent=1).encode()


def backup_key(root_key: bytes) -> ScopeKey:
    """The `backup` purpose key, for when no vault is open (`Vault.backup_key` is the same)."""
    return ScopeKey("purpose/backup", derive_key(root_key, b"backup"))


def folder_name(now: datetime) -> str:
    """`backup-20261124-070000Z`: sorts by time."""
    return f"backup-{now:%Y%m%d-%H%M%SZ}"


def made_at(folder: Path) -> datetime | None:
    """When the backup in this folder was made, from its name; None if it is none of ours."""
    try:
        return datetime.strptime(f"{folder.name}+0000", "backup-%Y%m%d-%H%M%SZ%z")
    except ValueError:
        return None


def copy_sqlite(source: Path, target: Path) -> None:
    """A consistent copy of a database in use (SQLite's online backup: readers and writers go on)."""
    os.close(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    with (
        closing(sqlite3.connect(f"file:{source}?mode=ro", uri=True, timeout=30)) as reader,
        closing(sqlite3.connect(target)) as writer,
    ):
        reader.backup(writer)
        writer.execute("PRAGMA journal_mode=delete")  # one file, without a WAL beside it


def seal_file(source: Path, target: Path, key: ScopeKey) -> Part:
    """Writes `source` sealed to `target`, durable when this returns."""
    salt = os.urandom(_SALT_BYTES)
    cipher = _cipher(key, target.name, salt)
    digest, size = hashlib.sha256(), 0
    descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as sealed, source.open("rb") as plain:
        for piece in (_MAGIC, salt):
            sealed.write(piece)
            digest.update(piece)
            size += len(piece)
        for number, record, is_last in _records(plain):
            piece = cipher.encrypt(_nonce(number, is_last), record, None)
            framed = struct.pack(">I", len(piece) | (_LAST if is_last else 0)) + piece
            sealed.write(framed)
            digest.update(framed)
            size += len(framed)
        sealed.flush()
        os.fsync(sealed.fileno())
    return Part(target.name, digest.hexdigest(), size)


def open_file(source: Path, target: Path, key: ScopeKey, expected: Part | None = None) -> None:
    """Opens a sealed part into `target`; raises BackupDamaged and leaves nothing behind."""
    if expected is not None and _sha256(source) != expected.sha256:
        raise BackupDamaged(source)
    descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as plain, source.open("rb") as sealed:
            for record in _opened(sealed, source, expected.name if expected else source.name, key):
                plain.write(record)
            plain.flush()
            os.fsync(plain.fileno())
    except BaseException:
        target.unlink(missing_ok=True)
        raise


def write_manifest(folder: Path, manifest: Manifest, key: ScopeKey) -> None:
    """Written last: a folder without it is no backup."""
    descriptor = os.open(folder / MANIFEST, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(_MAGIC + key.seal(manifest.render(), MANIFEST))
        file.flush()
        os.fsync(file.fileno())
    sync_folder(folder)
    sync_folder(folder.parent)


def read_manifest(folder: Path, key: ScopeKey) -> Manifest:
    """What a backup says of itself; raises NotABackup or BackupDamaged."""
    path = folder / MANIFEST
    if not path.is_file():
        raise NotABackup(folder)
    content = path.read_bytes()
    if not content.startswith(_MAGIC):
        raise NotABackup(folder)
    try:
        return Manifest.parse(key.open(content[len(_MAGIC) :], MANIFEST))
    except BackupTooNew:
        raise
    except (IncameraError, KeyError, TypeError, ValueError) as error:
        raise BackupDamaged(path) from error


def directory_id(manifest: Manifest) -> UUID:
    """The data directory a backup was made of."""
    return UUID(manifest.directory_id)


def _records(plain: IO[bytes]) -> Iterator[tuple[int, bytes, bool]]:
    number, record = 0, plain.read(RECORD_BYTES)
    while True:
        following = plain.read(RECORD_BYTES)
        yield number, record, not following
        if not following:
            return
        number, record = number + 1, following


def _opened(sealed: IO[bytes], path: Path, name: str, key: ScopeKey) -> Iterator[bytes]:
    if sealed.read(len(_MAGIC)) != _MAGIC:
        raise BackupDamaged(path)
    cipher = _cipher(key, name, sealed.read(_SALT_BYTES))
    number, is_last = 0, False
    while not is_last:
        head = sealed.read(4)
        if len(head) != 4:
            raise BackupDamaged(path)
        (length,) = struct.unpack(">I", head)
        is_last, length = bool(length & _LAST), length & ~_LAST
        if not _TAG_BYTES <= length <= RECORD_BYTES + _TAG_BYTES:
            raise BackupDamaged(path)
        try:
            yield cipher.decrypt(_nonce(number, is_last), sealed.read(length), None)
        except InvalidTag as error:
            raise BackupDamaged(path) from error
        number += 1
    if sealed.read(1):
        raise BackupDamaged(path)


def _cipher(key: ScopeKey, name: str, salt: bytes) -> AESGCM:
    return AESGCM(key.derive(name.encode() + b"\0" + salt))


def _nonce(number: int, is_last: bool) -> bytes:
    return struct.pack(">IQ", 1 if is_last else 0, number)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
