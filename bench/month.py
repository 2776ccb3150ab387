"""A month of one camera in a real data directory: a row for every minute, and real sealed files where they are sought.

While the server is down, what it has just recorded is sealed again under the keys of other hours: ten minutes without a
break before now, for dragging, and a minute at the same time of every day before, for jumping from day to day. Rows
for the minutes between come when the server runs again: their files do not exist, and nobody looks there.
"""

import sqlite3
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Final
from uuid import uuid4

import msgspec

from bench.harness import BenchError
from incamera.kit.clock import SystemClock
from incamera.privacy import open_session
from incamera.protocol.frames import MediaFrame
from incamera.protocol.messages import GapCause, StreamKind
from incamera.recording import repository
from incamera.recording.archive import Archive, OpenedSegment, Picture
from incamera.recording.model import HOUR_US, UNKNOWN_US, Segment, SegmentState, hour_of, segment_path
from incamera.recording.segment import Binding
from incamera.recording.writer import SegmentFile
from incamera.storage.database import Database
from incamera.storage.vault import HourRef, Vault

DAYS: Final = 29
GAP_US: Final = 300_000_000  # of nothing before the ten minutes, so that the day's list has something to click
MINUTE_US: Final = 60_000_000
_DAY_US: Final = 24 * HOUR_US
_DRAGGED_US: Final = 600_000_000
_PIECE_US: Final = 60_000_000


async def plant(data: Path, root_key: bytes) -> list[int]:
    """Seals the pieces; returns where those of each day begin. The server must be down."""
    clock = SystemClock()
    database = Database(f"sqlite+aiosqlite:///{data / 'incamera.db'}")
    vault = await Vault.open(data / "keys.db", root_key, ledger=data / "keys.tombstones", clock=clock)
    archive = Archive(database, vault, data / "media", lambda *_: [], _ignore)
    try:
        donor = await _donor(database, archive)
        pictures = [it for it in await archive.read(donor, range(len(donor.index))) if it is not None]
        length_us = donor.segment.ended_us - donor.segment.started_us + 40_000
        last_us = donor.segment.started_us - 2 * MINUTE_US - _DRAGGED_US
        days = [last_us - day * _DAY_US for day in range(DAYS, -1, -1)]
        for first_us in days:
            until_us = first_us + (_DRAGGED_US if first_us == last_us else _PIECE_US)
            for started_us in range(first_us, until_us, length_us):
                missing_us = UNKNOWN_US if started_us == first_us else 40_000
                segment = await _seal(vault, data / "media", donor, pictures, started_us, missing_us)
                async with open_session(database, "B5.record") as db:
                    await repository.add(db, segment)
    finally:
        archive.close()
        await vault.close()
        await database.close()
    return days


def fill_between(data: Path, days: Sequence[int]) -> int:
    """Rows for every other minute of the month; the server may run. The number of rows in all."""
    with sqlite3.connect(data / "incamera.db", timeout=60) as db:
        names = [row[1] for row in db.execute("PRAGMA table_info(segment)")]
        model = dict(
            zip(names, db.execute("SELECT * FROM segment ORDER BY started_us LIMIT 1").fetchone(), strict=True)
        )
        rows = []
        for before, after in pairwise(days):
            started_us = before + 2 * _PIECE_US  # the last piece reaches beyond its minute
            while started_us + MINUTE_US <= after - (GAP_US if after == days[-1] else 0):
                ended_us = started_us + MINUTE_US - 40_000
                changed = {"started_us": started_us, "ended_us": ended_us, "missing_us": 40_000, "id": uuid4().hex}
                rows.append(tuple((model | changed | {"hour": hour_of(started_us)}).values()))
                started_us += MINUTE_US
        db.executemany(f"INSERT INTO segment ({', '.join(names)}) VALUES ({', '.join('?' * len(names))})", rows)
        return int(db.execute("SELECT count(*) FROM segment").fetchone()[0])


async def _donor(database: Database, archive: Archive) -> OpenedSegment:
    async with open_session(database, "B5.record", writes=False) as db:
        stored = [it async for it in repository.stream_all(db) if it.stream is StreamKind.MAIN]
    longest = max(stored, key=lambda it: it.ended_us - it.started_us, default=None)
    opened = None if longest is None else await archive.open(longest)
    if opened is None:
        raise BenchError("the server has recorded nothing that could be planted elsewhere")
    return opened


async def _seal(
    vault: Vault, folder: Path, donor: OpenedSegment, pictures: Sequence[Picture], started_us: int, missing_us: int
) -> Segment:
    hour = HourRef(donor.segment.channel_id, donor.segment.hour.epoch, hour_of(started_us))
    run_id, segment_id = uuid4(), uuid4()
    opening = msgspec.structs.replace(
        donor.opening, run_id=run_id, span_id=run_id, run_started_us=started_us,
        run_decode_time=pictures[0].decode_time, gap_cause=GapCause.CAMERA_LOST, first_sequence=0,
    )  # fmt: skip
    path, binding = segment_path(folder, segment_id), Binding(segment_id, hour, StreamKind.MAIN)
    file = SegmentFile(path, binding, await vault.hour_key(hour), vault.media_key, opening)
    file.create()
    moved_us = started_us - pictures[0].wall_us
    file.append(
        [
            (_frame(number, picture, picture.wall_us + moved_us), picture.wall_us + moved_us)
            for number, picture in enumerate(pictures)
        ]
    )
    closed = file.finish(len(pictures))
    return replace(
        donor.segment, id=segment_id, hour=hour, run_id=run_id, span_id=run_id, state=SegmentState.CLOSED,
        started_us=started_us, ended_us=pictures[-1].wall_us + moved_us, first_sequence=0, next_sequence=len(pictures),
        footer_offset=closed.footer_offset, size_bytes=closed.size_bytes,
        gap_cause=GapCause.CAMERA_LOST, end_cause=None, missing_us=missing_us,
    )  # fmt: skip


def _frame(number: int, picture: Picture, wall_us: int) -> MediaFrame:
    return MediaFrame(0, picture.is_sync, False, number, picture.decode_time, 0, wall_us, picture.data)


async def _ignore(_segment: Segment, _from_us: int, _to_us: int) -> None:
    """The donor was read whole; what else is damaged is nobody's business here."""
