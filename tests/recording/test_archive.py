import asyncio
import json
import shutil
import subprocess
from pathlib import Path

import pytest

from incamera.media.cmaf import Packager
from incamera.media.video.codecs import make_assembler
from incamera.protocol.frames import MediaFrame
from incamera.recording.archive import batches
from tests.support.clips import a_video
from tests.support.recordings import PICTURE_US, Span, Studio, a_studio, record_once


async def record_clip(studio: Studio, b_frames: int) -> tuple[Span, int]:
    """A real H.264 clip through packager and recorder."""
    assembler, packager = make_assembler("H264"), Packager(90_000)
    samples = [sample for unit in a_video(100, b_frames=b_frames) if (sample := assembler.push(unit)) is not None]
    assert assembler.config is not None
    channel = await studio.channel()
    span = Span(studio, channel, init_segment=assembler.config.init_segment)
    await span.open()
    for number, sample in enumerate(samples):
        chunk = packager.push(sample)
        wall_us = span.started_us + number * PICTURE_US
        span.writer.append(
            MediaFrame(
                0, chunk.is_sync, False, number, chunk.decode_time, chunk.composition_offset, wall_us, chunk.data
            )
        )
    await span.durable(len(samples) - 1)
    await span.close()
    return span, len(samples)


@pytest.mark.parametrize("b_frames", [0, 2])
async def test_ffprobe_accepts_init_segment_and_chunks_read_back(tmp_path: Path, b_frames: int) -> None:
    if shutil.which("ffprobe") is None:
        pytest.skip("ffprobe is not installed")
    async with a_studio(tmp_path) as studio:
        span, count = await record_clip(studio, b_frames)
        [segment] = await studio.stored(span.opened.channel_id)
        opened = await studio.recorder.archive.open(segment)
        assert opened is not None
        data = opened.opening.init_segment + b"".join(await studio.chunks(span.opened.channel_id))
    clip = tmp_path / "clip.mp4"
    clip.write_bytes(data)

    command = ["ffprobe", "-v", "error", "-count_frames", "-show_streams", "-of", "json", str(clip)]
    found = await asyncio.to_thread(subprocess.run, command, capture_output=True, check=True, text=True)

    assert found.stderr == ""
    [stream] = json.loads(found.stdout)["streams"]
    assert (stream["codec_name"], int(stream["nb_read_frames"])) == ("h264", count)


async def test_any_chunks_can_be_read_in_one_go(tmp_path: Path) -> None:
    async with a_studio(tmp_path) as studio:
        channel = await studio.channel()
        span = await record_once(studio, channel)
        [segment] = await studio.stored(channel)
        opened = await studio.recorder.archive.open(segment)
        assert opened is not None

        pictures = await studio.recorder.archive.read(opened, [3, 4, 5, 90, 7])

    assert [picture and picture.data for picture in pictures] == [span.sent[n].chunk for n in (3, 4, 5, 90, 7)]


async def test_one_read_takes_a_few_megabytes_at_most(tmp_path: Path) -> None:
    async with a_studio(tmp_path) as studio:
        channel = await studio.channel()
        await record_once(studio, channel, picture_bytes=100_000)
        [segment] = await studio.stored(channel)
        opened = await studio.recorder.archive.open(segment)
        assert opened is not None

    assert 40 < len(batches(opened, range(100), 100)) < 90
    assert list(batches(opened, range(0, 100, 25), 2)) == [0, 25]
