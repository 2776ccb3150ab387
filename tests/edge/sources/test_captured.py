"""Real cameras, as they answered: our source opens each of them and gets its pictures and its sound."""

import pytest

from tests.support.cameras import a_source, has_units, play_until, read_counters
from tests.support.captured_cameras import CAPTURES, PICTURES, SOUNDS, captured_camera
from tests.support.shared import shared_path

_DECODERS = {"H264": "h264", "H265": "hevc"}


@pytest.mark.parametrize("name", CAPTURES)
async def test_a_real_cameras_answers_are_understood(name: str) -> None:
    capture = CAPTURES[name]
    codec, _ = capture.video
    async with captured_camera(name) as camera:
        source = a_source(camera.url, username=camera.credentials[0], password=camera.credentials[1])
        try:
            tracks = await source.open()
            received = [number for number, track in enumerate(tracks) if track.is_received]
            video = next(number for number in received if tracks[number].kind == "video")
            sounds = [number for number in received if tracks[number].kind == "audio"]
            recording = await play_until(
                source,
                lambda got: len(got.of(video)) >= PICTURES and all(len(got.of(it)) >= len(SOUNDS) for it in sounds),
            )
        finally:
            await source.close()

    assert tracks[video].codec == codec
    assert tracks[video].parameter_sets
    assert read_counters(recording.of(video)[:PICTURES], _DECODERS[codec]) == list(range(PICTURES))
    assert not any(unit.is_damaged for _, unit, _ in recording.units)
    assert len(sounds) == (capture.audio is not None)
    for number in sounds:
        assert [unit.nal_units[0] for unit in recording.of(number)] == SOUNDS
    assert camera.methods()[-1] == "TEARDOWN"
    assert camera.answered == capture.files, "every captured answer was given"


def test_every_captured_answer_belongs_to_a_camera_here() -> None:
    """`request.txt` is what a client asked; all others are answers."""
    there = {path.stem for path in shared_path("media/rtsp").glob("*.txt")} - {"request"}

    assert there == set().union(*(capture.files for capture in CAPTURES.values()))


async def test_control_urls_are_those_that_the_camera_gave() -> None:
    async with captured_camera("hikvision") as camera:
        source = a_source(camera.url)
        try:
            await source.open()
            await play_until(source, has_units(1))
        finally:
            await source.close()

    urls = {request.method: request.url for request in camera.requests}
    base = "rtsp://192.168.5.106:554/Streaming/Channels/101/"
    assert urls["SETUP"] == f"{base}trackID=1?transportmode=unicast&profile=Profile_1"
    assert urls["PLAY"] == urls["TEARDOWN"] == f"{base}?transportmode=unicast&profile=Profile_1"
    sessions = {
        request.headers.find("Session") for request in camera.requests if request.method in ("PLAY", "TEARDOWN")
    }
    assert sessions == {"708345999"}
