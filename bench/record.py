"""What recording costs, without the uplink: chunks of a 4 Mbit/s camera sealed, written and synced, in real time.

`cpu_ms_per_camera_second`: CPU of this process beyond the feeding loop, per camera and second; the goal is 0.6 ms with
the uplink's receiving end. `ack_p50_ms`: from handing over a chunk to its acknowledgement as durable.
`segment_ms`: opening and closing one segment (key, row, file, footer, row), once a minute and stream. Peer in the same
run: the same bytes appended to plain files, one `writev` and `fdatasync` a second each.

    ./dev bench record [--cameras 20] [--seconds 8]
"""

import asyncio
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Coroutine, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import structlog

from bench.harness import Figure, Peer, Report, parse_options
from incamera.protocol.frames import MediaFrame
from tests.support.recordings import ShiftedClock, Span, a_studio

_FPS = 25
_PICTURE_BYTES = 20_000  # 4 Mbit/s
_WARM_UP = 2 * _FPS  # pictures: opening a segment costs once a minute, and is measured apart
Feed = Callable[[int, MediaFrame], None]


def run(options: Sequence[str]) -> Report:
    given = parse_options(options, cameras=20, seconds=8)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(40))
    report = Report("record", "cpu_ms_per_camera_second")
    cameras, seconds = given["cameras"], given["seconds"]
    idle_ms = asyncio.run(_measure(cameras, seconds / 2, _nothing))
    acks: list[float] = []
    ours_ms = asyncio.run(_measure(cameras, seconds, lambda play: _incamera(cameras, acks, play)))
    segment_ms = asyncio.run(_segments(40))
    plain_ms = asyncio.run(_measure(cameras, seconds, lambda play: _plain(cameras, play)))
    report.add("cpu_ms_per_camera_second", ours_ms - idle_ms, "ms")
    report.add("segment_ms", segment_ms, "ms")
    report.add("ack_p50_ms", statistics.median(acks), "ms")
    report.add("ack_max_ms", max(acks), "ms")
    peer = [Figure("cpu_ms_per_camera_second", round(plain_ms - idle_ms, 4), "ms")]
    report.peers.append(Peer("plain append", f"Python {sys.version_info[0]}.{sys.version_info[1]}", peer))
    report.notes.append(f"{cameras} cameras, {seconds} s; feeding alone cost {idle_ms:.3f} ms per camera and second")
    return report


async def _measure(
    cameras: int, seconds: float, record: Callable[[Callable[[Feed], Coroutine[Any, Any, float]]], Any]
) -> float:
    """CPU milliseconds per camera and second of what `record` does with the feed it is given."""

    async def play(feed: Feed) -> float:
        frames = [_frame(number) for number in range(round(seconds * _FPS))]
        started = warm = time.monotonic()
        cpu = time.process_time()
        for number, frame in enumerate(frames):
            if number == _WARM_UP:
                warm, cpu = time.monotonic(), time.process_time()
            for camera in range(cameras):
                feed(camera, frame)
            await asyncio.sleep(max(0, started + (number + 1) / _FPS - time.monotonic()))
        return (time.process_time() - cpu) * 1000 / (time.monotonic() - warm) / cameras

    return float(await record(play))


def _frame(number: int) -> MediaFrame:
    size = _PICTURE_BYTES * 6 if number % 50 == 0 else _PICTURE_BYTES * 9 // 10
    wall_us = time.time_ns() // 1000 + number * 40_000
    return MediaFrame(0, number % 50 == 0, False, number, number * 3600, 0, wall_us, os.urandom(size))


async def _nothing(play: Callable[[Feed], Coroutine[Any, Any, float]]) -> float:
    return await play(lambda _camera, _frame: None)


async def _incamera(cameras: int, acks: list[float], play: Callable[[Feed], Coroutine[Any, Any, float]]) -> float:
    with tempfile.TemporaryDirectory(prefix="incamera-bench-") as folder:
        async with a_studio(Path(folder), clock=ShiftedClock()) as studio:
            sent: dict[tuple[int, int], float] = {}
            spans = []
            for camera in range(cameras):
                span = Span(studio, await studio.channel(), started_us=studio.clock.now_us())
                await span.open()
                span.writer._on_durable = lambda sequence, camera=camera: acknowledge(camera, sequence)  # type: ignore[misc]
                spans.append(span)

            def acknowledge(camera: int, sequence: int) -> None:
                now = time.monotonic()
                for number in range(sequence, -1, -1):
                    if (at := sent.pop((camera, number), None)) is None:
                        break
                    acks.append((now - at) * 1000)

            def feed(camera: int, frame: MediaFrame) -> None:
                sent[camera, frame.sequence] = time.monotonic()
                spans[camera].writer.append(frame)

            return await play(feed)


async def _segments(count: int) -> float:
    """CPU milliseconds of a segment that holds one picture: its opening and closing."""
    with tempfile.TemporaryDirectory(prefix="incamera-bench-") as folder:
        async with a_studio(Path(folder), clock=ShiftedClock()) as studio:
            channel = await studio.channel()
            cpu = 0.0
            for number in range(count):
                span = Span(studio, channel)
                await span.open()
                span.send(0)
                await span.close()
                cpu = cpu or time.process_time() if number == count // 4 else cpu  # the first ones warm up
            return (time.process_time() - cpu) * 1000 / (count - count // 4 - 1)


async def _plain(cameras: int, play: Callable[[Feed], Coroutine[Any, Any, float]]) -> float:
    with tempfile.TemporaryDirectory(prefix="incamera-bench-") as folder, ThreadPoolExecutor(1) as thread:
        files = [os.open(Path(folder) / str(camera), os.O_WRONLY | os.O_CREAT) for camera in range(cameras)]
        waiting: list[list[bytes]] = [[] for _ in files]

        def write(descriptor: int, parts: list[bytes]) -> None:
            os.writev(descriptor, parts)
            os.fdatasync(descriptor)

        def feed(camera: int, frame: MediaFrame) -> None:
            waiting[camera].append(frame.chunk)
            if len(waiting[camera]) == _FPS:
                thread.submit(write, files[camera], waiting[camera])
                waiting[camera] = []

        cost = await play(feed)
        thread.shutdown()
        for descriptor in files:
            os.close(descriptor)
        return cost
