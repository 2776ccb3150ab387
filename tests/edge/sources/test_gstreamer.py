"""GStreamer's RTSP server as a camera that nobody here wrote."""

from itertools import pairwise

import pytest

from incamera.edge.sources.base import SourceFault
from incamera.media.h264 import parse_sps
from incamera.protocol.messages import CameraFault
from tests.support.cameras import StartGstreamer, a_source, gstreamer_camera, has_units, play_until
from tests.support.shared import shared_path

__all__ = ["gstreamer_camera"]


async def test_pictures_and_aac_arrive_whole(gstreamer_camera: StartGstreamer) -> None:
    source = a_source(await gstreamer_camera("--audio", "aac"))
    video, audio = await source.open()
    recording = await play_until(source, has_units(60, 30))
    await source.close()

    assert (video.codec, audio.codec, audio.clock_rate) == ("H264", "MPEG4-GENERIC", 16_000)
    assert len(video.parameter_sets) == 2
    assert audio.config
    numbers = recording.counters()
    assert [number for number in numbers if number is not None] == list(range(len(numbers)))
    assert not any(unit.is_damaged for _, unit, _ in recording.units)
    times = [unit.presentation_time for unit in recording.of(1)]
    assert {later - earlier for earlier, later in pairwise(times)} == {1024}


async def test_digest_a_law_and_reordered_pictures(gstreamer_camera: StartGstreamer) -> None:
    url = await gstreamer_camera("--audio", "alaw", "--digest", "me:s3cret", b_frames=2)
    with pytest.raises(SourceFault) as caught:
        await a_source(url, username="me", password="wrong").open()
    assert caught.value.fault is CameraFault.REFUSED_PASSWORD

    source = a_source(url, username="me", password="s3cret")
    _, audio = await source.open()
    enough = has_units(60, 20)  # and a sender report, which GStreamer sends every few seconds
    recording = await play_until(source, lambda got: enough(got) and source.clock_point(0) is not None)
    await source.close()

    assert (audio.codec, audio.clock_rate) == ("PCMA", 8000)
    times = [unit.presentation_time for unit in recording.of(0)]
    assert times != sorted(times), "the clip reorders pictures"
    numbers = [number for number in recording.counters() if number is not None]
    numbers = numbers[:-2]  # the last one may have come before those that are shown before it
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))


@pytest.mark.parametrize(("clip", "size"), [("one-by-one-person-detection", (768, 432)), ("car-detection", (768, 432))])
async def test_surveillance_clips_play_as_cameras(
    gstreamer_camera: StartGstreamer, clip: str, size: tuple[int, int]
) -> None:
    path = shared_path(f"media/surveillance/{clip}.mp4")
    has_sound = clip == "car-detection"
    source = a_source(await gstreamer_camera("--audio", "aac" if has_sound else "none", clip=path))
    tracks = await source.open()
    recording = await play_until(source, has_units(25, 10 if has_sound else 0))
    await source.close()

    assert [track.codec for track in tracks] == ["H264", "MPEG4-GENERIC"][: 1 + has_sound]
    assert not any(unit.is_damaged for _, unit, _ in recording.units)
    sps = parse_sps(tracks[0].parameter_sets[0])
    assert (sps.width, sps.height) == size


async def test_a_wrong_path_is_not_found(gstreamer_camera: StartGstreamer) -> None:
    url = await gstreamer_camera()

    with pytest.raises(SourceFault) as caught:
        await a_source(url.replace("cam0", "other")).open()

    assert caught.value.fault is CameraFault.NOT_FOUND


async def test_a_camera_that_sends_over_udp_only(gstreamer_camera: StartGstreamer) -> None:
    """GStreamer answers our first SETUP with 461; reports of ours keep the session alive, its own place the sound."""
    url = await gstreamer_camera("--audio", "aac", "--digest", "me:s3cret", udp_only=True)
    source = a_source(url, username="me", password="s3cret")
    video, audio = await source.open()
    enough = has_units(100, 50)
    recording = await play_until(source, lambda got: enough(got) and source.clock_point(1) is not None)
    await source.close()

    assert (video.codec, audio.codec) == ("H264", "MPEG4-GENERIC")
    assert not any(unit.is_damaged for _, unit, _ in recording.units)
    numbers = [number for number in recording.counters() if number is not None]
    laps = [later - earlier for earlier, later in pairwise(numbers)]
    assert set(laps) <= {1, -99}, "no picture is missing, also where the clip of 100 begins again"
