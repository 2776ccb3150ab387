"""`keys.db`: wrapped keys in an SQLite file of their own, and the only correct way to delete them.

Nothing here knows a key in the clear; `vault` wraps and unwraps. Used from the vault's one thread.

**Deleting.** `DELETE` alone leaves the bytes in the file or in the WAL, and so does `secure_delete=on` with a
`wal_checkpoint(TRUNCATE)`: when SQLite merges or splits pages it copies cells and leaves the old bytes in the gap of
the page they came from (measured: 1 of 2,400 deleted blobs was still in the file). So a deletion is: commit, `VACUUM`
(which writes every page anew; its temporary copy stays in memory), `wal_checkpoint(TRUNCATE)`, and an answer of that
pragma that is not "busy". About 5 ms for a household, once per sweep.
"""

import os
import sqlite3
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final, NamedTuple

from incamera.storage.tombstones import Tombstone, name_digest

SCHEMA_VERSION: Final = 1
_PRAGMAS: Final = (
    "busy_timeout=250",
    "journal_mode=wal",
    "synchronous=full",
    "secure_delete=on",
    "temp_store=memory",  # VACUUM would leave a copy of every wrapped key in a deleted file of /tmp
    "foreign_keys=on",
)
_SCHEMA = """
CREATE TABLE meta (name TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE key (
    number INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, kind TEXT NOT NULL, parent TEXT NOT NULL,
    created_us INTEGER NOT NULL
);
CREATE INDEX key_parent ON key (parent);
CREATE TABLE wrapped (
    number INTEGER PRIMARY KEY, key_number INTEGER NOT NULL REFERENCES key (number),
    recipient_kind TEXT NOT NULL, recipient_id TEXT NOT NULL, blob BLOB NOT NULL
);
CREATE INDEX wrapped_key ON wrapped (key_number);
CREATE TABLE tombstone (digest BLOB PRIMARY KEY, kind TEXT NOT NULL, destroyed_us INTEGER NOT NULL) WITHOUT ROWID;
"""


class WrappedKey(NamedTuple):
    """One copy of a key, readable by one recipient (today always the key above it)."""

    recipient_kind: str
    recipient_id: str
    blob: bytes


class KeyStore:
    """Rows of `keys.db`. Every method is one transaction, durable when it returns."""

    def __init__(self, path: Path) -> None:
        is_new = not path.exists()
        if is_new:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        self._path = path
        self._db = _connect(path)
        if self._db.execute("PRAGMA user_version").fetchone()[0] == 0:
            self._db.executescript(f"BEGIN;{_SCHEMA}PRAGMA user_version={SCHEMA_VERSION};COMMIT;")

    @property
    def schema_version(self) -> int:
        return int(self._db.execute("PRAGMA user_version").fetchone()[0])

    def close(self) -> None:
        self._db.close()

    def reopen(self) -> None:
        """A new connection, for one that a broken or read-only disk made useless."""
        fresh = _connect(self._path)
        with suppress(sqlite3.Error):
            self._db.close()
        self._db = fresh

    def find_meta(self, name: str) -> bytes | None:
        row = self._db.execute("SELECT value FROM meta WHERE name = ?", (name,)).fetchone()
        return None if row is None else bytes(row[0])

    def put_meta(self, name: str, value: bytes) -> None:
        self._db.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (name, value))

    def is_destroyed(self, name: str) -> bool:
        return self._is_destroyed(name_digest(name))

    def names_destroyed(self, names: Iterable[str]) -> set[str]:
        """Those of these names that have a tombstone."""
        return {name for name in names if self.is_destroyed(name)}

    def find(self, name: str) -> list[WrappedKey]:
        """All wrapped copies; empty if there is no such key."""
        rows = self._db.execute(
            "SELECT recipient_kind, recipient_id, blob FROM wrapped JOIN key ON key.number = key_number WHERE name = ?",
            (name,),
        )
        return [WrappedKey(kind, recipient, bytes(blob)) for kind, recipient, blob in rows]

    def add(self, name: str, kind: str, parent: str, created_us: int, copies: Sequence[WrappedKey]) -> bool:
        """False, and nothing done, if the key is there already or was destroyed."""
        with self._transaction():
            if self._is_destroyed(name_digest(name)) or self._number(name) is not None:
                return False
            cursor = self._db.execute(
                "INSERT INTO key (name, kind, parent, created_us) VALUES (?, ?, ?, ?)", (name, kind, parent, created_us)
            )
            self._db.executemany(
                "INSERT INTO wrapped (key_number, recipient_kind, recipient_id, blob) VALUES (?, ?, ?, ?)",
                [(cursor.lastrowid, *copy) for copy in copies],
            )
            return True

    def children(self, parent: str) -> list[str]:
        """Names of the keys wrapped by this one."""
        return [row[0] for row in self._db.execute("SELECT name FROM key WHERE parent = ?", (parent,))]

    def hour_names_before(self, hour: int) -> list[str]:
        """Names of hour keys of earlier hours: a name ends with its hour.

        SQLite looks through the names. Python would hold up everybody for half a second with 60,000 of them.
        """
        query = """
            SELECT name FROM key
            WHERE kind = 'hour' AND CAST(substr(name, length(rtrim(name, '0123456789')) + 1) AS INTEGER) < ?
            ORDER BY number
        """
        return [row[0] for row in self._db.execute(query, (hour,))]

    def destroy(self, names: Iterable[str], tombstones: Iterable[Tombstone]) -> None:
        """Deletes and commits. The bytes are gone only once `scrub` has answered True."""
        with self._transaction():
            numbers = [(number,) for name in names if (number := self._number(name)) is not None]
            for statement in (
                "UPDATE wrapped SET blob = zeroblob(length(blob)) WHERE key_number = ?",
                "DELETE FROM wrapped WHERE key_number = ?",
                "DELETE FROM key WHERE number = ?",
            ):
                self._db.executemany(statement, numbers)
            self._db.executemany("INSERT OR IGNORE INTO tombstone VALUES (?, ?, ?)", list(tombstones))

    def bury(self, tombstones: Sequence[Tombstone]) -> list[str]:
        """Replays a ledger: remembers its tombstones and returns the names of keys that should not be here."""
        with self._transaction():
            self._db.executemany("INSERT OR IGNORE INTO tombstone VALUES (?, ?, ?)", tombstones)
        dead = {stone.digest for stone in tombstones}
        return [name for (name,) in self._db.execute("SELECT name FROM key") if name_digest(name) in dead]

    def forget_tombstones(self, kind: str, before_us: int) -> None:
        self._db.execute("DELETE FROM tombstone WHERE kind = ? AND destroyed_us < ?", (kind, before_us))

    def scrub(self) -> bool:
        """Writes the file anew and empties the WAL. False if a reader stood in the way: then try again."""
        try:
            self._db.execute("VACUUM")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
                return False
            raise
        busy, _, _ = self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        return not busy

    def _number(self, name: str) -> int | None:
        row = self._db.execute("SELECT number FROM key WHERE name = ?", (name,)).fetchone()
        return None if row is None else int(row[0])

    def _is_destroyed(self, digest: bytes) -> bool:
        return self._db.execute("SELECT 1 FROM tombstone WHERE digest = ?", (digest,)).fetchone() is not None

    def _transaction(self) -> "_Transaction":
        return _Transaction(self._db)


def _connect(path: Path) -> sqlite3.Connection:
    db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    try:
        for pragma in _PRAGMAS:
            db.execute(f"PRAGMA {pragma}")
    except sqlite3.Error:
        db.close()
        raise
    return db


class _Transaction:
    """`BEGIN IMMEDIATE` … `COMMIT`, or `ROLLBACK` if the block raises."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def __enter__(self) -> None:
        self._db.execute("BEGIN IMMEDIATE")

    def __exit__(self, kind: object, error: object, _trace: object) -> None:
        try:
            self._db.execute("COMMIT" if error is None else "ROLLBACK")
        finally:
            if self._db.in_transaction:  # the disk refused the commit; the next one must be able to begin
                self._db.execute("ROLLBACK")
