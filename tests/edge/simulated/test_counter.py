"""The number in the picture survives what happens to pictures."""

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from incamera.edge.simulated import counter
from incamera.edge.simulated.drawing import Picture
from incamera.edge.simulated.encoder import VideoEncoder
from incamera.edge.simulated.profiles import Profile
from incamera.media.sample import AccessUnit
from tests.support.cameras import luma_of, read_counters


@given(st.integers(0, (1 << 24) - 1), st.sampled_from([(1280, 720), (640, 360), (320, 240)]))
def test_any_number_reads_back(number: int, size: tuple[int, int]) -> None:
    luma = np.full((size[1], size[0]), 90, np.uint8)
    counter.draw(luma, number)

    assert counter.read(luma) == number


def test_only_the_lowest_24_bits_are_kept() -> None:
    luma = np.zeros((360, 640), np.uint8)
    counter.draw(luma, (5 << 24) + 77)

    assert counter.read(luma) == 77


@pytest.mark.parametrize("level", [0, 128, 255])
def test_a_picture_without_a_number_gives_none(level: int) -> None:
    assert counter.read(np.full((720, 1280), level, np.uint8)) is None
    assert counter.read(np.random.default_rng(1).integers(0, 255, (720, 1280), dtype=np.uint8)) is None
    assert counter.read(np.full((10, 100), level, np.uint8)) is None


def test_one_wrong_cell_is_noticed() -> None:
    luma = np.zeros((720, 1280), np.uint8)
    counter.draw(luma, 0xABCDEF)
    luma[16:32, 16:32] = 255 - luma[16:32, 16:32]

    assert counter.read(luma) is None


@pytest.mark.parametrize("habit", ["steady", "variable", "bframes"])
def test_numbers_survive_encoding(habit: str) -> None:
    encoder = VideoEncoder(640, 360, 10, Profile.parse(habit))
    luma = np.random.default_rng(2).integers(60, 180, (360, 640), dtype=np.uint8)
    chroma = np.full((180, 320), 128, np.uint8)
    units = []
    for number in range(20):
        counter.draw(luma, 1000 + number)
        encoded = encoder.encode(Picture(luma, chroma, chroma), number * 9000, number == 0)
        units += [AccessUnit(time, nal_units) for time, nal_units in encoded]

    numbers = read_counters(units)

    whole = numbers[:-3]  # an encoder that reorders still holds pictures that belong between the last ones
    assert len(whole) >= 12
    assert whole == list(range(1000, 1000 + len(whole)))


@pytest.mark.parametrize("width", [1920, 960, 480, 352])
def test_numbers_survive_scaling(width: int) -> None:
    picture = av.VideoFrame(1280, 720, "yuv420p")
    plane = picture.planes[0]
    rows = np.frombuffer(memoryview(plane), np.uint8).reshape(plane.height, plane.line_size)
    counter.draw(rows[:, :1280], 123_456)

    scaled = picture.reformat(width=width, height=width * 9 // 16)

    assert counter.read(luma_of(scaled)) == 123_456
