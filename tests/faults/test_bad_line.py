"""The line between the house and its server fails in every way a line can: real kernels at both ends, TLS, programs.

Promise: what a camera sent is in the recording, each picture once and in order, whatever the line did, as long as the
spool suffices. Who watches near the server sees what came in time; who cannot follow skips to a sync sample and is
never far behind; who has vanished is noticed.
"""

import asyncio
import itertools
from collections.abc import Iterator
from typing import Any

import pytest

from incamera.streams.connection import SILENCE_LIMIT_S
from tests.faults.distant_house import DistantHouse, a_distant_house, whole_only
from tests.support.camera import read_counters
from tests.support.replay import assert_gapless
from tests.support.sampling import TAKES_ALL, takes_turns
from tests.support.viewer import Viewer, watching

pytestmark = [pytest.mark.slow, pytest.mark.quiet]


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DistantHouse]:
    with a_distant_house(tmp_path_factory.mktemp("house")) as standing:
        yield standing
        assert '"level": "error"' not in standing.server.log.read_text()


@pytest.fixture(autouse=True)
def healed(house: DistantHouse) -> Iterator[None]:
    yield
    house.places.line.heal()


@pytest.mark.parametrize(
    ("loss", "delay_s"),
    [
        pytest.param(0.01, 0.0, id="1 %", marks=whole_only),
        pytest.param(0.01, 0.1, id="1 % and 200 ms"),
        pytest.param(0.1, 0.0, id="10 %"),
        pytest.param(0.0, 0.1, id="200 ms", marks=whole_only),
    ],
)
async def test_lost_and_late_packets_cost_no_picture_and_no_connection(
    house: DistantHouse, loss: float, delay_s: float
) -> None:
    line, began, connected = house.places.line, house.now_us(), len(house.edge.said("edge.connected"))
    dropped = line.up.dropped

    line.suffer(loss=loss, delay_s=delay_s, disorder=0.02)
    await asyncio.sleep(6)
    line.heal()
    await house.is_back()

    assert not loss or line.up.dropped > dropped, "the line was not bad at all"
    assert len(house.edge.said("edge.connected")) == connected
    assert await house.whole_recording_since(began)


@whole_only
async def test_on_a_long_way_a_viewer_sees_every_picture(house: DistantHouse) -> None:
    house.places.line.suffer(delay_s=0.1)
    async with watching(house.server, house.channel_id, "main") as (viewer, handles):
        await _watch(viewer, handles["main"], 8)

    assert_gapless(_numbers(viewer, handles["main"]))


@takes_turns(0, one_of=3)
async def test_a_black_hole_is_noticed_and_filled_afterwards(house: DistantHouse) -> None:
    connected, lost, began = (
        len(house.edge.said("edge.connected")),
        len(house.edge.said("edge.line_down")),
        house.now_us(),
    )

    house.places.line.fall_silent()
    await asyncio.sleep(30 if TAKES_ALL else 20)
    noticed = house.edge.said("edge.line_down")[lost:]
    house.places.line.heal()
    await house.until("/api/v1/edges", lambda _: len(house.edge.said("edge.connected")) > connected)
    await house.is_back()

    assert any("no sign of life" in line for line in noticed)
    assert await house.whole_recording_since(began)


@takes_turns(1, one_of=3)
async def test_on_a_line_slower_than_the_stream_live_skips_and_the_recording_is_completed_later(
    house: DistantHouse,
) -> None:
    began = house.now_us()
    async with watching(house.server, house.channel_id, "main") as (viewer, handles):
        main = handles["main"]
        await _watch(viewer, main, 2)
        house.places.line.up.bytes_per_s = 500_000 / 8
        delays = await _watch(viewer, main, 40 if TAKES_ALL else 18, now_us=house.now_us)
        house.places.line.heal()
        await house.is_back()
        await _watch(viewer, main, 3)

    parts = [part for part in viewer.streams[main].parts if part.pictures]
    assert len(parts) > 1, "live never skipped"
    assert all(part.pictures[0].is_sync for part in parts)
    assert not _falls_behind(delays)
    assert await house.whole_recording_since(began)


@takes_turns(2, one_of=3)
async def test_a_viewer_who_cannot_follow_skips_and_disturbs_nobody(house: DistantHouse) -> None:
    line, down, seconds = house.viewer_line(), house.places.line.down, 40 if TAKES_ALL else 25
    down.bytes_per_s, down.rate_port = 500_000 / 8, line.getsockname()[1]
    async with (
        watching(house.server, house.channel_id, "main") as (near, near_handles),
        watching(house.server, house.channel_id, "main", line=line) as (far, far_handles),
    ):
        _, delays = await asyncio.gather(
            _watch(near, near_handles["main"], seconds),
            _watch(far, far_handles["main"], seconds, now_us=house.now_us),
        )
        house.places.line.heal()

    assert_gapless(_numbers(near, near_handles["main"]))
    pictures = far.streams[far_handles["main"]].pictures
    skips = [
        after for before, after in itertools.pairwise(pictures) if after.decode_time - before.decode_time > 2 * 3600
    ]
    assert skips, "the line was wide enough after all"
    assert all(picture.is_sync for picture in skips)
    assert not _falls_behind(delays)


@whole_only
async def test_who_vanished_is_noticed_viewer_and_edge_alike(house: DistantHouse) -> None:
    """Half-open: both die while nothing comes through, so that no FIN and no RST ever reaches the server."""
    viewings = f"/api/v1/devices/{house.device_id}/viewings"
    line = house.viewer_line()
    async with watching(house.server, house.channel_id, "main", line=line) as (viewer, handles):
        await viewer.until(lambda: handles["main"] in viewer.streams)
        await house.until(viewings, lambda body: body["items"][0]["ended_at"] is None)

        house.places.line.fall_silent()
        house.edge.kill()
        viewer.vanish()

    await house.until(viewings, lambda body: body["items"][0]["ended_at"] is not None, SILENCE_LIMIT_S + 15)
    await house.until("/api/v1/edges", _nobody_is_online)
    shown = await house.until(f"/api/v1/devices/{house.device_id}", lambda device: device["state"]["code"] != "online")
    assert shown["state"]["code"] == "offline"

    house.places.line.heal()
    house.edge.start()
    await house.until(f"/api/v1/devices/{house.device_id}", lambda device: device["state"]["code"] == "online")


@whole_only
async def test_an_edge_that_comes_back_before_it_was_missed_takes_over_from_itself(house: DistantHouse) -> None:
    house.places.line.fall_silent()
    house.edge.kill()
    house.places.line.heal()
    connected = len(house.edge.said("edge.connected"))
    house.edge.start()

    await house.until("/api/v1/edges", lambda _: len(house.edge.said("edge.connected")) > connected)
    await house.is_back()
    began = house.now_us()
    await asyncio.sleep(5)

    assert await house.whole_recording_since(began)


async def _watch(viewer: Viewer, handle: int, seconds: float, now_us: Any = None) -> list[float]:
    """Receives for a while; how old each picture was when it came, in seconds."""
    delays = []
    try:
        async with asyncio.timeout(seconds):
            while True:
                message = await viewer.receive(seconds + 5)
                if now_us is not None and not isinstance(message, dict):
                    delays.append((now_us() - message.wall_us) / 1e6)
    except TimeoutError:
        return delays


def _falls_behind(delays: list[float]) -> bool:
    """Whether a viewer is later and later: by more than half in the last third of the time, compared to the second."""
    third = len(delays) // 3
    return max(delays[-third:]) > 1.5 * max(delays[third : 2 * third]) + 1.0


def _numbers(viewer: Viewer, handle: int) -> list[int]:
    return [number for part in viewer.streams[handle].parts if part.pictures for number in read_counters(part.media)]


def _nobody_is_online(body: Any) -> bool:
    return not any(edge["online"] for edge in body["items"])
