"""Cameras of every kind through a whole edge: recorded, lost and found again, tried before they are added."""

import argparse
import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from uuid import uuid4

import pytest

from incamera.edge.main import Edge, EdgeOptions, add_arguments
from incamera.edge.nursery import Nursery
from incamera.edge.sources.local import CaptureInput, LocalInputs
from incamera.edge.uplink import UplinkTiming
from incamera.kit.clock import SystemClock
from incamera.protocol.messages import (
    AnySource,
    CameraFault,
    CameraState,
    CameraStatus,
    Desired,
    DesiredChannel,
    DesiredStream,
    DeviceSource,
    FileSource,
    GapCause,
    HttpSource,
    Probe,
    ProbeResult,
    StreamKind,
    StreamMode,
)
from tests.support.camera import read_counters
from tests.support.cameras import make_clip
from tests.support.http_cameras import PASSWORD, USER, HttpCamera
from tests.support.uplink_server import CHANNEL, CODE, UplinkServer

WEBCAM = CaptureInput("lavfi", "testsrc=size=320x240:rate=20,realtime")


@pytest.fixture
async def edge(tmp_path: Path, server: UplinkServer) -> AsyncIterator[Edge]:
    """The sources are those of the product. libav's own input stands in for a webcam where there is none."""
    films = tmp_path / "films"
    films.mkdir()
    make_clip(films / "a.mp4", seconds=1, size=(320, 240))
    data = tmp_path / "edge"
    data.mkdir()
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    given = ["--server", server.url, "--data", str(data), "--unconfined", "--code", CODE, "--files", str(films)]
    options = EdgeOptions.parse(parser.parse_args(given))
    inputs = LocalInputs(options.inputs.files, {"video0": WEBCAM})
    nursery = Nursery.start(inputs.named_devices)
    inputs = replace(inputs, nursery=nursery)
    edge = Edge(replace(options, inputs=inputs), SystemClock(), timing=UplinkTiming(longest_delay_s=1.0))
    await edge.open()
    running = asyncio.create_task(edge.run())
    yield edge
    await edge.close()
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    nursery.close()


def want(server: UplinkServer, source: AnySource, *, audio: bool = False) -> None:
    kinds = [StreamKind.MAIN, *([StreamKind.AUDIO] if audio else [])]
    streams = tuple(DesiredStream(stream=kind, mode=StreamMode.RECORD, is_watched=True) for kind in kinds)
    channel = DesiredChannel(channel_id=CHANNEL, epoch=1, source=source, streams=streams)
    server.desired = Desired(version=server.desired.version + 1, channels=(channel,))
    server.say(server.desired)


async def test_a_film_is_recorded_in_one_run_over_its_seams(edge: Edge, server: UplinkServer) -> None:
    want(server, FileSource(name="a.mp4"), audio=True)
    await server.until(lambda: len(server.chunks()) >= 80 and len(server.chunks(StreamKind.AUDIO)) >= 30, 30)

    [span] = server.spans_of()
    media = span.opened.init_segment + b"".join(chunk.chunk for chunk in server.chunks())
    assert read_counters(media)[:75] == [*range(25)] * 3
    assert not server.missing_pictures(), "decode times go on where the film begins again"
    assert len(server.spans_of(StreamKind.AUDIO)) == 1


async def test_a_webcam_is_recorded(edge: Edge, server: UplinkServer) -> None:
    want(server, DeviceSource(device="video0"))
    await server.until(lambda: len(server.chunks()) >= 20, 30)

    times = [chunk.decode_time for chunk in server.chunks()]
    [status] = [status for status in server.said(CameraStatus) if status.state is CameraState.ONLINE]
    assert all(before < after for before, after in pairwise(times))
    assert (status.width, status.height) == (320, 240)
    assert status.video_codec.startswith("avc1.")


async def test_a_camera_over_http_is_lost_and_comes_back(edge: Edge, server: UplinkServer) -> None:
    camera = HttpCamera(challenge="digest")
    async with camera.running() as base:
        want(server, HttpSource(url=f"{base}/video.mjpg", username=USER, password=PASSWORD))
        await server.until(lambda: len(server.chunks()) >= 20, 30)
        camera.hang_up()
        await server.until(lambda: len(server.spans_of()) == 2 and len(server.spans_of()[1].frames) >= 10, 30)

    first, second = server.spans_of()
    assert first.closed is not None
    assert second.opened.gap_cause is GapCause.CAMERA_LOST
    assert second.frames[0].is_sync
    numbers = [
        read_counters(span.opened.init_segment + b"".join(span.frames[at].chunk for at in sorted(span.frames)))
        for span in (first, second)
    ]
    assert all(after - before == 1 for part in numbers for before, after in pairwise(part)), "no picture is missing"
    assert numbers[0][-1] < numbers[1][0]


@pytest.mark.parametrize(
    ("source", "fault", "size"),
    [
        (FileSource(name="a.mp4"), CameraFault.NONE, (320, 240)),
        (DeviceSource(device="video0"), CameraFault.NONE, (320, 240)),
        (FileSource(name="../edge/identity"), CameraFault.NOT_PERMITTED, (0, 0)),
        (DeviceSource(device="mem"), CameraFault.NOT_PERMITTED, (0, 0)),
    ],
)
async def test_each_kind_is_tried_before_it_is_added(
    edge: Edge, server: UplinkServer, source: AnySource, fault: CameraFault, size: tuple[int, int]
) -> None:
    await server.until(lambda: any(connection.is_welcome for connection in server.connections))
    server.say(Probe(request_id=uuid4(), source=source))
    await server.until(lambda: server.said(ProbeResult), 30)

    [result] = server.said(ProbeResult)
    assert (result.fault, (result.width, result.height)) == (fault, size)
    assert result.picture.startswith(b"\xff\xd8") is (fault is CameraFault.NONE)


async def test_a_fault_is_told_in_its_word(edge: Edge, server: UplinkServer) -> None:
    async with HttpCamera().running() as base:
        want(server, HttpSource(url=f"{base}/page.html"))
        await server.until(lambda: any(status.fault is CameraFault.NO_PICTURES for status in server.said(CameraStatus)))
