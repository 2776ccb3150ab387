"""The disk that fails on command does what it is told, to Python's own files and to SQLite's."""

import errno
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.shim import Action, Done, Operation, Shim, a_shim

WRITES = """
import os, sys
descriptor = os.open(sys.argv[1] + "/file", os.O_WRONLY | os.O_CREAT, 0o600)
for number in range(5):
    try:
        print(os.pwritev(descriptor, [b"0123", b"4567"], number * 8), flush=True)
        os.fdatasync(descriptor)
    except OSError as error:
        print(error.errno, flush=True)
"""
COMMITS = """
import sqlite3, sys
db = sqlite3.connect(sys.argv[1] + "/db", isolation_level=None)
db.execute("PRAGMA journal_mode=wal")
db.execute("PRAGMA synchronous=full")
db.execute("CREATE TABLE t (x)")
db.execute("INSERT INTO t VALUES (1)")
"""
TELLS_TIME = """
import datetime, sqlite3, time
print(time.time(), datetime.datetime.now().timestamp())
print(sqlite3.connect(":memory:").execute("SELECT CAST(strftime('%s', 'now') AS INTEGER)").fetchone()[0])
"""


@pytest.fixture
def shim(tmp_path: Path) -> Iterator[Shim]:
    root = tmp_path / "root"
    root.mkdir()
    with a_shim(tmp_path, root, logs=True) as made:
        yield made


def run(shim: Shim, program: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", program, str(shim.root)]
    return subprocess.run(command, env=shim.environment(), capture_output=True, text=True, check=False)


def done(shim: Shim, *operations: Operation) -> list[Done]:
    return [line for line in shim.operations() if line.operation in operations]


def test_every_step_is_logged_with_its_data(shim: Shim) -> None:
    assert run(shim, WRITES).stdout.split() == ["8"] * 5

    first, *rest = shim.operations()
    assert (first.operation, first.offset, first.path) == (Operation.OPEN, 1, str(shim.root / "file"))
    assert [line.operation for line in rest] == [Operation.WRITE, Operation.SYNC] * 5
    assert [(line.offset, line.data) for line in rest[::2]] == [(n * 8, b"01234567") for n in range(5)]
    assert {line.inode for line in rest} == {(shim.root / "file").stat().st_ino}
    assert shim.calls == 11


def test_sqlite_writes_and_syncs_through_it(shim: Shim) -> None:
    assert run(shim, COMMITS).returncode == 0

    writes = done(shim, Operation.WRITE)
    assert {Path(line.path).name for line in writes} >= {"db", "db-wal"}
    assert any(line.path.endswith("db-wal") for line in done(shim, Operation.SYNC))


@pytest.mark.parametrize("step", [1, 2, 3, 10])
def test_kill_comes_before_the_call(shim: Shim, step: int) -> None:
    shim.order(Action.KILL, first=step)
    assert run(shim, WRITES).returncode == -signal.SIGKILL
    assert len(shim.operations()) == step - 1


def test_torn_write_leaves_half(shim: Shim) -> None:
    shim.order(Action.TEAR_AND_KILL, first=2, operations=(Operation.WRITE,))
    assert run(shim, WRITES).returncode == -signal.SIGKILL
    assert (shim.root / "file").read_bytes() == b"012345670123"


def test_one_call_fails_and_the_next_does_not(shim: Shim) -> None:
    shim.order(Action.FAIL, first=2, operations=(Operation.SYNC,), error=errno.EIO)
    assert run(shim, WRITES).stdout.split() == ["8", "8", str(errno.EIO), "8", "8", "8"]
    assert [line.error for line in done(shim, Operation.SYNC)] == [0, errno.EIO, 0, 0, 0]


def test_short_write_says_how_short(shim: Shim) -> None:
    shim.order(Action.SHORTEN, first=3, operations=(Operation.WRITE,))
    assert run(shim, WRITES).stdout.split() == ["8", "8", "4", "8", "8"]


def test_only_named_files_are_concerned(shim: Shim) -> None:
    shim.order(Action.FAIL, last=-1, error=errno.ENOSPC, only="elsewhere")
    assert run(shim, WRITES).stdout.split() == ["8"] * 5
    assert shim.calls == 0


def test_a_stalled_call_goes_on_when_the_disk_is_back(shim: Shim) -> None:
    shim.order(Action.STALL, last=-1, operations=(Operation.SYNC,))
    with subprocess.Popen(
        [sys.executable, "-c", WRITES, str(shim.root)], env=shim.environment(), stdout=subprocess.PIPE, text=True
    ) as process:
        deadline = time.monotonic() + 10
        while not shim.stalled and time.monotonic() < deadline:
            time.sleep(0.01)
        assert shim.stalled == 1
        assert process.poll() is None
        shim.heal()
        assert process.wait(10) == 0
    assert shim.stalled == 0


@pytest.mark.parametrize("offset_s", [-86_400, 3600, 86_400 * 400])
def test_the_wall_clock_moves_for_everyone(shim: Shim, offset_s: int) -> None:
    shim.move_clock(offset_s)
    now = time.time()
    for told in run(shim, TELLS_TIME).stdout.split():
        assert abs(float(told) - now - offset_s) < 5
