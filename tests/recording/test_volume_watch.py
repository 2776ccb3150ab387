"""Trouble of the disk is told once it lasts, in words, and so is its end."""

import errno
import sqlite3

import pytest

from incamera.recording.volume_watch import VolumeWatch, kind_of
from incamera.storage.volume import SENTENCES, VolumeState
from tests.support.clock import MovableClock


class _Disk:
    """How long the writer has been waiting for it."""

    busy_s = 0.0


@pytest.fixture
def clock() -> MovableClock:
    return MovableClock()


@pytest.fixture
def disk() -> _Disk:
    return _Disk()


@pytest.fixture
def watch(clock: MovableClock, disk: _Disk) -> VolumeWatch:
    return VolumeWatch(clock, lambda: disk.busy_s)


def fail_for(watch: VolumeWatch, clock: MovableClock, seconds: int, error: Exception) -> None:
    for _ in range(seconds):
        watch.failed(error)
        clock.move(seconds=1)
        watch.look()


@pytest.mark.parametrize(
    ("error", "state"),
    [
        (OSError(errno.ENOSPC, ""), VolumeState.FULL),
        (OSError(errno.EDQUOT, ""), VolumeState.FULL),
        (OSError(errno.EROFS, ""), VolumeState.READ_ONLY),
        (OSError(errno.EIO, ""), VolumeState.FAILING),
    ],
)
def test_trouble_that_lasts_is_told_once_and_so_is_its_end(
    watch: VolumeWatch, clock: MovableClock, error: OSError, state: VolumeState
) -> None:
    told: list[VolumeState] = []
    watch.on_change(told.append)

    fail_for(watch, clock, 2, error)
    assert told == []
    fail_for(watch, clock, 10, error)
    assert told == [state]
    watch.succeeded()
    watch.look()
    assert told == [state, VolumeState.WELL]
    assert SENTENCES[state]


def test_errors_now_and_then_are_no_news(watch: VolumeWatch, clock: MovableClock) -> None:
    for _ in range(20):
        fail_for(watch, clock, 2, OSError(errno.EIO, ""))
        watch.succeeded()
    assert watch.state is VolumeState.WELL


def test_a_disk_that_does_not_answer_is_slow_until_it_does(watch: VolumeWatch, disk: _Disk) -> None:
    disk.busy_s = 5
    watch.look()
    assert watch.state is VolumeState.SLOW
    disk.busy_s = 0
    watch.look()
    assert watch.state is VolumeState.WELL


def test_trouble_nobody_meets_any_more_is_forgotten(watch: VolumeWatch, clock: MovableClock) -> None:
    fail_for(watch, clock, 10, OSError(errno.EIO, ""))
    clock.move(seconds=60)
    watch.look()
    assert watch.state is VolumeState.WELL


def test_a_read_only_database_is_a_read_only_disk() -> None:
    database = sqlite3.connect("file::memory:?mode=memory", uri=True)
    database.execute("PRAGMA query_only=on")
    with pytest.raises(sqlite3.OperationalError) as caught:
        database.execute("CREATE TABLE t (x)")
    assert kind_of(caught.value) is VolumeState.READ_ONLY
    database.close()
