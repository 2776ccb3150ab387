"""The simulated cameras' codecs, as the edge's source reads them."""

from itertools import pairwise

import pytest

from incamera.edge.simulated.profiles import HABITS
from tests.support.cameras import StartSimulated, a_source, has_units, play_until, simulated_camera

__all__ = ["simulated_camera"]


@pytest.mark.parametrize(
    ("habit", "codec", "clock_rate", "ticks"),
    [
        ("opus", "OPUS", 48_000, 960),
        ("l16", "L16", 16_000, 320),
        ("g722", "G722", 8_000, 160),
        ("g726", "G726-32", 8_000, 2048),
    ],
)
async def test_sound_is_described_and_timed_as_it_is_sent(
    simulated_camera: StartSimulated, habit: str, codec: str, clock_rate: int, ticks: int
) -> None:
    assert habit in HABITS
    cameras = await simulated_camera(f"garden:{habit}")
    source = a_source(cameras.url("garden", "sub"))
    _, sound = await source.open()
    recording = await play_until(source, has_units(1, 8))
    await source.close()

    assert (sound.codec, sound.clock_rate, sound.is_received) == (codec, clock_rate, True)
    times = [unit.presentation_time for unit in recording.of(1)]
    assert {later - earlier for earlier, later in pairwise(times)} == {ticks}


@pytest.mark.parametrize(("profile", "streams"), [("h265", ("H265", "H264")), ("h265-only", ("H265", "H265"))])
async def test_pictures_are_what_the_profile_says(
    simulated_camera: StartSimulated, profile: str, streams: tuple[str, str]
) -> None:
    cameras = await simulated_camera(f"garden:{profile}")
    found = []
    for stream in ("main", "sub"):
        source = a_source(cameras.url("garden", stream), want_audio=False)  # type: ignore[arg-type]
        picture, *_ = await source.open()
        recording = await play_until(source, has_units(5))
        await source.close()
        assert len(recording.of(0)) >= 5
        found.append(picture.codec)
    assert tuple(found) == streams
