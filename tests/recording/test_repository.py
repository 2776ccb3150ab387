from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import ColumnElement, select, text
from sqlalchemy.dialects import sqlite

from incamera.privacy import open_session
from incamera.protocol.messages import GapCause, StreamKind
from incamera.recording import repository
from incamera.recording.model import UNKNOWN_US
from incamera.recording.tables import IS_EVICTABLE, IS_OPEN, MAY_BEGIN, SegmentRow
from tests.support.database import KINDS, open_database
from tests.support.recordings import PICTURE_US, Studio, a_studio, record_once

SECOND_US = 1_000_000


@pytest.fixture(params=KINDS)
async def studio(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[Studio]:
    async with a_studio(tmp_path, kind=request.param) as opened:
        yield opened


async def test_islands_of_the_timeline_index(studio: Studio) -> None:
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
        fine = await repository.islands(db, channel, start, end_us, 2 * SECOND_US)
        coarse = await repository.islands(db, channel, start, end_us, 50 * SECOND_US)
        early = await repository.islands(db, channel, start, start + 90 * SECOND_US, 2 * SECOND_US)
        bounds = await repository.bounds(db, channel)

    assert fine == {StreamKind.MAIN: [first, second, third]}
    assert coarse == {StreamKind.MAIN: [first._replace(ended_us=second.ended_us), third]}
    assert early == {StreamKind.MAIN: [first]}
    assert bounds == (start, third.ended_us)


async def test_two_segments_that_begin_together_are_one_stretch(studio: Studio) -> None:
    channel, start = await studio.channel(), studio.clock.now_us() - 500 * SECOND_US
    for _ in range(2):
        for number in range(12):
            await record_once(studio, channel, started_us=start + number * 3 * SECOND_US, pictures=25)

    async with open_session(studio.database, "B5.record", writes=False) as db:
        found = await repository.islands(db, channel, start, start + 60 * SECOND_US, 2 * SECOND_US)

    assert [island.started_us for island in found[StreamKind.MAIN]] == [
        start + number * 3 * SECOND_US for number in range(12)
    ]


async def test_what_follows_on_a_removed_segment_follows_on_a_gap(studio: Studio) -> None:
    channel, start = await studio.channel(), studio.clock.now_us() - 500 * SECOND_US
    await record_once(studio, channel, started_us=start, pictures=3200)
    first, second, last = await studio.stored(channel)
    assert [first.missing_us, second.missing_us] == [UNKNOWN_US, PICTURE_US]

    async with open_session(studio.database, "B5.record") as db:
        whole = await repository.islands(db, channel, start, last.ended_us, 2 * SECOND_US)
        await repository.remove(db, [second.id])
        await repository.save(db, last)  # a segment that was open meanwhile is closed
        left = await repository.islands(db, channel, start, last.ended_us, 2 * SECOND_US)

    assert [(it.started_us, it.ended_us) for it in whole[StreamKind.MAIN]] == [(start, last.ended_us)]
    assert [(it.started_us, it.ended_us) for it in left[StreamKind.MAIN]] == [
        (start, first.ended_us),
        (last.started_us, last.ended_us),
    ]


async def test_a_backlog_that_fills_a_gap_closes_it_on_the_timeline(studio: Studio) -> None:
    channel, start = await studio.channel(), studio.clock.now_us() - 500 * SECOND_US
    await record_once(studio, channel, started_us=start, pictures=500)
    await record_once(studio, channel, started_us=start + 40 * SECOND_US, pictures=500, gap_cause=GapCause.LINE_LOST)
    await record_once(studio, channel, started_us=start + 20 * SECOND_US, pictures=500, is_backlog=True)

    async with open_session(studio.database, "B5.record", writes=False) as db:
        found = await repository.islands(db, channel, start, start + 60 * SECOND_US, 2 * SECOND_US)

    assert [(it.started_us, it.ended_us) for it in found[StreamKind.MAIN]] == [
        (start, start + 60 * SECOND_US - PICTURE_US)
    ]


@pytest.mark.parametrize(
    ("condition", "index"),
    [(IS_OPEN, "ix_segment_open"), (IS_EVICTABLE, "ix_segment_evictable"), (MAY_BEGIN, "ix_segment_break")],
)
async def test_partial_indexes_are_found(tmp_path: Path, condition: ColumnElement[bool], index: str) -> None:
    """A condition that no longer matches its index word for word reads every row there is."""
    async with open_database("sqlite", tmp_path) as database, database.transaction() as db:
        query = select(SegmentRow.id).where(condition).order_by(SegmentRow.started_us)
        asked = str(query.compile(dialect=sqlite.dialect()))
        if index == "ix_segment_break":
            asked = asked.replace("WHERE", "WHERE channel_id = '' AND ")
        plan = " ".join(row[3] for row in await db.execute(text(f"EXPLAIN QUERY PLAN {asked}")))

    assert index in plan
