"""The disk part of the spool: sealed files, one span each, in DATA/spool (format: `incamera.protocol.spool`).

Everything here blocks and is called from the spool's own thread. A file is only ever appended to, deleted, or, after a
write that did not fit, cut back to where it was. What a crash tore off its end is left out when it is read again. Files
that the disk does not let go stay on a list until it does.
"""

import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Final

from incamera.kit.files import sync_folder, write_fully
from incamera.kit.ids import new_id
from incamera.protocol.spool import (
    FILE_HEADER_BYTES,
    MAX_RECORD_BYTES,
    SALT_BYTES,
    RecordCipher,
    SpoolFileHeader,
    SpoolRecord,
    SpoolUnreadable,
    new_spool_key,
    parse_file_header,
    render_file_header,
    wrap_spool_key,
)

_SUFFIX: Final = ".spool"
_LENGTH_BYTES: Final = 4


@dataclass(frozen=True, slots=True)
class SpoolKey:
    """The key of this life: in memory, and wrapped for the server."""

    key: bytes = field(repr=False)
    wrapped: bytes

    @classmethod
    def for_server(cls, server_public_key: bytes) -> "SpoolKey":
        key = new_spool_key()
        return cls(key, wrap_spool_key(key, server_public_key))


class SpoolFile:
    """A file of this life: records can be added and read back by number. Holds no descriptor between calls.

    Raises OSError if it cannot be made; what there is of it by then is for the caller to remove.
    """

    def __init__(self, path: Path, key: SpoolKey) -> None:
        header = SpoolFileHeader(os.urandom(SALT_BYTES), key.wrapped)
        self.path = path
        self._cipher = RecordCipher(key.key, header.salt)
        self._offsets: list[int] = []
        self._tried: list[SpoolRecord] = []  # sealed once already, and not durable
        self.size_bytes = 0
        self._write([render_file_header(header)], os.O_CREAT | os.O_EXCL)
        sync_folder(path.parent)

    @property
    def record_count(self) -> int:
        return len(self._offsets)

    def append(self, records: Sequence[SpoolRecord]) -> None:
        """Adds records and makes them durable; on OSError (a full disk) the file is as it was.

        The next call must begin with the records of one that failed: parts of these may lie on the medium, and another
        record under the same number would use its nonce a second time.
        """
        assert list(records[: len(self._tried)]) == self._tried, "a record's number would seal two records"
        self._tried = list(records)
        sealed: list[bytes] = []
        offsets: list[int] = []
        offset = self.size_bytes
        for number, record in enumerate(records, len(self._offsets)):
            data = self._cipher.seal(number, record)
            offsets.append(offset)
            offset += _LENGTH_BYTES + len(data)
            sealed += (len(data).to_bytes(_LENGTH_BYTES, "big"), data)
        self._write(sealed)
        self._offsets += offsets
        self._tried = []

    def read(self, number: int, max_bytes: int) -> list[SpoolRecord]:
        """Records from `number` on: at least one, then as many as `max_bytes` hold. Raises SpoolUnreadable, OSError."""
        if number >= len(self._offsets):
            raise SpoolUnreadable(f"there is no record {number} yet")
        start, last = self._offsets[number], number
        while last + 1 < len(self._offsets) and self._end(last + 1) - start <= max_bytes:
            last += 1
        with self.path.open("rb", buffering=0) as file:
            data = os.pread(file.fileno(), self._end(last) - start, start)
        records: list[SpoolRecord] = []
        for index in range(number, last + 1):
            sealed = data[self._offsets[index] - start + _LENGTH_BYTES : self._end(index) - start]
            records.append(self._cipher.open(index, sealed))
        return records

    def _end(self, number: int) -> int:
        return self._offsets[number + 1] if number + 1 < len(self._offsets) else self.size_bytes

    def _write(self, parts: list[bytes], flags: int = 0) -> None:
        data = b"".join(parts)
        descriptor = os.open(self.path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW | flags, 0o600)
        try:
            write_fully(descriptor, data, self.size_bytes)
            os.fdatasync(descriptor)
        except OSError:
            with suppress(OSError):
                os.ftruncate(descriptor, self.size_bytes)
            raise
        finally:
            os.close(descriptor)
        self.size_bytes += len(data)


class FormerFile:
    """A file that an earlier life of this edge left: forwarded without being understood."""

    def __init__(self, path: Path, header: SpoolFileHeader, size_bytes: int) -> None:
        self.path = path
        self.header = header
        self.size_bytes = size_bytes
        self._offsets: list[int] | None = None

    def count_records(self) -> int:
        """How many whole records there are; a torn last one is left out."""
        if self._offsets is None:
            self._offsets = self._index()
        return len(self._offsets) - 1

    def read(self, number: int, max_bytes: int) -> list[bytes]:
        """Sealed records from `number` on: at least one, then as many as `max_bytes` hold."""
        count = self.count_records()
        assert self._offsets is not None
        start, last = self._offsets[number], number
        while last + 1 < count and self._offsets[last + 2] - start <= max_bytes:
            last += 1
        with self.path.open("rb") as file:
            data = os.pread(file.fileno(), self._offsets[last + 1] - start, start)
        cuts = [offset - start for offset in self._offsets[number : last + 2]]
        return [data[begin + _LENGTH_BYTES : end] for begin, end in pairwise(cuts)]

    def _index(self) -> list[int]:
        """Where each whole record starts, and where the last one ends."""
        offset = FILE_HEADER_BYTES
        offsets = [offset]
        with self.path.open("rb", buffering=0) as file:
            while True:
                length = int.from_bytes(os.pread(file.fileno(), _LENGTH_BYTES, offset), "big")
                end = offset + _LENGTH_BYTES + length
                if not 0 < length <= MAX_RECORD_BYTES or end > self.size_bytes:
                    return offsets
                offset = end
                offsets.append(offset)


class SpoolDirectory:
    """DATA/spool: what earlier lives left, and new files."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._left: dict[Path, int] = {}  # files that the disk did not let go, and their sizes

    def open(self) -> list[FormerFile]:
        """Makes the folder; the files of earlier lives, oldest first. What is not ours, or holds nothing, goes."""
        self._path.mkdir(mode=0o700, exist_ok=True)
        sync_folder(self._path.parent)
        former: list[FormerFile] = []
        for path in sorted(self._path.glob(f"*{_SUFFIX}")):
            size_bytes = path.stat().st_size
            try:
                with path.open("rb") as file:
                    header = parse_file_header(file.read(FILE_HEADER_BYTES))
            except SpoolUnreadable:
                self.remove(path)
                continue
            if size_bytes > FILE_HEADER_BYTES:
                former.append(FormerFile(path, header, size_bytes))
            else:
                self.remove(path)
        return former

    def create(self, key: SpoolKey, records: Sequence[SpoolRecord]) -> SpoolFile:
        """A new file with these records; names sort by age. On OSError nothing stays, or it is on the list to go."""
        path = self._path / f"{new_id().hex}{_SUFFIX}"
        try:
            file = SpoolFile(path, key)
            file.append(records)
        except OSError:
            self.remove(path)
            raise
        return file

    def remove(self, path: Path) -> None:
        """Removes a file, now or as soon as the disk allows it."""
        try:
            path.unlink(missing_ok=True)
        except OSError:
            with suppress(OSError):
                self._left[path] = path.stat().st_size
        else:
            self._left.pop(path, None)

    def remove_left(self) -> None:
        """Tries again to remove what the disk did not let go."""
        for path in list(self._left):
            self.remove(path)

    @property
    def left_bytes(self) -> int:
        """What lies there and is nobody's any more."""
        return sum(self._left.copy().values())
