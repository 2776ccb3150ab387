"""From a viewer who has nothing to begin with to the camera's next sync sample: Hub, uplink, edge, ONVIF, all real.

The camera is a double in two halves: H.264 of libx264 with a GOP of ten seconds, and ONVIF services over HTTP.
"""

import argparse
import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from incamera.edge import feed
from incamera.edge.main import Edge as Program
from incamera.edge.main import EdgeOptions, add_arguments
from incamera.edge.sources.dialling import DialRanges
from incamera.edge.sync_points import SyncPoints
from incamera.kit.clock import SystemClock
from incamera.media.video.messages import is_gradual
from incamera.protocol.messages import StreamKind, StreamMode
from incamera.streams import StreamKey
from tests.streams import test_uplink
from tests.streams.test_hub import Listener
from tests.streams.test_uplink import CHANNEL, Uplink, uplink
from tests.support.onvif_camera import OnvifCamera
from tests.support.sockets import eventually
from tests.support.unit_source import Camera

__all__ = ["uplink"]

CODE = "01234-56789"
KEY = StreamKey(CHANNEL, StreamKind.MAIN)


@dataclass
class House:
    uplink: Uplink
    camera: Camera
    onvif: OnvifCamera


@pytest.fixture
async def house(uplink: Uplink, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[House]:
    monkeypatch.setattr(test_uplink, "CODE", CODE)
    camera = Camera(gop=250, pictures_per_s=100.0)  # ten seconds of pictures in two and a half
    onvif = OnvifCamera(profiles={"Profile_1": "/"}, wants="nothing", on_sync=lambda _token: camera.begin_gop())
    await onvif.start()
    uplink.registry.url, uplink.registry.mode = "rtsp://127.0.0.1/", StreamMode.LIVE
    clock = SystemClock()
    points = SyncPoints(clock, DialRanges.parse(), (onvif.port,), asks_this_machine=True)
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    given = [
        "--server",
        uplink.server.origin,
        "--data",
        str(tmp_path),
        "--unconfined",
        "--code",
        CODE,
    ]
    options = EdgeOptions.parse(parser.parse_args(given))
    program = Program(options, clock, camera.make_source, sync_points=points)
    await program.open()
    running = asyncio.create_task(program.run())
    yield House(uplink, camera, onvif)
    await program.close()
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    await onvif.stop()


async def test_a_viewer_of_a_long_gop_gets_a_sync_sample_at_once(house: House) -> None:
    first, second = Listener(), Listener()
    house.uplink.hub.subscribe(KEY, first)
    await eventually(lambda: len(first.chunks) > 130)  # five seconds of pictures since the first one
    assert [chunk.is_sync for chunk in first.chunks].count(True) == 1
    before = first.chunks[-1].decode_time

    house.uplink.hub.subscribe(KEY, second)
    await eventually(lambda: any(chunk.is_sync for chunk in second.chunks))

    waited_s = (next(chunk for chunk in second.chunks if chunk.is_sync).decode_time - before) / 90_000
    assert waited_s < 4, "not at the end of the ten seconds"
    assert house.onvif.sync_points == ["Profile_1"]


async def test_a_picture_that_only_refreshes_gradually_is_joined_at_a_sync_point(house: House) -> None:
    house.camera.gop, house.camera.refresh, house.camera.pictures_per_s = 2000, 50, 100.0
    watching = Listener()
    house.uplink.hub.subscribe(KEY, watching)

    await eventually(lambda: watching.chunks)

    assert house.onvif.sync_points, "the first sync sample of this camera is the one it was asked for"
    first = bytes(watching.chunks[0].data)
    assert watching.chunks[0].is_sync
    assert not is_gradual("avc1", first[first.index(b"mdat") + 4 :])


async def test_recording_begins_at_once_although_the_next_sync_sample_is_far(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feed, "LONG_GOP_S", 0.2)
    watching = Listener()
    house.uplink.hub.subscribe(KEY, watching)
    await eventually(lambda: len(watching.chunks) > 40)

    spans = house.uplink.recorder.writers
    before = len(spans)  # of the live picture, and of the sound that there is none of
    house.uplink.registry.mode = StreamMode.RECORD
    house.uplink.directory.refresh_desired(house.uplink.registry.edge_id)
    await eventually(lambda: len(spans) > before and spans[-1].frames)

    first = spans[-1].frames[0]
    assert first.is_sync
    assert first.decode_time < 10 * 90_000, "not where the camera would have begun a GOP by itself"
    assert house.onvif.sync_points == ["Profile_1"]
