"""The disk that fails on command: builds `disk_faults.c`, gives it its orders, and reads its log.

with a_shim(tmp_path, root=home) as shim:
    shim.order(Action.FAIL, first=7, error=errno.EIO)
    subprocess.run(command, env=shim.environment())
"""

import atexit
import ctypes
import mmap
import os
import shutil
import struct
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import IntEnum
from functools import cache
from pathlib import Path
from typing import Final, NamedTuple

import pytest

SOURCE: Final = Path(__file__).with_name("disk_faults.c")
_CONTROL: Final = struct.Struct("=QQQQIIiIq64sQ")
_ENTRY: Final = struct.Struct("=IIIiQQQ")
_NEVER: Final = (1 << 64) - 1


class Operation(IntEnum):
    """What a program can do to a disk; the same numbers in `disk_faults.c`."""

    OPEN = 0
    WRITE = 1
    SYNC = 2
    TRUNCATE = 3
    ALLOCATE = 4
    RENAME = 5
    LINK = 6
    UNLINK = 7
    MKDIR = 8
    RMDIR = 9
    CLOSE = 10
    NOTE = 11


class Action(IntEnum):
    """What happens to a call that is due."""

    NOTHING = 0
    KILL = 1
    TEAR_AND_KILL = 2
    FAIL = 3
    SHORTEN = 4
    STALL = 5


# Closing changes nothing on a disk, so a kill before a close is a kill before what comes next.
CHANGES: Final = tuple(set(Operation) - {Operation.CLOSE, Operation.NOTE})


class Done(NamedTuple):
    """One line of the log: what a program did to its disk, or a note it left."""

    operation: Operation
    path: str
    other: str
    error: int
    inode: int
    offset: int
    size: int
    data: bytes


@cache
def library() -> Path:
    """The built shim. Skips the test where there is no C compiler."""
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None:
        pytest.skip("the disk that fails on command is written in C, and there is no C compiler here")
    folder = tempfile.mkdtemp(prefix="incamera-disk-faults-")
    atexit.register(shutil.rmtree, folder)
    built = Path(folder, "disk_faults.so")
    warnings = ("-Wall", "-Wextra", "-Werror")
    subprocess.run([compiler, "-O2", *warnings, "-shared", "-fPIC", "-o", built, SOURCE, "-ldl"], check=True)
    return built


@dataclass(frozen=True)
class Shim:
    """Orders for programs that run with `environment()`; they take effect at once, also in running ones."""

    control: Path
    root: Path
    log: Path | None
    _shared: mmap.mmap

    def environment(self, **more: str) -> dict[str, str]:
        """What a program needs to run on this disk."""
        given = {
            "LD_PRELOAD": str(library()),
            "DISK_FAULTS_CONTROL": str(self.control),
            "DISK_FAULTS_ROOT": str(self.root),
        }
        return {**os.environ, **given, **({"DISK_FAULTS_LOG": str(self.log)} if self.log else {}), **more}

    def order(
        self,
        action: Action,
        *,
        first: int = 1,
        last: int | None = None,
        operations: tuple[Operation, ...] = CHANGES,
        error: int = 0,
        only: str = "",
        kill: int = 0,
    ) -> None:
        """Acts on calls `first` to `last` (just one by default, -1: all that follow), counted from now.

        At call `kill` the process dies, so that it can be killed after something failed.
        """
        end = first if last is None else _NEVER if last < 0 else last
        mask = sum(1 << operation for operation in operations)
        clock = self._fields()[8]
        fields = (0, 0, first, end, mask, action, error, 0, clock, only.encode(), kill)
        self._shared[: _CONTROL.size] = _CONTROL.pack(*fields)

    def heal(self) -> None:
        """Nothing fails any more; what was stalled goes on."""
        self._shared[36:40] = struct.pack("=I", Action.NOTHING)
        self._shared[120:128] = struct.pack("=Q", 0)

    def move_clock(self, seconds: float) -> None:
        """How far the wall clock of the programs is off."""
        self._shared[48:56] = struct.pack("=q", round(seconds * 1e9))

    @property
    def calls(self) -> int:
        """Counted since the last order."""
        return int(self._fields()[0])

    @property
    def hits(self) -> int:
        """Of these, acted upon."""
        return int(self._fields()[1])

    @property
    def stalled(self) -> int:
        """How many calls wait just now."""
        return int(self._fields()[7])

    def operations(self) -> list[Done]:
        """The log so far."""
        assert self.log is not None
        return list(_parse(self.log.read_bytes()))

    def _fields(self) -> tuple[int, ...]:
        return _CONTROL.unpack(self._shared[: _CONTROL.size])


@contextmanager
def a_shim(folder: Path, root: Path, *, logs: bool = False) -> Iterator[Shim]:
    """A shim for programs that keep their files below `root`; its own files lie in `folder`, elsewhere."""
    library()
    control = folder / "disk-faults.control"
    control.write_bytes(bytes(mmap.PAGESIZE))
    with control.open("r+b") as file, mmap.mmap(file.fileno(), mmap.PAGESIZE) as shared:
        shim = Shim(control, root, folder / "disk-faults.log" if logs else None, shared)
        shim.order(Action.NOTHING)
        yield shim
        shim.heal()


def attach(control: Path, root: Path, log: Path) -> Shim:
    """The orders of a shim that somebody else made."""
    with control.open("r+b") as file:
        return Shim(control, root, log, mmap.mmap(file.fileno(), mmap.PAGESIZE))


def note(text: str) -> None:
    """Leaves a line in the log, in order with the operations; for programs under the shim."""
    ctypes.CDLL(None).disk_faults_note(text.encode())


def _parse(log: bytes) -> Iterator[Done]:
    place = 0
    while place + _ENTRY.size <= len(log):
        kind, path_bytes, other_bytes, error, inode, offset, size = _ENTRY.unpack_from(log, place)
        place += _ENTRY.size
        path, other = log[place : place + path_bytes], log[place + path_bytes : place + path_bytes + other_bytes]
        place += path_bytes + other_bytes
        data = log[place : place + size] if kind == Operation.WRITE else b""
        place += len(data)
        yield Done(Operation(kind), path.decode(), other.decode(), error, inode, offset, size, data)
