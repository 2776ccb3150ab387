"""Simulated cameras as real programs see them."""

import asyncio
import json
import shutil
import subprocess
from datetime import UTC, datetime
from itertools import pairwise

import pytest

from incamera.edge.simulated.__main__ import main
from incamera.edge.simulated.cameras import SimulatedCamera, UnknownCamera
from incamera.edge.simulated.profiles import Profile, UnknownProfile
from incamera.edge.simulated.server import PortTaken, SimulatedCameras
from incamera.edge.sources.base import SourceFault
from incamera.media.h264 import parse_sps
from incamera.media.rtsp.authentication import Credentials
from incamera.protocol.messages import CameraFault
from tests.support.cameras import (
    StartSimulated,
    a_source,
    has_units,
    play_until,
    simulated_camera,
    simulated_camera_command,
)

__all__ = ["simulated_camera"]


@pytest.mark.parametrize("camera", ["garden:steady", "porch:bframes", "yard:variable", "garage:long-gop"])
async def test_pictures_have_no_holes_and_sound_comes_along(simulated_camera: StartSimulated, camera: str) -> None:
    cameras = await simulated_camera(camera)
    name = camera.partition(":")[0]
    source = a_source(cameras.url(name, "sub"))
    tracks = await source.open()
    recording = await play_until(source, has_units(12, 12))
    await source.close()

    assert [track.is_received for track in tracks] == [True, True]
    numbers = recording.counters()[:-3]  # where pictures are reordered, the last ones wait for their neighbours
    assert [b - a for a, b in pairwise(n for n in numbers if n is not None)] == [1] * (len(numbers) - 1)
    assert not any(unit.is_damaged for _, unit, _ in recording.units)
    kinds = [nal_unit[0] & 0x1F for nal_unit in recording.of(0)[0].nal_units]
    assert {7, 8, 5} <= set(kinds), "the first picture decodes alone and brings its parameter sets"
    if camera.endswith("bframes"):
        times = [unit.presentation_time for unit in recording.of(0)]
        assert times != sorted(times)


async def test_parameter_sets_only_in_band_that_change_in_mid_stream() -> None:
    profile = Profile("resizing", describes_sets=False, resizes_every_s=1.5)
    async with SimulatedCameras(0, [SimulatedCamera("garage", profile)]) as cameras:
        source = a_source(cameras.url("garage", "sub"), want_audio=False)
        [track, _] = await source.open()
        recording = await play_until(source, has_units(40))
        await source.close()

    sets = [nal_unit for unit in recording.of(0) for nal_unit in unit.nal_units if nal_unit[0] & 0x1F == 7]
    assert track.parameter_sets == ()
    assert {(parse_sps(sps).width, parse_sps(sps).height) for sps in sets} == {(640, 360), (480, 270)}
    assert None not in recording.counters()


async def test_a_main_stream_with_intra_refresh_has_no_picture_that_decodes_alone() -> None:
    async with SimulatedCameras(0, [SimulatedCamera.parse("garden:refresh")]) as cameras:
        kinds: dict[str, set[int]] = {}
        for stream in ("main", "sub"):
            source = a_source(cameras.url("garden", stream), want_audio=False)
            await source.open()
            recording = await play_until(source, has_units(60 if stream == "main" else 12))
            await source.close()
            kinds[stream] = {nal_unit[0] & 0x1F for unit in recording.of(0) for nal_unit in unit.nal_units}

    assert 5 not in kinds["main"]
    assert {1, 6} <= kinds["main"], "recovery point messages"
    assert 5 in kinds["sub"]


async def test_the_counter_follows_wall_time(simulated_camera: StartSimulated) -> None:
    cameras = await simulated_camera("garage")
    source = a_source(cameras.url("garage", "sub"))
    await source.open()
    recording = await play_until(source, has_units(6))
    await source.close()

    expected = int(datetime.now(UTC).timestamp() * 10) & 0xFFFFFF
    last = recording.counters()[-1]
    assert last is not None
    assert abs(expected - last) < 20


async def test_sound_and_picture_share_the_cameras_clock(simulated_camera: StartSimulated) -> None:
    cameras = await simulated_camera("garden")
    source = a_source(cameras.url("garden", "sub"))
    tracks = await source.open()
    recording = await play_until(source, has_units(12, 12))
    points = [source.clock_point(number) for number in (0, 1)]
    await source.close()

    camera_s = []
    for number, (track, point) in enumerate(zip(tracks, points, strict=True)):
        assert point is not None
        last = recording.of(number)[-1].presentation_time
        camera_s.append(point.camera_s + (last - point.presentation_time) / track.clock_rate)
    assert abs(camera_s[0] - camera_s[1]) < 0.3, "the last picture and the last sound belong to one moment"


async def test_several_clients_and_a_late_one_see_whole_pictures(simulated_camera: StartSimulated) -> None:
    cameras = await simulated_camera("garage")
    sources = [a_source(cameras.url("garage", "sub"), want_audio=False) for _ in range(3)]

    async def watch(number: int) -> list[int | None]:
        await asyncio.sleep(0.25 * number)
        await sources[number].open()
        recording = await play_until(sources[number], has_units(8))
        await sources[number].close()
        return recording.counters()

    for numbers in await asyncio.gather(*map(watch, range(3))):
        assert None not in numbers
        assert len(numbers) >= 7


async def test_a_camera_that_drops_out_hangs_up_and_comes_back(simulated_camera: StartSimulated) -> None:
    profile = Profile("dropouts", away_every_s=4.0, away_for_s=1.0)
    async with SimulatedCameras(0, [SimulatedCamera("garage", profile)]) as cameras:
        source = a_source(cameras.url("garage", "sub"), want_audio=False)
        await source.open()
        with pytest.raises(SourceFault) as caught:
            await play_until(source, has_units(10_000))
        await source.close()
        assert caught.value.fault is CameraFault.CLOSED

        await asyncio.sleep(1.3)
        again = a_source(cameras.url("garage", "sub"), want_audio=False)
        await again.open()
        assert await play_until(again, has_units(2))
        await again.close()


async def test_ffprobe_reads_a_stream_with_a_password(simulated_camera: StartSimulated) -> None:
    if shutil.which("ffprobe") is None:
        pytest.skip("ffprobe is not installed")
    cameras = await simulated_camera("porch", credentials=Credentials("me", "s3cret"))
    source = a_source(cameras.url("porch", "sub"), username="me", password="s3cret")
    await source.open()
    await play_until(source, has_units(2))
    url = cameras.url("porch", "sub").replace("rtsp://", "rtsp://me:s3cret@")
    command = [
        "ffprobe",
        "-v",
        "error",
        "-rtsp_transport",
        "tcp",
        "-analyzeduration",
        "3M",
        "-show_streams",
        "-of",
        "json",
        url,
    ]
    probe = await asyncio.to_thread(subprocess.run, command, capture_output=True, check=True, timeout=30)
    await source.close()

    video, audio = json.loads(probe.stdout)["streams"]
    assert (video["codec_name"], video["width"], video["height"]) == ("h264", 640, 360)
    assert (audio["codec_name"], audio["sample_rate"]) == ("pcm_alaw", "8000")


async def test_the_command_says_when_it_is_ready_and_stops_when_told() -> None:
    process = await asyncio.create_subprocess_exec(
        *simulated_camera_command("--camera", "garage:steady"), stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    lines = [(await process.stdout.readline()).decode() for _ in range(2)]
    process.terminate()

    assert await process.wait() == 0
    assert lines[0].startswith("ready rtsp://127.0.0.1:")
    assert lines[0].endswith("/garage/main\n")
    assert lines[1].endswith("/garage/sub\n")


def test_unknown_scenes_and_profiles_are_named(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(UnknownCamera, match="garden"):
        SimulatedCamera.parse("moon")
    with pytest.raises(UnknownProfile, match="long-gop"):
        SimulatedCamera.parse("garden:fast")
    assert main(["--camera", "moon"]) == 1
    assert "no scene 'moon'" in capsys.readouterr().err


async def test_a_taken_port_is_told(simulated_camera: StartSimulated) -> None:
    cameras = await simulated_camera("garage")

    with pytest.raises(PortTaken, match=str(cameras.port)):
        async with SimulatedCameras(cameras.port):
            pass
