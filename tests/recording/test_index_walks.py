"""What retention and recovery ask of the index says the same as reading all of it."""

from collections import Counter
from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete
from sqlalchemy.dialects import sqlite
from sqlalchemy.ext.asyncio import AsyncSession

from incamera.devices.model import RecordingPlan
from incamera.kit.clock import from_us
from incamera.privacy import RetentionRule, open_session
from incamera.protocol.messages import GapCause, StreamKind
from incamera.recording import repository
from incamera.recording.model import HOUR_US, Segment, SegmentState
from incamera.recording.tables import SegmentRow
from incamera.storage.vault import EpochRef, HourRef
from tests.recording.test_retention import RULE
from tests.support.database import KINDS, open_database
from tests.support.recordings import Studio, a_studio

FIRST_HOUR = 500_000
# The lowest and the highest ids there are, and hours that follow on each other.
PLACES = st.builds(
    HourRef,
    st.sampled_from([UUID(int=0), UUID(int=1), UUID(int=7 << 120), UUID(int=(1 << 128) - 1)]),
    st.builds(EpochRef, st.sampled_from([UUID(int=0), UUID(int=9 << 64)]), st.integers(1, 3)),
    st.integers(FIRST_HOUR, FIRST_HOUR + 3),
)
MOMENTS = st.one_of(st.integers(0, HOUR_US - 1), st.sampled_from([0, 1, HOUR_US - 1]))


@st.composite
def segments(draw: st.DrawFn) -> Segment:
    hour = draw(PLACES)
    started_us = hour.hour * HOUR_US + draw(MOMENTS)
    name = draw(st.uuids(version=4))
    return Segment(
        name, hour, draw(st.sampled_from(StreamKind)), name, name, SegmentState.CLOSED, started_us, started_us, 0, 1,
        30, 40, GapCause.STARTED, None,
    )  # fmt: skip


ARCHIVES = st.lists(segments(), max_size=24, unique_by=lambda it: it.id)
UNTILS = st.one_of(
    st.integers(FIRST_HOUR * HOUR_US - 1, (FIRST_HOUR + 4) * HOUR_US),
    st.integers(FIRST_HOUR, FIRST_HOUR + 4).map(lambda hour: hour * HOUR_US),
)
EXAMPLES = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture(params=KINDS)
async def studio(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[Studio]:
    async with a_studio(tmp_path, kind=request.param) as opened:
        yield opened


async def replace_all(db: AsyncSession, stored: Sequence[Segment]) -> None:
    await db.execute(delete(SegmentRow))
    for segment in stored:
        await repository.add(db, segment)


def naive_extents(stored: Sequence[Segment]) -> list[repository.HourExtent]:
    """Every channel-hour, from every segment."""
    counts = Counter(it.hour for it in stored)
    firsts = {hour: min(it.started_us for it in stored if it.hour == hour) for hour in counts}
    return [repository.HourExtent(hour, firsts[hour], count) for hour, count in counts.items()]


@EXAMPLES
@given(stored=ARCHIVES, until_us=UNTILS, page=st.integers(1, 5))
async def test_walks_find_what_all_rows_say(studio: Studio, stored: list[Segment], until_us: int, page: int) -> None:
    channels = {it.channel_id for it in stored}
    asked = sorted(channels)[::2]

    async with open_session(studio.database, "B5.record") as db:
        await replace_all(db, stored)
        oldest = await repository.oldest_of_channels(db)
        begun = await repository.hours_begun_until(db, asked, until_us)
        hours: list[HourRef] = []
        while (found := await repository.list_hours(db, hours[-1] if hours else None, page)) and len(hours) < 99:
            assert len(found) <= page
            hours += found
        epochs = await repository.epochs(db)
        counted = await repository.count(db)

    extents = naive_extents(stored)
    assert oldest == {one: min(it.started_us for it in stored if it.channel_id == one) for one in channels}
    assert set(begun) == {it for it in extents if it.hour.channel_id in asked and it.started_us <= until_us}
    assert [it.started_us for it in begun] == sorted(it.started_us for it in begun)
    by_index = sorted(extents, key=lambda it: (it.hour.channel_id, it.hour.hour, it.hour.epoch))
    assert hours == [it.hour for it in by_index]
    assert epochs == sorted({it.hour.epoch for it in stored})
    assert counted == len(stored)


KEEPS = st.integers(0, 4 * HOUR_US).map(lambda us: timedelta(microseconds=us))


@EXAMPLES
@given(
    stored=ARCHIVES,
    keeps=st.dictionaries(PLACES.map(lambda it: it.channel_id), st.tuples(KEEPS, st.booleans())),
    maximum=st.none() | KEEPS,
    ceiling=st.none() | KEEPS,
    now_us=UNTILS,
)
async def test_what_is_overdue_is_what_all_rows_say(
    studio: Studio,
    stored: list[Segment],
    keeps: dict[UUID, tuple[timedelta, bool]],
    maximum: timedelta | None,
    ceiling: timedelta | None,
    now_us: int,
) -> None:
    studio.channels.rules = {one: RecordingPlan(one, 1, True, False, keep) for one, (keep, _) in keeps.items()}
    studio.channels.public = {one for one, (_, sees_public_space) in keeps.items() if sees_public_space}
    rule = RetentionRule(RULE.activity, RULE.data, maximum, ceiling, RULE.grace, RULE.action, RULE.digest)
    async with open_session(studio.database, "B5.record") as db:
        await replace_all(db, stored)

    for is_public in (True, False):
        told = await studio.recorder.retention(sees_public_space=is_public).pending(rule, from_us(now_us))

        mine = [it for it in naive_extents(stored) if keeps.get(it.hour.channel_id, (None, False))[1] == is_public]
        overdue = 0
        for extent in mine:
            chosen = keeps[extent.hour.channel_id][0] if extent.hour.channel_id in keeps else maximum
            limits = [limit for limit in (chosen, ceiling) if limit is not None]
            if limits and from_us(extent.started_us) + min(limits) <= from_us(now_us):
                overdue += extent.segments
        assert told.overdue == overdue
        assert told.oldest == (from_us(min(it.started_us for it in mine)) if mine else None)


async def test_an_estimate_counts_the_first_1024th_of_all_ids(studio: Studio) -> None:
    place, at_us = HourRef(UUID(int=1), EpochRef(UUID(int=2), 1), FIRST_HOUR), FIRST_HOUR * HOUR_US
    names = [UUID(int=number) for number in (0, (1 << 118) - 1, 1 << 118, 1 << 119, (1 << 128) - 1)]
    async with open_session(studio.database, "B5.record") as db:
        assert await repository.estimate(db) == 0
        for name in names:
            segment = Segment(
                name, place, StreamKind.MAIN, name, name, SegmentState.CLOSED, at_us, at_us, 0, 1, 30, 40,
                GapCause.STARTED, None,
            )  # fmt: skip
            await repository.add(db, segment)
        assert await repository.estimate(db) == 2 * 1024


SEEKS = {
    "_OLDEST": ["channel_id>?", *["channel_id=? AND stream=?"] * 3],
    "_NEXT_HOURS": [
        "id=?",
        "channel_id=? AND hour=? AND device_id=? AND epoch>?",
        "channel_id=? AND hour=? AND device_id>?",
        "channel_id=? AND hour>?",
        "channel_id>?",
    ],
    "_NEXT_EPOCHS": ["id=?", "device_id=? AND epoch>?", "device_id>?"],
}


@pytest.mark.parametrize("walk", list(SEEKS))
async def test_walks_seek_and_never_scan(tmp_path: Path, walk: str) -> None:
    """A walk that scans or sorts reads ten million entries at every step."""
    asked = getattr(repository, walk).compile(dialect=sqlite.dialect())
    async with open_database("sqlite", tmp_path) as database, database.engine.connect() as connection:
        parameters = tuple(1 for _ in asked.positiontup or ())
        rows = await connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {asked}", parameters)
        steps = [str(row["detail"]) for row in rows.mappings()]

    assert [step.rpartition(" (")[2].rstrip(")") for step in steps if step.startswith("SEARCH")] == SEEKS[walk]
    scans = [step for step in steps if step.startswith("SCAN segment")]
    assert len(scans) == (walk == "_OLDEST"), "only the very first channel is read off the end of an index"
    assert all("COVERING INDEX" in step for step in scans)
    assert sum("TEMP B-TREE" in step for step in steps) == (walk != "_OLDEST"), "only the answer is sorted"
