from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from incamera.kit.clock import from_us
from incamera.privacy import RetentionRule
from incamera.storage.vault import HourRef
from tests.support.database import KINDS
from tests.support.recordings import HOUR_US, Studio, a_studio, record_once

RULE = RetentionRule(
    "B5.record", ("B5.record/recording",), timedelta(days=7), timedelta(days=30), timedelta(0), "crypto_shred", "digest"
)


@pytest.fixture(params=KINDS)
async def studio(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[Studio]:
    async with a_studio(tmp_path, kind=request.param) as opened:
        yield opened


def hours_ago(studio: Studio, hours: int, minutes: int = 0) -> int:
    return (studio.clock.now_us() // HOUR_US - hours) * HOUR_US + minutes * 60_000_000


@pytest.mark.req("B5-03")
async def test_hour_dies_when_its_first_chunk_reaches_the_maximum(studio: Studio) -> None:
    channel = await studio.channel(keep=timedelta(hours=6))
    first, later = hours_ago(studio, 3, 10), hours_ago(studio, 3, 50)
    for start in (first, later, hours_ago(studio, 2, 5)):
        await record_once(studio, channel, started_us=start)
    old_hour = (await studio.stored(channel))[0].hour
    target = studio.recorder.retention(sees_public_space=False)
    just_before, due = from_us(first) + timedelta(hours=6) - timedelta(seconds=1), from_us(first) + timedelta(hours=6)

    assert (await target.sweep(RULE, just_before)).erased == 0
    assert (await target.pending(RULE, due)).overdue == 2
    swept = await target.sweep(RULE, due)

    assert (swept.erased, swept.overdue) == (2, 0)
    assert swept.oldest == from_us(hours_ago(studio, 2, 5))
    assert await studio.vault.find_hour_key(old_hour) is None
    assert len(studio.files()) == len(await studio.stored(channel)) == 1


async def test_each_channel_has_its_own_time_never_above_the_ceiling(studio: Studio) -> None:
    short, long = await studio.channel(keep=timedelta(hours=6)), await studio.channel(keep=timedelta(days=60))
    for channel in (short, long):
        await record_once(studio, channel, started_us=hours_ago(studio, 5))
    target, recorded = studio.recorder.retention(sees_public_space=False), from_us(hours_ago(studio, 5))

    await target.sweep(RULE, recorded + timedelta(hours=7))
    assert (len(await studio.stored(short)), len(await studio.stored(long))) == (0, 1)
    await target.sweep(RULE, recorded + timedelta(days=30))
    assert await studio.stored(long) == []


async def test_places_that_see_public_space_fall_under_their_own_rule(studio: Studio) -> None:
    private, public = await studio.channel(keep=timedelta(hours=6)), await studio.channel(keep=timedelta(hours=6))
    studio.channels.public.add(public)
    for channel in (private, public):
        await record_once(studio, channel, started_us=hours_ago(studio, 5))
    due = from_us(hours_ago(studio, 5)) + timedelta(hours=8)

    await studio.recorder.retention(sees_public_space=True).sweep(RULE, due)

    assert (len(await studio.stored(private)), len(await studio.stored(public))) == (1, 0)


async def test_channel_that_is_gone_falls_under_the_declared_maximum(studio: Studio) -> None:
    channel = await studio.channel()
    await record_once(studio, channel, started_us=hours_ago(studio, 5))
    del studio.channels.rules[channel]
    target, recorded = studio.recorder.retention(sees_public_space=False), from_us(hours_ago(studio, 5))

    assert (await target.sweep(RULE, recorded + timedelta(days=6))).erased == 0
    assert (await target.sweep(RULE, recorded + timedelta(days=7))).erased == 1


async def test_key_without_a_segment_goes_too(studio: Studio) -> None:
    channel = await studio.channel()
    hour = HourRef(channel, studio.channels.rules[channel].epoch_ref, studio.clock.now_us() // HOUR_US - 3)
    await studio.vault.hour_key(hour)

    await studio.recorder.retention(sees_public_space=False).sweep(RULE, studio.clock.now() + timedelta(days=31))

    assert await studio.vault.find_hour_key(hour) is None


@pytest.mark.req("B5-03")
async def test_a_month_switched_off_nothing_overdue_is_left_after_the_first_sweep(studio: Studio) -> None:
    channel = await studio.channel()
    await record_once(studio, channel)
    await studio.recorder.stop()
    studio.clock.offset_s = 31 * 86_400
    await studio.start_recorder()

    await studio.recorder.retention(sees_public_space=False).sweep(RULE, studio.clock.now())

    assert studio.files() == []
