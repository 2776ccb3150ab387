"""A machine whose clock is not set goes on from the newest time that is known."""

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from incamera.kit import clock as clock_module
from incamera.kit.clock import EARLIEST, LateClock, newest_file_at

LAST_LIFE = datetime(2027, 5, 4, 3, 2, 1, tzinfo=UTC)


@pytest.fixture
def woken_up_in_1970(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock_module.time, "time_ns", lambda: 17_000_000_000)


@pytest.mark.usefixtures("woken_up_in_1970")
def test_time_goes_on_from_the_last_life_and_does_not_stand_still(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = LateClock(LAST_LIFE)
    assert clock.is_guessing
    assert timedelta() <= clock.now() - LAST_LIFE < timedelta(seconds=5)

    later_s = clock.monotonic() + 3600
    monkeypatch.setattr(clock_module.time, "monotonic", lambda: later_s)
    assert clock.now() - LAST_LIFE >= timedelta(hours=1)


@pytest.mark.usefixtures("woken_up_in_1970")
def test_without_an_earlier_life_it_is_no_earlier_than_the_program() -> None:
    assert LateClock().now() >= EARLIEST


def test_a_plausible_clock_alone_counts() -> None:
    clock = LateClock(datetime(2050, 1, 1, tzinfo=UTC))
    assert not clock.is_guessing
    assert abs(clock.now() - datetime.now(UTC)) < timedelta(seconds=5), "a file from the future is not believed"


def test_newest_file_tells_when_the_last_life_was(tmp_path: Path) -> None:
    assert newest_file_at(tmp_path / "missing") == EARLIEST
    for name, moment in (("old", EARLIEST), ("new", LAST_LIFE)):
        (tmp_path / name).touch()
        os.utime(tmp_path / name, (moment.timestamp(), moment.timestamp()))
    assert newest_file_at(tmp_path) == LAST_LIFE
