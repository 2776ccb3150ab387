"""Scenes: something moves, the light follows the hour, and painting is cheap."""

from datetime import datetime, timedelta
from itertools import pairwise

import numpy as np
import pytest

from incamera.edge.simulated import counter
from incamera.edge.simulated.daylight import daylight
from incamera.edge.simulated.drawing import Picture
from incamera.edge.simulated.painter import ScenePainter
from incamera.edge.simulated.scenes import SCENES, get_scene

NOON = datetime(2026, 11, 24, 12, 0)  # noqa: DTZ001  # a camera writes its local time


def paint(name: str, moment: datetime = NOON, number: int = 1) -> Picture:
    return ScenePainter(get_scene(name, 0.5), name.upper()).paint(moment, number)


@pytest.mark.parametrize("name", SCENES)
def test_every_scene_moves_and_counts(name: str) -> None:
    painter = ScenePainter(get_scene(name, 0.5), name.upper())
    pictures = [painter.paint(NOON + timedelta(seconds=5 * step), 41 + step).copy() for step in range(8)]

    assert [counter.read(picture.luma) for picture in pictures] == list(range(41, 49))
    scenes = np.stack([picture.luma[18:300].astype(int) for picture in pictures])
    changed = np.abs(np.diff(scenes, axis=0)) > 20
    assert changed.mean(axis=(1, 2)).max() > 0.002, "somebody came by"
    assert changed.any(axis=(1, 2)).all(), "something moves all the time"


def test_pictures_for_people_carry_no_counter() -> None:
    picture = ScenePainter(get_scene("garden", 0.5), "GARDEN", has_counter=False).paint(NOON, 41)

    assert counter.read(picture.luma) is None


def test_painting_on_leaves_nothing_behind() -> None:
    painter = ScenePainter(get_scene("garden", 0.5), "GARDEN")
    for step in range(60):
        continued = painter.paint(NOON + timedelta(seconds=step / 4), step).copy()

    afresh = paint("garden", NOON + timedelta(seconds=59 / 4), 59)

    different = np.argwhere(continued.luma != afresh.luma)
    assert (different[:, 0] < 150).all(), "only clouds differ: they are moved every two seconds"


def test_nights_are_darker_than_days() -> None:
    night, day = paint("yard", NOON.replace(hour=2)), paint("yard")

    assert night.luma.mean() < 0.6 * day.luma.mean()


def test_the_light_changes_without_a_jump() -> None:
    brightness = [sum(daylight(minute / 60).ambient) for minute in range(24 * 60 + 1)]

    assert max(abs(a - b) for a, b in pairwise(brightness)) < 0.05


def test_the_clock_is_written_in_the_picture() -> None:
    one, other = paint("garage"), paint("garage", NOON + timedelta(milliseconds=500))

    clock = (slice(310, 345), slice(0, 300))
    assert (one.luma[clock] > 220).sum() > 300
    assert not np.array_equal(one.luma[clock], other.luma[clock])
