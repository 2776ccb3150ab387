"""The archive that `timeline` and `playback` are measured with is what it claims to be, in both databases."""

from collections.abc import AsyncIterator
from itertools import pairwise
from pathlib import Path

import pytest
from sqlalchemy import select

from bench.archive_rows import DAY_US, MINUTE_US, NEWEST_US, Archive, fill
from incamera.privacy import open_session
from incamera.protocol.messages import StreamKind
from incamera.recording import repository
from incamera.recording.model import CONTINUOUS_US
from incamera.recording.tables import SegmentRow
from incamera.storage.database import Database
from tests.support.database import KINDS, open_database

ARCHIVE = Archive(channels=16, days=2)


@pytest.fixture(params=KINDS)
async def database(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[Database]:
    async with open_database(request.param, tmp_path) as opened:
        yield opened


def test_an_archive_has_at_least_the_rows_asked_for() -> None:
    assert sum(it.segments for it in Archive.of(700_000).stretches()) >= 700_000
    assert Archive.of(10_000_000).channels == 64


def test_a_stream_is_at_one_place_at_a_time_and_knows_what_is_missing() -> None:
    for channel in range(ARCHIVE.channels):
        mine = [it for it in ARCHIVE.stretches() if (it.channel, it.stream) == (channel, StreamKind.MAIN)]
        assert mine[0].started_us >= NEWEST_US - ARCHIVE.days * DAY_US
        for before, after in pairwise(mine):
            assert before.started_us < before.ended_us < after.started_us
            assert after.missing_us == after.started_us - before.ended_us


async def test_the_database_turns_stretches_into_rows_that_say_the_same(database: Database) -> None:
    rows = await fill(database, ARCHIVE)
    stretches = [it for it in ARCHIVE.stretches() if it.stream is StreamKind.SUB and it.channel == 1]

    async with open_session(database, "B5.record", writes=False) as db:
        told = await repository.islands(db, ARCHIVE.channel_id(1), 0, NEWEST_US, CONTINUOUS_US)
        mine = select(SegmentRow).where(SegmentRow.channel_id == ARCHIVE.channel_id(1), SegmentRow.stream == "sub")
        segments = list(await db.scalars(mine.order_by(SegmentRow.started_us)))

    expected: list[tuple[int, int]] = []
    for it in stretches:
        if it.missing_us > CONTINUOUS_US:
            expected.append((it.started_us, it.ended_us))
        else:
            expected[-1] = expected[-1][0], it.ended_us
    assert rows == sum(it.segments for it in ARCHIVE.stretches())
    assert [(it.started_us, it.ended_us) for it in told[StreamKind.SUB]] == expected
    assert len(segments) == sum(it.segments for it in stretches)
    assert all(0 <= it.ended_us - it.started_us <= MINUTE_US for it in segments)
