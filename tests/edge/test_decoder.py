"""libav in its children: pictures, sound, and hostile bytes that take down nothing but a child."""

import asyncio
import contextlib
import io
import itertools
import os
import signal
from pathlib import Path

import av
import pytest

from incamera.edge.decoder.processes import PictureDecoder, PictureUnreadable, SoundEncoders
from incamera.edge.decoder.sound_formats import SoundFormat
from incamera.kit.clock import SystemClock
from incamera.media.aac import SAMPLES_PER_FRAME
from incamera.media.cmaf import Packager
from incamera.media.sample import AccessUnit, Sample
from incamera.media.video.codecs import make_assembler
from tests.support.shared import shared_path
from tests.support.unit_source import encoded_pictures


def a_picture(width: int = 64) -> bytes:
    """Init segment and a chunk with one sync sample, as the edge has them."""
    assembler = make_assembler("H264")
    sample = assembler.push(AccessUnit(0, encoded_pictures(width=width)[0]))
    assert sample is not None
    assert assembler.config is not None
    return assembler.config.init_segment + Packager(90_000).push(sample).data


async def test_a_sync_sample_becomes_a_jpeg_scaled_down() -> None:
    pictures = PictureDecoder(SystemClock())

    whole = await pictures.jpeg(a_picture())
    small = await pictures.jpeg(a_picture(width=96), max_width=32)
    await pictures.close()

    sizes = [av.open(io.BytesIO(jpeg), format="mjpeg").streams.video[0] for jpeg in (whole, small)]
    assert [(stream.width, stream.height) for stream in sizes] == [(64, 48), (32, 16)]


async def test_hostile_files_harm_only_the_child() -> None:
    pictures = PictureDecoder(SystemClock())
    for path in sorted(shared_path("media/mp4").glob("broken*")):
        with contextlib.suppress(PictureUnreadable):
            assert (await pictures.jpeg(path.read_bytes())).startswith(b"\xff\xd8")

    assert (await pictures.jpeg(a_picture())).startswith(b"\xff\xd8")
    await pictures.close()


async def test_a_child_that_hangs_is_killed_and_replaced() -> None:
    pictures = PictureDecoder(SystemClock(), timeout_s=3.0)
    await pictures.jpeg(a_picture())
    child = pictures._child
    assert child is not None
    os.kill(child._process.pid, signal.SIGSTOP)

    with pytest.raises(PictureUnreadable):
        await pictures.jpeg(a_picture())

    assert child._process.returncode == -signal.SIGKILL
    assert await pictures.jpeg(a_picture())
    await pictures.close()


async def test_the_child_has_no_files_no_network_and_little_memory() -> None:
    pictures = PictureDecoder(SystemClock())
    await pictures.jpeg(a_picture())
    assert pictures._child is not None
    proc = Path(f"/proc/{pictures._child._process.pid}")

    status, environment = (proc / "status").read_text(), (proc / "environ").read_bytes()
    limits = (proc / "limits").read_text()
    await pictures.close()

    assert "NoNewPrivs:\t1" in status
    assert environment == b""
    assert "Max address space         805306368" in limits
    assert "Max file size             0" in limits


async def test_g711_becomes_aac_on_the_cameras_time_line() -> None:
    sounds = SoundEncoders(SystemClock())
    frames: list[tuple[int, bytes]] = []
    session = sounds.open(SoundFormat("PCMA", 8000), lambda time, data: frames.append((time, data)))
    async with asyncio.timeout(10):
        while not frames:
            session.push(80_000, b"\xd5" * 8000)  # the child needs a moment to be there
            await asyncio.sleep(0.05)
    session.close()
    await sounds.close()

    times = [time for time, _ in frames[:6]]
    assert times[0] == 160_000 - SAMPLES_PER_FRAME, "the first frame only primes the decoder"
    assert [later - earlier for earlier, later in itertools.pairwise(times)] == [SAMPLES_PER_FRAME] * 5
    config = SoundFormat("PCMA", 8000).encoded_config()
    samples = [Sample(time - times[0], 0, True, data) for time, data in frames[:6]]
    file = config.init_segment + Packager(config.timescale, sample_duration=SAMPLES_PER_FRAME).push_all(samples).data
    decoded = sum(frame.samples for frame in av.open(io.BytesIO(file)).decode(audio=0))
    assert decoded >= 5 * SAMPLES_PER_FRAME


async def test_a_dead_sound_child_is_started_again_with_its_sessions() -> None:
    sounds = SoundEncoders(SystemClock())
    frames: list[int] = []
    session = sounds.open(SoundFormat("PCMU", 8000), lambda time, data: frames.append(time))

    async def push_until_heard() -> None:
        heard = len(frames)
        async with asyncio.timeout(10):
            while len(frames) == heard:
                session.push(0, b"\xff" * 4000)
                await asyncio.sleep(0.05)

    await push_until_heard()
    assert sounds._child is not None
    sounds._child._process.kill()
    await asyncio.sleep(0.1)
    await push_until_heard()
    await sounds.close()
