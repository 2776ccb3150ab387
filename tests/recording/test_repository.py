from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from incamera.privacy import open_session
from incamera.protocol.messages import GapCause, StreamKind
from incamera.recording import repository
from tests.support.database import KINDS
from tests.support.recordings import PICTURE_US, Studio, a_studio, record_once

SECOND_US = 1_000_000


@pytest.fixture(params=KINDS)
async def studio(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[Studio]:
    async with a_studio(tmp_path, kind=request.param) as opened:
        yield opened


async def test_walk_over_the_timeline_index(studio: Studio) -> None:
    channel, start = await studio.channel(), studio.clock.now_us() - 500 * SECOND_US
    await record_once(studio, channel, started_us=start, pictures=1700)  # two segments without a break
    await record_once(studio, channel, started_us=start + 100 * SECOND_US, gap_cause=GapCause.CAMERA_LOST)
    await record_once(studio, channel, started_us=start + 101 * SECOND_US, pictures=50, is_backlog=True)  # overlaps
    last_us = start + 200 * SECOND_US
    await record_once(studio, channel, started_us=last_us, gap_cause=GapCause.EDGE_STOPPED)
    first = repository.Island(start, start + 1699 * PICTURE_US, GapCause.STARTED)
    second = repository.Island(start + 100 * SECOND_US, start + 100 * SECOND_US + 99 * PICTURE_US, GapCause.CAMERA_LOST)
    third = repository.Island(last_us, last_us + 99 * PICTURE_US, GapCause.EDGE_STOPPED)

    async with open_session(studio.database, "B5.record", writes=False) as db:
        end_us = studio.clock.now_us()
        fine = await repository.islands(db, channel, StreamKind.MAIN, start, end_us, 2 * SECOND_US)
        coarse = await repository.islands(db, channel, StreamKind.MAIN, start, end_us, 50 * SECOND_US)
        early = await repository.islands(db, channel, StreamKind.MAIN, start, start + 90 * SECOND_US, 2 * SECOND_US)
        sound = await repository.islands(db, channel, StreamKind.AUDIO, start, end_us, 2 * SECOND_US)
        bounds = await repository.bounds(db, channel)

    assert fine == [first, second, third]
    assert [island.started_us for island in coarse] == [start, last_us]
    assert abs(coarse[0].ended_us - second.ended_us) <= SECOND_US, "steps may pass over the longer of two that overlap"
    assert early == [first]
    assert sound == []
    assert bounds == (start, third.ended_us)


async def test_two_segments_that_begin_together_do_not_multiply_the_steps(studio: Studio) -> None:
    channel, start = await studio.channel(), studio.clock.now_us() - 500 * SECOND_US
    for _ in range(2):
        for number in range(12):
            await record_once(studio, channel, started_us=start + number * 3 * SECOND_US, pictures=25)

    async with open_session(studio.database, "B5.record", writes=False) as db:
        given = {"channel_id": channel, "stream": StreamKind.MAIN, "from_us": start, "to_us": start + 60 * SECOND_US}
        steps = (await db.execute(repository._WALK, given | {"tolerance_us": 2 * SECOND_US})).all()

    assert len(steps) == 12
