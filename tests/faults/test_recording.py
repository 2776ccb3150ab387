"""What must survive: a killed server, a power cut, a full disk."""

import asyncio
import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import pytest
import structlog

from incamera.devices.model import RecordingPlan
from incamera.kit.ids import new_id
from incamera.privacy import open_session
from incamera.recording import RecorderLimits, repository, span
from incamera.recording.recovery import list_segments
from tests.faults.recording_process import SPAN_ID
from tests.support.recordings import HOUR_US, Span, Studio, a_studio, number_of

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def quick_flushes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(span, "FLUSH_S", 0.02)


@dataclass
class Killed:
    """A recording process that was killed, and what it had promised by then."""

    home: Path
    channel: UUID
    device: UUID
    acked: int = -1
    synced: dict[str, int] = field(default_factory=dict)

    def plan(self, studio: Studio) -> None:
        studio.channels.rules[self.channel] = RecordingPlan(self.device, 1, True, False, timedelta(days=7))


def record_and_kill(home: Path, run_s: float) -> Killed:
    killed = Killed(home, new_id(), new_id())
    home.mkdir()
    command = [
        sys.executable,
        "-m",
        "tests.faults.recording_process",
        str(home),
        str(killed.channel),
        str(killed.device),
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2]) as process:
        assert process.stdout is not None
        deadline = None
        for line in process.stdout:
            match line.split():
                case ["acked", sequence]:
                    killed.acked = int(sequence)
                    deadline = deadline or time.monotonic() + run_s
                case ["synced", name, size]:
                    killed.synced[name] = int(size)
            if deadline is not None and time.monotonic() > deadline and process.poll() is None:
                process.send_signal(signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL
    assert killed.acked > 100
    return killed


async def read_back(killed: Killed) -> tuple[list[int], int]:
    """Counters in the recovered recording, and where the edge shall go on."""
    async with a_studio(killed.home) as studio:
        killed.plan(studio)
        numbers = [number_of(chunk) for chunk in await studio.chunks(killed.channel)]
        again = Span(studio, killed.channel)
        again.opened = type(again.opened)(
            **{name: getattr(again.opened, name) for name in again.opened.__struct_fields__} | {"span_id": SPAN_ID}
        )
        next_sequence = await again.open()
        assert len(studio.files()) == len(await studio.stored(killed.channel))
    return numbers, next_sequence


async def test_killed_server_loses_nothing_it_acknowledged(tmp_path: Path) -> None:
    killed = await asyncio.to_thread(record_and_kill, tmp_path / "home", 0.9)

    numbers, next_sequence = await read_back(killed)

    assert numbers == list(range(len(numbers))), "no chunk is missing, none is there twice"
    assert len(numbers) > killed.acked
    assert next_sequence == len(numbers), "the edge sends on exactly behind what was recovered"


async def test_power_cut_loses_nothing_it_acknowledged(tmp_path: Path) -> None:
    """Every byte that was not synced is gone, and so is the last commit of the index."""
    killed = await asyncio.to_thread(record_and_kill, tmp_path / "home", 1.2)
    media = killed.home / "media"
    for path in [path for path in media.rglob("*") if path.is_file()]:
        if path.name in killed.synced:
            os.truncate(path, killed.synced[path.name])
        else:
            path.unlink()
    async with a_studio(killed.home, starts=False) as studio:
        rows = await studio.stored(killed.channel)
        async with open_session(studio.database, "B5.record") as db:
            await repository.remove(db, [rows[-1].id])

    numbers, next_sequence = await read_back(killed)

    assert numbers == list(range(len(numbers)))
    assert len(numbers) > killed.acked
    assert next_sequence == len(numbers)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A volume of 24 MiB."""
    folder = tmp_path / "small"
    folder.mkdir()
    mount = shutil.which("mount")
    command = [mount or "mount", "-t", "tmpfs", "-o", "size=24m,mode=700", "tmpfs", str(folder)]
    if mount is None or os.geteuid() or subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("a full disk needs the right to mount a small tmpfs (root)")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


async def rows_match_files(studio: Studio, channel: UUID) -> None:
    stored = await studio.stored(channel)
    on_disk = set(list_segments(studio.folder))
    assert {segment.id for segment in stored} == on_disk
    assert all(path.stat().st_size > 1000 for path in studio.files())


async def test_full_disk_gives_up_the_oldest_and_goes_on(tmp_path: Path, small_disk: Path) -> None:
    async with a_studio(tmp_path, folder=small_disk / "media") as studio:
        channel = await studio.channel()
        hour_start = studio.clock.now_us() // HOUR_US * HOUR_US
        feed = Span(studio, channel, started_us=hour_start - 3 * HOUR_US, picture_bytes=10_000)
        with structlog.testing.capture_logs() as logs:
            await feed.open()
            for first in range(0, 8000, 200):  # 96 MB, over five minutes of one past hour
                feed.send(*range(first, first + 200))
                await feed.durable(first + 199)
            await feed.close()

        told = [line for line in logs if line["event"] == "recording.disk_full"]
        assert len(told) == 1, "one line a minute"
        numbers = [number_of(chunk) for chunk in await studio.chunks(channel)]
        assert numbers == list(range(numbers[0], 8000)), "what is left is the newest, without a hole"
        assert len(numbers) > 500
        await rows_match_files(studio, channel)


async def test_full_disk_destroys_the_key_of_a_past_hour_first(tmp_path: Path, small_disk: Path) -> None:
    async with a_studio(tmp_path, folder=small_disk / "media") as studio:
        channel, other = await studio.channel(), await studio.channel()
        hour_start = studio.clock.now_us() // HOUR_US * HOUR_US
        old = Span(studio, other, started_us=hour_start - 5 * HOUR_US, picture_bytes=10_000)
        await old.open()
        await old.record(0, 500)
        await old.close()
        [first] = await studio.stored(other)
        feed = Span(studio, channel, started_us=hour_start, picture_bytes=10_000)
        await feed.open()
        for start in range(0, 3000, 200):
            feed.send(*range(start, start + 200))
            await feed.durable(start + 199)
        await feed.close()

        assert await studio.stored(other) == []
        assert await studio.vault.find_hour_key(first.hour) is None
        assert await studio.stored(channel)
        await rows_match_files(studio, channel)


async def test_protected_recordings_are_spared(tmp_path: Path, small_disk: Path) -> None:
    async with a_studio(tmp_path, folder=small_disk / "media") as studio:
        channel, kept = await studio.channel(), await studio.channel()
        start = studio.clock.now_us() // HOUR_US * HOUR_US - 3 * HOUR_US
        for one in (kept, channel):
            feed = Span(studio, one, started_us=start, picture_bytes=8000)
            await feed.open()
            await feed.record(0, 300)
            await feed.close()
        assert await studio.recorder.protect(kept, start, start + 1_000_000) == 1
        feed = Span(studio, channel, started_us=start + 60_000_000, picture_bytes=10_000)
        await feed.open()
        for first in range(0, 3000, 200):
            feed.send(*range(first, first + 200))
            await feed.durable(first + 199)
        await feed.close()

        assert len(await studio.chunks(kept)) == 300


async def test_disk_filled_by_others_stops_nothing_else_and_recovers(tmp_path: Path, small_disk: Path) -> None:
    async with a_studio(tmp_path, folder=small_disk / "media") as studio:
        await studio.recorder.stop()
        studio.limits = RecorderLimits(total_bytes=4_000_000, span_bytes=2_000_000)
        await studio.start_recorder()
        channel = await studio.channel()
        feed = Span(studio, channel, picture_bytes=4000)
        await feed.open()
        await feed.record(0, 50)
        filler = small_disk / "filler"
        with contextlib.suppress(OSError):
            filler.write_bytes(bytes(24 * 1024 * 1024))

        feed.send(*range(50, 1000))
        await asyncio.sleep(1)
        assert feed.writer.held_bytes <= 2_000_000
        acked = feed.acked
        filler.unlink()
        async with asyncio.timeout(15):
            while feed.acked < 999:
                await asyncio.sleep(0.05)
                if feed.resends:
                    feed.send(*range(feed.resends.pop(), 1000))
        await feed.close()

        assert acked < 999
        numbers = [number_of(chunk) for chunk in await studio.chunks(channel)]
        assert numbers == list(range(numbers[0], 1000))
        await rows_match_files(studio, channel)
