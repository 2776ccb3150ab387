"""What must not lose pictures, and what may lose only the oldest: bad lines, full spools, restarts, refusals."""

import asyncio
import itertools
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from incamera.edge.courier import SpoolLimits
from incamera.edge.uplink import UplinkTiming
from incamera.protocol.messages import Ack, GapCause, Resend, SpoolStatus, StreamMode, StreamOpen
from tests.edge.conftest import RunningEdge
from tests.support.bad_line import BadLine
from tests.support.unit_source import Camera
from tests.support.uplink_server import ReceivedSpan, UplinkServer

MIB = 1024 * 1024


async def record(edge: RunningEdge, server: UplinkServer, *, url: str = "") -> None:
    server.want(StreamMode.RECORD)
    await edge.start(url=url)
    await server.until(lambda: len(server.chunks()) >= 10)


async def test_a_silent_line_is_noticed_and_nothing_is_lost(edge: RunningEdge, server: UplinkServer) -> None:
    edge.timing = UplinkTiming(ping_every_s=0.2, no_sign_of_life_s=0.8, longest_delay_s=1.0)
    async with BadLine(server.port) as line:
        await record(edge, server, url=line.url)

        line.fall_silent()
        await asyncio.sleep(1.3)
        line.speak_again()
        await server.until(lambda: len([span for span in server.spans_of() if span.live]) >= 2)
        server.want(StreamMode.OFF)
        await server.until(lambda: all(span.closed for span in server.spans_of()))

        assert not server.missing_pictures()
        await edge.stop()


@pytest.mark.slow
async def test_on_a_slow_line_live_skips_to_sync_samples_and_the_rest_comes_later(
    edge: RunningEdge, server: UplinkServer, camera: Camera
) -> None:
    camera.padding_bytes = 8000  # 400 kB/s
    async with BadLine(server.port) as line:
        await record(edge, server, url=line.url)

        line.bytes_per_s = 150_000
        await server.until(lambda: len([span for span in server.spans_of() if span.live]) >= 2, timeout_s=20)
        line.bytes_per_s = None
        server.want(StreamMode.OFF)
        await server.until(lambda: all(span.closed for span in server.spans_of()) and not server.missing_pictures())

        later = [span for span in server.spans_of() if span.live][1:]
        assert all(span.frames[0].is_sync for span in later)
        assert {span.opened.gap_cause for span in later} == {GapCause.LINE_SLOW}
        await edge.stop()


@pytest.mark.slow
async def test_a_full_spool_drops_its_oldest_and_says_why(
    edge: RunningEdge, server: UplinkServer, camera: Camera
) -> None:
    edge.spool = SpoolLimits(memory_bytes=MIB // 8, disk_bytes=MIB)
    camera.padding_bytes = 8000  # 400 kB/s
    await record(edge, server)
    had = set(server.spans)
    newest = server.chunks()[-1].wall_us

    await server.stop()
    await asyncio.sleep(4.5)
    used = sum(path.stat().st_size for path in edge.spool_files())
    await server.start()
    await server.until(lambda: len([span for span in server.spans_of() if span.live]) >= 2)
    await server.until(lambda: edge.spool_files() == [])

    assert MIB // 2 < used <= MIB
    oldest_kept = min(
        (span for span in server.spans_of() if span.opened.span_id not in had and span.frames),
        key=lambda span: span.frames[min(span.frames)].wall_us,
    )
    first = oldest_kept.frames[min(oldest_kept.frames)]
    assert first.is_sync
    assert oldest_kept.opened.gap_cause is GapCause.SPOOL_FULL
    assert first.wall_us - newest > 500_000


@pytest.mark.slow
async def test_a_full_disk_drops_the_oldest_and_recording_goes_on(
    small_disk: Path, server: UplinkServer, camera: Camera
) -> None:
    edge = RunningEdge(small_disk, server, camera)
    edge.spool = SpoolLimits(memory_bytes=MIB // 8, disk_bytes=8 * MIB)
    camera.padding_bytes = 8000
    await record(edge, server)

    await server.stop()
    await asyncio.sleep(4.0)
    await server.start()
    await server.until(lambda: len([span for span in server.spans_of() if span.live]) >= 2)
    await server.until(lambda: edge.spool_files() == [])
    await edge.stop()

    assert GapCause.SPOOL_FULL in {span.opened.gap_cause for span in server.spans_of()}


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 768 KiB."""
    folder = tmp_path / "small"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=768k", "tmpfs", folder], check=False, capture_output=True
    )
    if mounted.returncode:
        pytest.skip("mounting a small file system needs rights that this machine does not give")
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)


async def test_chunks_the_recorder_dropped_are_sent_again_as_backlog(edge: RunningEdge, server: UplinkServer) -> None:
    server.acknowledges = False
    await record(edge, server)
    [span] = server.spans_of()
    server.say(Ack(span_id=span.opened.span_id, sequence=2))
    for sequence in range(3, 8):
        del span.frames[sequence]

    server.acknowledges = True
    server.say(Resend(span_id=span.opened.span_id, sequence=3))
    await server.until(lambda: {3, 4, 5, 6, 7} <= span.frames.keys())

    assert span.frames[5].is_backlog
    # Live goes on in a span of its own.
    await server.until(lambda: server.spans_of()[-1].live and len(server.spans_of()) == 2, timeout_s=5)


async def test_a_refused_span_is_dropped_and_tried_again_later(edge: RunningEdge, server: UplinkServer) -> None:
    asked: list[StreamOpen] = []

    def refuse(opened: object) -> str | None:
        assert isinstance(opened, StreamOpen)
        asked.append(opened)
        return "not_wanted"

    server.refuses = refuse
    server.want(StreamMode.RECORD)
    await edge.start()
    await server.until(lambda: asked)
    await asyncio.sleep(1.0)
    assert len(asked) == 1

    server.refuses = lambda opened: None
    server.want(StreamMode.RECORD)
    await server.until(server.chunks)


async def test_a_busy_recorder_is_asked_again(edge: RunningEdge, server: UplinkServer) -> None:
    answers = itertools.chain(["busy"], itertools.repeat(None))
    server.refuses = lambda opened: next(answers)
    server.want(StreamMode.RECORD)
    await edge.start()

    await server.until(lambda: len(server.spans_of()) >= 2, timeout_s=15)

    assert not server.missing_pictures()


async def test_the_server_hears_how_much_is_waiting(edge: RunningEdge, server: UplinkServer, camera: Camera) -> None:
    edge.spool = SpoolLimits(memory_bytes=4 * MIB, disk_bytes=MIB)
    camera.padding_bytes = 8000
    server.acknowledges = False
    await record(edge, server)

    await server.until(lambda: server.said(SpoolStatus) and server.said(SpoolStatus)[-1].waiting_bytes > MIB // 8)

    assert server.said(SpoolStatus)[-1].limit_bytes == MIB


@pytest.mark.slow
async def test_the_server_hears_when_all_has_come_in(edge: RunningEdge, server: UplinkServer, camera: Camera) -> None:
    """Also when it was little beside the size of the spool."""
    camera.padding_bytes = 30_000  # 1.5 MB/s
    await record(edge, server)
    await server.stop()
    await asyncio.sleep(2)
    server.acknowledges = False
    await server.start()
    await server.until(lambda: server.said(SpoolStatus) and server.said(SpoolStatus)[-1].waiting_bytes > MIB)

    server.acknowledges = True
    for span in server.spans_of():
        server.say(Ack(span_id=span.opened.span_id, sequence=span.next_sequence - 1))
    await server.until(lambda: server.said(SpoolStatus)[-1].waiting_bytes < MIB, timeout_s=15)


async def test_a_torn_record_at_the_end_of_a_spool_file_is_left_out(edge: RunningEdge, server: UplinkServer) -> None:
    await record(edge, server)
    await server.stop()
    await asyncio.sleep(0.5)
    await edge.stop()
    newest = edge.spool_files()[-1]
    newest.write_bytes(newest.read_bytes()[:-7])  # what a kill in the middle of a write leaves
    (edge.data / "spool" / "0.spool").write_bytes(b"INCSPO")
    before = len(server.chunks())

    await server.start()
    server.want(StreamMode.OFF)
    await edge.start(code=None)
    await server.until(lambda: edge.spool_files() == [])

    assert len(server.chunks()) > before
    assert not server.missing_pictures()
    assert _torn(server).closed is None, "its close record was the torn one"


def _torn(server: UplinkServer) -> ReceivedSpan:
    sealed = [file.span for file in server.sealed.values() if file.span is not None]
    return max(sealed, key=lambda span: span.opened.span_id)


@pytest.mark.slow
async def test_backlog_waits_for_acknowledgements_and_never_for_live(
    edge: RunningEdge, server: UplinkServer, camera: Camera
) -> None:
    camera.padding_bytes = 60_000  # 3 MB/s
    await record(edge, server)
    await server.stop()
    await asyncio.sleep(4)
    server.acknowledges = False
    await server.start()
    await server.until(lambda: len([span for span in server.spans_of() if span.live]) >= 2, timeout_s=15)
    await asyncio.sleep(1)

    assert 6 * MIB < sum(_backlog_bytes(span) for span in server.spans_of()) <= 8 * MIB + MIB // 4

    server.acknowledges = True
    for span in server.spans_of():
        server.say(Ack(span_id=span.opened.span_id, sequence=span.next_sequence - 1))
    server.want(StreamMode.OFF)
    await server.until(lambda: all(span.closed for span in server.spans_of()) and not server.missing_pictures())


def _backlog_bytes(span: ReceivedSpan) -> int:
    return sum(len(frame.chunk) for frame in span.frames.values() if frame.is_backlog)
