"""The tombstone ledger: which keys were destroyed, in an append-only file kept apart from `keys.db` and its backups.

Whoever restores an older `keys.db` brings destroyed keys back to life. The ledger is what kills them again: it is
replayed before anything is served (requirement book 4.6, R-04). A line is written and synced *before* its key is
deleted, so a crash between the two costs nothing: the next opening finishes the deletion.

The file is text, one line per key: `TIME KIND DIGEST`. The digest is a truncated SHA-256 of the key's name (random
UUIDs inside), so the ledger tells no reader which device or account it was.
"""

import fcntl
import hashlib
import os
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NamedTuple

from incamera.kit.errors import IncameraError
from incamera.kit.files import sync_folder

DIGEST_BYTES: Final = 16
_HEAD: Final = "incamera tombstones 1 "
_LINE = re.compile(r"(\d{1,18}) ([a-z]{1,16}) ([0-9a-f]{32})")


class LedgerMissing(IncameraError):
    """`keys.db` exists, its ledger does not: serving now could bring erased data back."""

    status = 500

    def __init__(self, path: Path) -> None:
        super().__init__(
            f"The list of destroyed keys ({path}) is missing; put it back from where it is kept before starting, "
            "or erased data could return."
        )


class LedgerDamaged(IncameraError):
    """A line in the middle of the ledger is not one of ours."""

    status = 500

    def __init__(self, path: Path, line: int) -> None:
        super().__init__(f"The list of destroyed keys ({path}) is damaged at line {line}; restore a good copy of it.")


class LedgerOfAnotherVault(IncameraError):
    status = 500

    def __init__(self, path: Path) -> None:
        super().__init__(f"The list of destroyed keys ({path}) belongs to another installation; name the right one.")


class Tombstone(NamedTuple):
    """A destroyed key. `destroyed_us` is wall time in microseconds since the Unix epoch."""

    digest: bytes
    kind: str
    destroyed_us: int


def name_digest(name: str) -> bytes:
    """What the ledger and `keys.db` call a key once it is gone."""
    return hashlib.sha256(name.encode()).digest()[:DIGEST_BYTES]


class TombstoneLedger:
    """Reads and appends; used by the vault's thread only (it blocks on the disk)."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def exists(self) -> bool:
        return self.path.exists()

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keeps other processes out (`incamera check` beside a server): no line is lost between read and rewrite."""
        self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        lock = self.path.with_name(self.path.name + ".lock")
        descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    def create(self, vault_id: str) -> None:
        """An empty ledger, durable when this returns."""
        self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            os.write(descriptor, f"{_HEAD}{vault_id}\n".encode())
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        sync_folder(self.path.parent)

    def read(self, vault_id: str) -> list[Tombstone]:
        """Every tombstone, oldest first. A last line that a power cut left unfinished is cut off."""
        if not self.exists():
            raise LedgerMissing(self.path)
        data = self.path.read_bytes()
        whole = data.rfind(b"\n") + 1
        if whole < len(data):
            os.truncate(self.path, whole)  # its key was not deleted yet: the line is written first
        lines = data[:whole].decode("ascii", "replace").splitlines()
        if not lines or not lines[0].startswith(_HEAD):
            raise LedgerDamaged(self.path, 1)
        if lines[0] != _HEAD + vault_id:
            raise LedgerOfAnotherVault(self.path)
        return [self._parse(number, line) for number, line in enumerate(lines[1:], start=2)]

    def append(self, tombstones: Iterable[Tombstone]) -> None:
        """Durable when this returns."""
        text = "".join(f"{stone.destroyed_us} {stone.kind} {stone.digest.hex()}\n" for stone in tombstones)
        if not text:
            return
        descriptor = os.open(self.path, os.O_WRONLY | os.O_APPEND)
        try:
            os.write(descriptor, text.encode())
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def rewrite(self, vault_id: str, tombstones: Iterable[Tombstone]) -> None:
        """Leaves out what no backup can hold any more; atomic by rename."""
        fresh = TombstoneLedger(self.path.with_name(self.path.name + ".new"))
        fresh.path.unlink(missing_ok=True)
        fresh.create(vault_id)
        fresh.append(tombstones)
        fresh.path.replace(self.path)
        sync_folder(self.path.parent)

    def _parse(self, number: int, line: str) -> Tombstone:
        match = _LINE.fullmatch(line)
        if match is None:
            raise LedgerDamaged(self.path, number)
        return Tombstone(bytes.fromhex(match[3]), match[2], int(match[1]))
