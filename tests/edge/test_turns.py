"""Many streams of one recorder, and how they come to it."""

import asyncio
import gc

import pytest

from incamera.edge.turns import AT_ONCE, OpeningTurns
from incamera.protocol.messages import AnySource, CameraState, CameraStatus, FileSource, RtspSource, StreamMode
from tests.edge.conftest import RunningEdge
from tests.support.unit_source import Camera
from tests.support.uplink_server import UplinkServer


async def test_64_inputs_of_a_recorder_come_four_at_a_time_and_all_play(
    edge: RunningEdge, server: UplinkServer, camera: Camera
) -> None:
    camera.pictures_per_s, camera.opening_takes_s = 2.0, 0.01
    server.want(StreamMode.RECORD, channels=64, url="rtsp://192.168.1.30/Streaming/Channels/101")

    await edge.start()
    await server.until(lambda: len({span.opened.channel_id for span in server.spans.values() if span.frames}) == 64)

    assert camera.most_opening == AT_ONCE
    assert {status.state for status in server.said(CameraStatus)} <= {CameraState.CONNECTING, CameraState.ONLINE}


async def test_who_is_cancelled_while_waiting_leaves_the_turn_to_others() -> None:
    turns, source = OpeningTurns(at_once=1), RtspSource(url="rtsp://192.168.1.30/1")

    async def one() -> None:
        async with turns.at(source):
            await asyncio.sleep(0)

    async with turns.at(source):
        waiting = [asyncio.create_task(one()) for _ in range(3)]
        await asyncio.sleep(0)
        waiting[0].cancel()
        await asyncio.sleep(0)
        assert not waiting[1].done()
    await asyncio.gather(*waiting[1:])

    assert waiting[0].cancelled()
    waiting.clear()
    gc.collect()
    assert not turns._hosts, "nothing is remembered of who is not there"


@pytest.mark.parametrize(
    "other",
    [
        RtspSource(url="rtsp://192.168.1.31/1"),
        FileSource(name="a.mp4"),
        RtspSource(url="rtsp://[bad/"),
        RtspSource(url=""),
    ],
    ids=str,
)
async def test_other_hosts_and_this_machine_do_not_wait(other: AnySource) -> None:
    turns = OpeningTurns(at_once=1)

    async with turns.at(RtspSource(url="rtsp://192.168.1.30/1")), asyncio.timeout(1), turns.at(other):
        pass
