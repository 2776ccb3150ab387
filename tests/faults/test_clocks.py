"""Clocks that are set, jump, change to summer time, or were never set: the real server, its edge and a camera.

The shim moves the server's wall clock; edge and camera keep theirs, as on two machines.
"""

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import chain
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from incamera.kit.clock import EARLIEST, from_us, to_us
from tests.faults.shim import Shim, a_shim
from tests.faults.test_sealed_backlog import add_camera, seconds_covered
from tests.support.camera import running_camera
from tests.support.sampling import sample, takes_turns
from tests.support.server import Server, running_server

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180), pytest.mark.quiet]
CHANGES = (datetime(2027, 3, 28, 1, tzinfo=UTC), datetime(2027, 10, 31, 1, tzinfo=UTC))  # in Europe

HOUR_S, DAY_S = 3600, 86_400
JUMPS_S = ((HOUR_S, -HOUR_S), (DAY_S, -DAY_S))


@pytest.fixture
def shim(tmp_path: Path) -> Iterator[Shim]:
    (tmp_path / "data").mkdir()
    with a_shim(tmp_path, tmp_path / "data") as made:
        yield made


def environment(shim: Shim) -> dict[str, str]:
    given = ("LD_PRELOAD", "DISK_FAULTS_CONTROL", "DISK_FAULTS_ROOT")
    return {name: shim.environment()[name] for name in given} | {"TZ": "Europe/Paris"}


def timeline(server: Server, channel_id: str, moment: datetime, accept: Any, timeout_s: float = 60) -> dict[str, Any]:
    """What is recorded around a moment, once that is as expected."""
    begin, end = moment - timedelta(minutes=10), moment + timedelta(minutes=10)
    query = urlencode({"from": begin.isoformat(), "to": end.isoformat(), "resolution_s": 1})
    shown: dict[str, Any] = server.wait_for(f"/api/v1/channels/{channel_id}/timeline?{query}", accept, timeout_s)
    return shown


def recorded_s(shown: dict[str, Any], since: datetime) -> float:
    return seconds_covered(shown, to_us(since), to_us(since + timedelta(minutes=10)))


@takes_turns(0, one_of=3)
def test_recording_follows_a_clock_that_is_set_by_hours_and_days(tmp_path: Path, shim: Shim) -> None:
    with running_camera("garden") as address, running_server(tmp_path, environment=environment(shim)) as server:
        channel_id = add_camera(server, address)
        began = datetime.now(UTC)
        timeline(server, channel_id, began, lambda shown: recorded_s(shown, began) > 2)

        for offset_s in chain(*sample(JUMPS_S, one_of=2)):
            shim.move_clock(offset_s)
            there = datetime.now(UTC) + timedelta(seconds=offset_s)
            follow(server, channel_id, there)
        shim.move_clock(0)

        shown = timeline(server, channel_id, began, lambda shown: recorded_s(shown, began) > 4)
        assert recorded_s(shown, began) > 4, "what was recorded first is still there, and so is what comes now"
        assert server.client().get("/healthz").json()["status"] == "ready"


def follow(server: Server, channel_id: str, there: datetime) -> None:
    """Recording goes on at the new time, in steps of a camera and not all at once."""
    if server.owner().get("/api/v1/devices").status_code == 401:
        server.sign_in_again()
    shown = timeline(server, channel_id, there, lambda shown: recorded_s(shown, there) > 3)
    for run in shown["runs"]:
        assert run["to_us"] - run["from_us"] < 120e6, "no picture claims more time than has passed"
        assert run["to_us"] <= to_us(there) + 120_000_000


@takes_turns(1, one_of=3)
@pytest.mark.parametrize("change", sample(CHANGES, one_of=2))
def test_summer_time_begins_and_ends_without_a_gap(tmp_path: Path, shim: Shim, change: datetime) -> None:
    earlier = change - timedelta(minutes=30)
    shim.move_clock(earlier.timestamp() - time.time())
    with running_camera("garden") as address, running_server(tmp_path, environment=environment(shim)) as server:
        channel_id = add_camera(server, address)
        timeline(server, channel_id, earlier, lambda shown: shown["newest_us"])
        shim.move_clock(change.timestamp() - time.time() - 12)  # who had to wait for the start would miss the moment
        before, after = change - timedelta(seconds=2), change + timedelta(seconds=4)

        shown = timeline(server, channel_id, change, lambda shown: (shown["newest_us"] or 0) > to_us(after), 100)

        assert seconds_covered(shown, to_us(before), to_us(after)) > 5.5


@takes_turns(2, one_of=3)
def test_a_board_without_a_battery_records_and_finds_the_time(tmp_path: Path, shim: Shim) -> None:
    (tmp_path / "data" / "media").mkdir()  # from an earlier life, a moment ago
    shim.move_clock(-time.time() + 100)  # 1970
    with running_camera("garden") as address, running_server(tmp_path, environment=environment(shim)) as server:
        channel_id = add_camera(server, address)
        guessed = from_us(server.wait_for(newest(channel_id), lambda it: it["newest_us"])["newest_us"])
        shim.move_clock(0)
        now = datetime.now(UTC)
        shown = timeline(server, channel_id, now, lambda shown: recorded_s(shown, now) > 3)

        assert abs(guessed - now) < timedelta(minutes=5)
        assert "server.clock_not_set" in server.log.read_text()
        assert shown["oldest_us"] <= to_us(guessed), "what was recorded by a guessed time is kept"


def newest(channel_id: str) -> str:
    begin, end = EARLIEST.isoformat(), (datetime.now(UTC) + timedelta(days=1)).isoformat()
    return f"/api/v1/channels/{channel_id}/timeline?" + urlencode({"from": begin, "to": end, "resolution_s": 3600})
