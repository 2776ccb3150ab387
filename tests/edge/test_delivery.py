"""From desired state to chunks at the server: live, record, off; lost, slow and half-open lines; restarts."""

import asyncio
import time
from typing import Final

from incamera.protocol.messages import CameraState, CameraStatus, GapCause, StreamKind, StreamMode
from tests.edge.conftest import RunningEdge
from tests.support.unit_source import Camera
from tests.support.uplink_server import UplinkServer

CLOCK_TOLERANCE_US: Final = 50_000  # between this process and what the edge makes of the pings


async def test_recording_starts_at_once_and_sends_live(edge: RunningEdge, server: UplinkServer) -> None:
    server.want(StreamMode.RECORD)
    await edge.start()

    await server.until(lambda: len(server.chunks()) >= 30)

    [span] = server.spans_of()
    assert span.opened.codec.startswith("avc1.")
    assert span.opened.gap_cause is GapCause.STARTED
    assert span.frames[0].is_sync
    assert span.live == list(range(len(span.frames)))
    assert not server.missing_pictures()
    assert server.said(CameraStatus)[-1].state is CameraState.ONLINE


async def test_live_sends_nothing_until_somebody_watches(edge: RunningEdge, server: UplinkServer) -> None:
    server.want(StreamMode.LIVE)
    await edge.start()
    await server.until(lambda: any(status.state is CameraState.ONLINE for status in server.said(CameraStatus)))
    await asyncio.sleep(0.3)
    assert not server.spans

    server.want(StreamMode.LIVE, is_watched=True)
    await server.until(lambda: len(server.chunks()) >= 15)
    server.want(StreamMode.LIVE, is_watched=False)
    await server.until(lambda: server.spans_of()[0].closed is not None)

    [span] = server.spans_of()
    assert span.frames[0].is_sync, "the current GOP comes first, so that the first picture is there at once"
    assert not server.missing_pictures()


async def test_recording_keeps_nothing_from_before_it_was_chosen(edge: RunningEdge, server: UplinkServer) -> None:
    server.want(StreamMode.LIVE)
    await edge.start()
    await server.until(lambda: any(status.state is CameraState.ONLINE for status in server.said(CameraStatus)))
    await asyncio.sleep(0.3)  # a GOP lies in memory now
    chosen_us = time.time_ns() // 1000

    server.want(StreamMode.RECORD)
    await server.until(lambda: len(server.chunks()) >= 10)

    [span] = server.spans_of()
    assert span.frames[0].is_sync
    assert span.frames[0].wall_us >= chosen_us - CLOCK_TOLERANCE_US


async def test_who_watches_sees_on_when_recording_begins(edge: RunningEdge, server: UplinkServer) -> None:
    server.want(StreamMode.LIVE, is_watched=True)
    await edge.start()
    await server.until(lambda: len(server.chunks()) >= 15)
    chosen_us = time.time_ns() // 1000

    server.want(StreamMode.RECORD, is_watched=True)
    await server.until(lambda: len(server.spans_of()) == 2 and len(server.spans_of()[1].frames) >= 10)

    watched, recorded = server.spans_of()
    assert watched.closed is not None
    assert recorded.frames[0].is_sync
    assert recorded.frames[0].wall_us >= chosen_us - CLOCK_TOLERANCE_US
    assert recorded.opened.gap_cause is GapCause.STARTED
    assert not server.missing_pictures(), "no picture is lost between the two"


async def test_off_lets_the_camera_go(edge: RunningEdge, server: UplinkServer, camera: Camera) -> None:
    server.want(StreamMode.RECORD)
    await edge.start()
    await server.until(server.chunks)

    server.want(StreamMode.OFF)
    await server.until(lambda: server.said(CameraStatus)[-1].state is CameraState.OFF)

    assert server.spans_of()[0].closed is not None
    assert server.spans_of()[0].closed.cause is GapCause.TURNED_OFF
    await asyncio.sleep(0.05)
    assert not camera._sources


async def test_what_was_recorded_while_the_server_was_away_comes_later(edge: RunningEdge, server: UplinkServer) -> None:
    server.want(StreamMode.RECORD)
    await edge.start()
    await server.until(lambda: len(server.chunks()) >= 10)

    await server.stop()
    await asyncio.sleep(1.0)
    await server.start()
    await server.until(lambda: len([span for span in server.spans_of() if span.live]) >= 2)
    count = len(server.chunks())
    await server.until(lambda: len(server.chunks()) >= count + 20)
    server.want(StreamMode.OFF)
    await server.until(lambda: all(span.closed for span in server.spans_of()))

    assert not server.missing_pictures(), "no picture is missing"
    live_again = [span for span in server.spans_of() if span.live][-1]
    assert live_again.frames[0].is_sync
    assert live_again.opened.gap_cause is GapCause.LINE_LOST
    assert edge.spool_files() == []


async def test_a_stop_puts_the_rest_on_disk_and_the_next_life_forwards_it_sealed(
    edge: RunningEdge, server: UplinkServer
) -> None:
    server.want(StreamMode.RECORD)
    await edge.start()
    await server.until(lambda: len(server.chunks()) >= 10)
    await server.stop()
    await asyncio.sleep(0.6)
    await edge.stop()
    files = edge.spool_files()
    assert files
    assert not any(b"moof" in path.read_bytes() or b"avc1" in path.read_bytes() for path in files)
    before = len(server.chunks())

    await server.start()
    server.want(StreamMode.OFF)
    await edge.start(code=None)
    await server.until(lambda: edge.spool_files() == [])

    assert len(server.chunks()) > before + 20
    assert not server.missing_pictures()
    sealed = [file.span for file in server.sealed.values()]
    assert sealed[-1] is not None
    assert sealed[-1].closed is not None
    assert sealed[-1].closed.cause is GapCause.EDGE_STOPPED


async def test_a_camera_that_hung_up_begins_a_new_run(edge: RunningEdge, server: UplinkServer, camera: Camera) -> None:
    server.want(StreamMode.RECORD)
    await edge.start()
    await server.until(lambda: len(server.chunks()) >= 10)

    camera.hang_up()
    await server.until(lambda: len(server.spans_of()) == 2 and server.spans_of()[1].frames)

    first, second = server.spans_of()
    assert first.opened.run_id != second.opened.run_id
    assert second.opened.gap_cause is GapCause.CAMERA_LOST
    assert second.frames[0].decode_time == 0


async def test_new_parameter_sets_begin_a_new_run(edge: RunningEdge, server: UplinkServer, camera: Camera) -> None:
    server.want(StreamMode.RECORD)
    await edge.start()
    await server.until(lambda: len(server.chunks()) >= 10)

    camera.width = 96
    await server.until(lambda: len(server.spans_of()) == 2 and server.spans_of()[1].frames)

    assert [span.opened.width for span in server.spans_of()] == [64, 96]
    assert server.spans_of()[1].opened.gap_cause is GapCause.CAMERA_CHANGED
    assert camera.connections == 1


async def test_after_a_power_cut_recording_goes_on_before_the_line_is_back(
    edge: RunningEdge, server: UplinkServer
) -> None:
    server.want(StreamMode.RECORD)
    await edge.start()
    await server.until(lambda: len(server.chunks()) >= 10)
    await server.stop()
    await edge.kill()
    assert b"rtsp" not in (edge.data / "desired.sealed").read_bytes()

    await edge.start(code=None)
    await asyncio.sleep(0.6)
    await server.start()
    await server.until(lambda: len(server.spans_of()) >= 3 and server.spans_of()[-1].live)

    without_line = next(span for span in server.spans_of() if span.frames and not span.live)
    assert without_line.opened.gap_cause is GapCause.EDGE_RESTARTED
    assert len(without_line.frames) > 10


async def test_sound_is_not_taken_before_it_is_wanted(edge: RunningEdge, server: UplinkServer, camera: Camera) -> None:
    camera.sound = "PCMA"
    server.want(StreamMode.RECORD)
    await edge.start()
    await server.until(server.chunks)
    assert camera.wanted_audio == [False]

    server.want(StreamMode.RECORD, audio=StreamMode.RECORD)
    await server.until(lambda: server.chunks(StreamKind.AUDIO))

    assert camera.wanted_audio == [False, True]
    picture, sound = server.spans_of()[-1], server.spans_of(StreamKind.AUDIO)[0]
    assert sound.opened.codec == "mp4a.40.2"
    assert sound.opened.run_started_us == picture.opened.run_started_us


async def test_recording_that_was_off_for_a_while_goes_on_in_a_run_of_its_own(
    edge: RunningEdge, server: UplinkServer
) -> None:
    server.want(StreamMode.RECORD)
    await edge.start()
    await server.until(server.chunks)
    server.want(StreamMode.LIVE)
    await server.until(lambda: server.spans_of()[0].closed)
    await asyncio.sleep(0.3)
    server.want(StreamMode.RECORD)
    await server.until(lambda: len(server.spans_of()) == 2 and server.spans_of()[1].frames)

    first, second = server.spans_of()
    assert first.opened.run_id != second.opened.run_id
    assert second.opened.gap_cause is GapCause.STARTED
    ticks = second.opened.run_decode_time - first.opened.run_decode_time
    assert ticks == second.frames[0].decode_time > 0
    assert second.opened.run_started_us - first.opened.run_started_us == ticks * 1_000_000 // 90_000, "one time line"


async def test_a_camera_may_send_several_pictures_at_a_time_only_while_recorded_and_not_watched(
    edge: RunningEdge, server: UplinkServer, camera: Camera
) -> None:
    server.want(StreamMode.LIVE)
    await edge.start()
    await server.until(lambda: camera.patience == [False])

    server.want(StreamMode.RECORD)
    await server.until(lambda: camera.patience == [False, True])
    server.want(StreamMode.RECORD, is_watched=True)
    await server.until(lambda: camera.patience == [False, True, False])
    server.want(StreamMode.RECORD)
    await server.until(lambda: camera.patience == [False, True, False, True])
    camera.hang_up()

    await server.until(lambda: camera.connections == 2 and camera.patience[4:] == [True])


async def test_nothing_that_was_sent_under_another_owner_reaches_the_new_one(
    edge: RunningEdge, server: UplinkServer, camera: Camera
) -> None:
    server.want(StreamMode.RECORD)
    await edge.start()
    await server.until(lambda: len(server.chunks()) >= 5)

    server.want(StreamMode.RECORD, epoch=2)
    await server.until(lambda: any(span.opened.epoch == 2 and span.frames for span in server.spans_of()))

    assert camera.connections == 2, "what lay in the old connection went with it"
    assert len({span.opened.run_id for span in server.spans_of()}) == 2
