"""The index of a large archive, made in seconds: cameras as they are, recorded for weeks, in SQLite or PostgreSQL.

What happened to each camera is drawn here, in Python, as unbroken stretches with their causes; the database itself
turns each stretch into its rows, one a minute, in the order of time as a recorder would have written them. Everything
follows from one seed, so both databases get the same archive.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.schema import CreateIndex, DropIndex

from incamera.protocol.messages import GapCause, StreamKind
from incamera.recording.model import UNKNOWN_US
from incamera.storage.database import Base, Database

SECOND_US: Final = 1_000_000
MINUTE_US: Final = 60 * SECOND_US
HOUR_US: Final = 60 * MINUTE_US
DAY_US: Final = 24 * HOUR_US
NEWEST_US: Final = 1_795_000_000_000_000 // DAY_US * DAY_US
CHANNELS_PER_DEVICE: Final = 8
_PICTURE_US: Final = 40_000


@dataclass(frozen=True, slots=True)
class Habit:
    """How one camera lives: how often a day it is lost, for how long, and between which hours it is recorded."""

    name: str
    losses_per_day: float
    longest_loss_us: int
    hours: tuple[int, int] = (0, 24)
    cause: GapCause = GapCause.CAMERA_LOST


STEADY = Habit("steady", 0.3, 5 * MINUTE_US)
WIRELESS = Habit("wireless", 6, 2 * MINUTE_US, cause=GapCause.LINE_LOST)
FLAPPING = Habit("flapping", 60, 40 * SECOND_US)
NIGHTLY = Habit("nightly", 0.3, 5 * MINUTE_US, hours=(19, 24), cause=GapCause.TURNED_OFF)
CHANGING = Habit("changing", 24, 0, cause=GapCause.CAMERA_CHANGED)  # new parameter sets: no time is missing
_HABITS: Final = [STEADY] * 10 + [WIRELESS] * 3 + [FLAPPING, NIGHTLY, CHANGING]


@dataclass(frozen=True, slots=True)
class Stretch:
    """One stream recorded without a break."""

    channel: int
    stream: StreamKind
    run_id: UUID
    started_us: int
    ended_us: int
    missing_us: int  # before it
    gap_cause: GapCause
    end_cause: GapCause

    @property
    def segments(self) -> int:
        return -(-(self.ended_us - self.started_us) // MINUTE_US)


@dataclass(frozen=True, slots=True)
class Archive:
    """`channels` cameras with picture, small picture and sound, recorded for `days`."""

    channels: int
    days: int

    @classmethod
    def of(cls, segments: int) -> "Archive":
        """The shortest archive of 64 channels (fewer, if a month of them would be too much) with that many rows."""
        a_day = len(StreamKind) * DAY_US // MINUTE_US
        channels = max(1, min(64, segments // (31 * a_day)))
        days = max(1, segments // (channels * a_day))
        while sum(it.segments for it in cls(channels, days).stretches()) < segments:
            days += 1
        return cls(channels, days)

    @property
    def oldest_us(self) -> int:
        return NEWEST_US - self.days * DAY_US

    def stretches(self) -> Iterator[Stretch]:
        """Everything that was recorded, channel by channel."""
        for channel in range(self.channels):
            yield from self._of_channel(channel)

    def channel_id(self, number: int) -> UUID:
        return UUID(int=(7 << 76) + (number << 8) + 1)

    def device_id(self, number: int) -> UUID:
        return UUID(int=(7 << 76) + (number // CHANNELS_PER_DEVICE << 8) + 2)

    def habit(self, number: int) -> Habit:
        return _HABITS[number * 7 % len(_HABITS)]

    def _of_channel(self, channel: int) -> Iterator[Stretch]:
        chance, habit = random.Random(channel), self.habit(channel)
        losses = sorted([*self._losses(habit, chance), *self._outages(channel)])
        begun_us, ended_us, cause = self.oldest_us, None, GapCause.STARTED
        for lost_us, back_us, why in [*losses, (NEWEST_US, NEWEST_US, GapCause.SERVER_STOPPED)]:
            if lost_us - begun_us > SECOND_US:
                run_id = UUID(int=chance.getrandbits(128), version=4)
                missing_us = UNKNOWN_US if ended_us is None else begun_us - ended_us
                ended_us = lost_us - _PICTURE_US
                for stream in StreamKind:
                    yield Stretch(channel, stream, run_id, begun_us, ended_us, missing_us, cause, why)
                begun_us, cause = back_us, why
            begun_us = max(begun_us, back_us)

    def _losses(self, habit: Habit, chance: random.Random) -> Iterator[tuple[int, int, GapCause]]:
        for day in range(self.days):
            start_us = self.oldest_us + day * DAY_US
            opens_us, closes_us = (start_us + hour * HOUR_US for hour in habit.hours)
            if opens_us > start_us:
                yield start_us, opens_us, GapCause.TURNED_OFF
            at_us = float(opens_us)
            while habit.losses_per_day:
                at_us += chance.expovariate(habit.losses_per_day / DAY_US)
                if at_us >= closes_us:
                    break
                yield int(at_us), int(at_us) + round(chance.random() * habit.longest_loss_us), habit.cause

    def _outages(self, channel: int) -> Iterator[tuple[int, int, GapCause]]:
        """About one a week, of all cameras of a site: the line, or the edge itself."""
        site = random.Random(f"site {channel // CHANNELS_PER_DEVICE}")
        for _ in range(self.days // 7 + 1):
            at_us = self.oldest_us + site.randrange(self.days * DAY_US)
            cause = site.choice((GapCause.EDGE_RESTARTED, GapCause.LINE_LOST, GapCause.SPOOL_FULL))
            yield at_us, at_us + site.randrange(10, 40) * MINUTE_US, cause


async def fill(database: Database, archive: Archive) -> int:
    """Writes the archive's rows into an empty database and makes its indexes afterwards; the number of rows."""
    async with database.engine.connect() as connection:
        if database.is_sqlite:
            await _pragmas(connection, "journal_mode=off", "synchronous=off", "cache_size=-1000000")
        async with connection.begin():
            rows: int = await connection.run_sync(_fill, archive)
        if database.is_sqlite:
            await _pragmas(connection, "journal_mode=wal")
    if not database.is_sqlite:  # as autovacuum leaves a table that has been there for a while
        async with database.engine.connect() as connection:
            await connection.execution_options(isolation_level="AUTOCOMMIT")
            await connection.execute(text("VACUUM (ANALYZE) segment"))
    return rows


async def _pragmas(connection: AsyncConnection, *pragmas: str) -> None:
    """Outside any transaction, where these are allowed."""
    driver: Any = (await connection.get_raw_connection()).driver_connection
    for pragma in pragmas:
        await driver.execute(f"PRAGMA {pragma}")


def _fill(connection: Connection, archive: Archive) -> int:
    indexes = sorted(Base.metadata.tables["segment"].indexes, key=lambda index: str(index.name))
    for index in indexes:
        connection.execute(DropIndex(index))
    _note_stretches(connection, archive)
    expand = text(_EXPAND.format(new_id=_NEW_ID[connection.dialect.name]))
    rows = 0
    for day in range(archive.days + 1):
        from_us = archive.oldest_us + day * DAY_US
        rows += connection.execute(expand, {"from_us": from_us, "to_us": from_us + DAY_US}).rowcount
    for table in ("stretch", "step"):
        connection.execute(text(f"DROP TABLE {table}"))
    for index in indexes:
        connection.execute(CreateIndex(index))
    connection.execute(text("ANALYZE"))
    return rows


_COLUMNS: Final = (
    *("device_id", "channel_id", "run_id", "stream", "started_us", "ended_us"),
    *("segments", "missing_us", "gap_cause", "end_cause"),
)
_NEW_ID: Final = {"sqlite": "lower(hex(randomblob(16)))", "postgresql": "gen_random_uuid()"}
_EXPAND: Final = """
INSERT INTO segment (
    id, device_id, epoch, channel_id, hour, stream, run_id, span_id, state, started_us, ended_us,
    first_sequence, next_sequence, footer_offset, size_bytes, gap_cause, end_cause, is_protected,
    missing_us
)
SELECT {new_id}, device_id, 1, channel_id, (started_us + number * 60000000) / 3600000000, stream, run_id, run_id,
    'closed', started_us + number * 60000000,
    CASE WHEN number + 1 = segments THEN ended_us ELSE started_us + (number + 1) * 60000000 - 40000 END,
    number * 1500, (number + 1) * 1500, 30000000, 30020000, gap_cause,
    CASE WHEN number + 1 = segments THEN end_cause END, FALSE,
    CASE WHEN number = 0 THEN missing_us ELSE 40000 END
FROM stretch JOIN step
    ON number < segments AND number >= (CAST(:from_us AS BIGINT) - started_us + 59999999) / 60000000
    AND number <= (CAST(:to_us AS BIGINT) - 1 - started_us) / 60000000
WHERE started_us < :to_us AND ended_us >= :from_us
ORDER BY started_us + number * 60000000
"""


def _note_stretches(connection: Connection, archive: Archive) -> None:
    """Two temporary tables: what was recorded without a break, and the numbers of its segments."""
    is_sqlite = connection.dialect.name == "sqlite"
    kind = "CHAR(32)" if is_sqlite else "UUID"
    connection.execute(
        text(
            f"CREATE TEMPORARY TABLE stretch (device_id {kind}, channel_id {kind}, run_id {kind}, stream TEXT,"
            " started_us BIGINT, ended_us BIGINT, segments BIGINT, missing_us BIGINT, gap_cause TEXT, end_cause TEXT)"
        )
    )
    number = "INTEGER" if is_sqlite else "BIGINT"  # SQLite's row number is spelled like this
    connection.execute(text(f"CREATE TEMPORARY TABLE step (number {number} PRIMARY KEY)"))
    rows = [_stretch_row(archive, stretch, is_sqlite=is_sqlite) for stretch in archive.stretches()]
    names = ", ".join(f":{name}" for name in _COLUMNS)
    connection.execute(text(f"INSERT INTO stretch ({', '.join(_COLUMNS)}) VALUES ({names})"), rows)
    numbers = [{"number": number} for number in range(max(row["segments"] for row in rows))]
    connection.execute(text("INSERT INTO step (number) VALUES (:number)"), numbers)
    if not is_sqlite:
        connection.execute(text("ANALYZE stretch"))
        connection.execute(text("ANALYZE step"))


def _stretch_row(archive: Archive, it: Stretch, *, is_sqlite: bool) -> dict[str, Any]:
    ids = (archive.device_id(it.channel), archive.channel_id(it.channel), it.run_id)
    times = (it.started_us, it.ended_us, it.segments, it.missing_us)
    values = (it.stream.value, *times, it.gap_cause.value, it.end_cause.value)
    return dict(zip(_COLUMNS, [*(word.hex if is_sqlite else word for word in ids), *values], strict=True))
