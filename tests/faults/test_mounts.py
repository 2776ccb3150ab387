"""Volumes that really are read-only, or out of inodes: small file systems in memory, mounted for the test."""

import asyncio
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from incamera.recording import span
from incamera.recording.recovery import list_segments
from tests.support.recordings import HOUR_US, Span, a_studio, number_of, record_once

pytestmark = pytest.mark.slow
Mounted = Callable[[str], Path]


@pytest.fixture(autouse=True)
def quick_flushes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(span, "FLUSH_S", 0.02)
    monkeypatch.setattr(span, "RETRY_S", 0.05)


@contextmanager
def a_volume(folder: Path, options: str) -> Iterator[Path]:
    folder.mkdir()
    mount = shutil.which("mount")
    command = [mount or "mount", "-t", "tmpfs", "-o", f"mode=700,{options}", "tmpfs", str(folder)]
    if mount is None or os.geteuid() or subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("this needs the right to mount a small tmpfs (root)")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def remount(volume: Path, mode: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{mode}", str(volume)], check=True)


async def test_a_volume_remounted_read_only_holds_recording_up_until_it_is_writable(tmp_path: Path) -> None:
    with a_volume(tmp_path / "volume", "size=64m") as volume:
        async with a_studio(tmp_path, folder=volume / "media") as studio:
            channel = await studio.channel()
            await record_once(studio, channel, pictures=50)
            remount(volume, "ro")
            feed = Span(studio, channel, started_us=studio.clock.now_us() - 60_000_000)
            await feed.open()
            feed.send(*range(50))
            await asyncio.sleep(0.5)
            assert feed.acked == -1, "what is on no disk is not acknowledged"

            remount(volume, "rw")
            await feed.durable(49)
            await feed.close()

            assert len(await studio.chunks(channel)) == 100
            assert set(list_segments(studio.folder)) == {segment.id for segment in await studio.stored(channel)}


async def test_a_volume_without_inodes_gives_up_the_oldest_although_it_has_space(tmp_path: Path) -> None:
    with a_volume(tmp_path / "volume", "size=64m,nr_inodes=280") as volume:  # 256 of them are folders
        async with a_studio(tmp_path, folder=volume / "media") as studio:
            channel = await studio.channel()
            for minute in range(24):
                start_us = (studio.clock.now_us() // HOUR_US - 2) * HOUR_US + minute * 60_000_000
                await record_once(studio, channel, pictures=3, started_us=start_us)
            recent = Span(studio, channel, started_us=studio.clock.now_us() - 60_000_000)
            await recent.open()
            await recent.record(0, 50)
            await recent.close()

            newest = (await studio.stored(channel))[-1]
            opened = await studio.recorder.archive.open(newest)
            assert opened is not None
            pictures = await studio.recorder.archive.read(opened, range(len(opened.index)))
            assert [number_of(it.data) for it in pictures if it is not None] == list(range(50))
            assert studio.recorder.figures.evicted_segments > 0
