"""The line between camera and edge: Wi-Fi that loses packets, a camera that vanishes without a word.

Promise: over TCP no picture is lost while the connection lives; a camera that is silent is called lost, in words, and
comes back by itself.
"""

import asyncio
from collections.abc import Iterator

import pytest

from tests.faults.distant_house import DistantHouse, FarEdge, add_camera, whole_only
from tests.support.camera import running_camera
from tests.support.server import running_server
from tests.support.tun_line import FAR, two_places

pytestmark = [pytest.mark.slow, pytest.mark.quiet]


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DistantHouse]:
    """Here the edge is beside the server, and the camera alone is far."""
    with two_places(seed=2) as places, places.near(), running_server(tmp_path_factory.mktemp("far-camera")) as server:
        server.owner()
        server.wait_for("/api/v1/edges", lambda body: any(edge["online"] for edge in body["items"]), 60)
        with places.far():
            camera = running_camera("garden", host=FAR)
            address = camera.__enter__()
        try:
            device = add_camera(server, f"{address}/garden/main")
            yield DistantHouse(
                places, server, FarEdge(places, server, ""), device["id"], str(device["channels"][0]["id"])
            )
        finally:
            places.line.heal()
            camera.__exit__(None, None, None)
        assert '"level": "error"' not in server.log.read_text()


async def test_lost_packets_on_the_way_from_the_camera_cost_no_picture(house: DistantHouse) -> None:
    line, began = house.places.line, house.now_us()
    dropped = line.up.dropped

    line.suffer(loss=0.03, delay_s=0.01, disorder=0.05)
    await asyncio.sleep(6)
    line.heal()
    await asyncio.sleep(2)

    assert line.up.dropped > dropped, "the line was not bad at all"
    assert await house.whole_recording_since(began)


@whole_only
async def test_a_camera_that_vanished_is_told_and_comes_back_by_itself(house: DistantHouse) -> None:
    path = f"/api/v1/devices/{house.device_id}"

    house.places.line.fall_silent()
    shown = await house.until(path, lambda device: device["state"]["code"] != "online")
    house.places.line.heal()
    await house.until(path, lambda device: device["state"]["code"] == "online")
    began = house.now_us()
    await asyncio.sleep(4)

    assert shown["state"]["fault"] != "none"
    assert await house.whole_recording_since(began)
