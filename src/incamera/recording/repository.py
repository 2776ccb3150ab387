"""Every query of the index of recordings."""

from collections.abc import AsyncIterator, Iterable, Sequence
from typing import Any, Final, NamedTuple
from uuid import UUID

from sqlalchemy import BigInteger, and_, bindparam, case, delete, func, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from incamera.protocol.messages import GapCause, StreamKind
from incamera.recording.model import LONGEST_SEGMENT_US, Segment, SegmentState, cause_of_gap
from incamera.recording.tables import SegmentRow
from incamera.storage.vault import EpochRef, HourRef

_BATCH: Final = 200  # tuples per statement; SQLite takes 32,766 variables
# A segment that covers a moment began at most this long before it.
REACH_US: Final = LONGEST_SEGMENT_US + 10_000_000


class Island(NamedTuple):
    """An unbroken stretch; `cause` says why there is nothing just before it."""

    started_us: int
    ended_us: int
    cause: GapCause


class HourExtent(NamedTuple):
    """One channel-hour in the index."""

    hour: HourRef
    started_us: int  # of its first chunk
    segments: int


async def add(db: AsyncSession, segment: Segment) -> None:
    db.add(_row(segment))
    await db.flush()


async def save(db: AsyncSession, segment: Segment) -> None:
    """Writes a known segment's row again; makes it if it is lost."""
    await db.merge(_row(segment))
    await db.flush()


async def find(db: AsyncSession, segment_id: UUID) -> Segment | None:
    row = await db.get(SegmentRow, segment_id)
    return None if row is None else _segment(row)


async def remove(db: AsyncSession, segment_ids: Iterable[UUID]) -> None:
    ids = list(segment_ids)
    for start in range(0, len(ids), _BATCH):
        await db.execute(delete(SegmentRow).where(SegmentRow.id.in_(ids[start : start + _BATCH])))


async def all_ids(db: AsyncSession) -> set[UUID]:
    return set(await db.scalars(select(SegmentRow.id)))


async def ids_between(db: AsyncSession, first: UUID, last: UUID) -> set[UUID]:
    """Both included."""
    return set(await db.scalars(select(SegmentRow.id).where(SegmentRow.id.between(first, last))))


async def list_open(db: AsyncSession) -> list[Segment]:
    rows = await db.scalars(select(SegmentRow).where(SegmentRow.state == SegmentState.OPEN))
    return [_segment(row) for row in rows]


async def stream_all(db: AsyncSession) -> AsyncIterator[Segment]:
    """Every segment, in no particular order, without holding all rows at once."""
    rows = await db.stream_scalars(select(SegmentRow).execution_options(yield_per=1000))
    async for row in rows:
        yield _segment(row)


async def next_sequence(db: AsyncSession, span_id: UUID, channel_id: UUID) -> int | None:
    """One behind the last durable chunk of a span; None if nothing of it is stored."""
    query = select(func.max(SegmentRow.next_sequence)).where(
        SegmentRow.span_id == span_id, SegmentRow.channel_id == channel_id
    )
    return await db.scalar(query)


async def find_before(db: AsyncSession, channel_id: UUID, stream: StreamKind, before_us: int) -> Segment | None:
    """The last segment that began before this moment."""
    query = (
        select(SegmentRow)
        .where(SegmentRow.channel_id == channel_id, SegmentRow.stream == stream, SegmentRow.started_us < before_us)
        .order_by(SegmentRow.started_us.desc())
        .limit(1)
    )
    row = (await db.scalars(query)).first()
    return None if row is None else _segment(row)


async def find_after(db: AsyncSession, channel_id: UUID, stream: StreamKind, from_us: int) -> Segment | None:
    """The first segment that began at this moment or later."""
    query = (
        select(SegmentRow)
        .where(SegmentRow.channel_id == channel_id, SegmentRow.stream == stream, SegmentRow.started_us >= from_us)
        .order_by(SegmentRow.started_us)
        .limit(1)
    )
    row = (await db.scalars(query)).first()
    return None if row is None else _segment(row)


async def islands(
    db: AsyncSession, channel_id: UUID, stream: StreamKind, from_us: int, to_us: int, tolerance_us: int
) -> list[Island]:
    """Unbroken stretches that touch [from, to), in order. Reads the timeline index only.

    A stretch ends where more than `tolerance_us` follow without a chunk. The query does not read every segment, it
    walks: from where it stands to the last segment that begins within the tolerance. A month at the resolution of a
    screen is some two thousand steps instead of 43,000 rows.
    """
    given = {
        "channel_id": channel_id,
        "stream": stream,
        "from_us": from_us,
        "to_us": to_us,
        "tolerance_us": tolerance_us,
    }
    steps = [(start, end) for start, end in await db.execute(_WALK, given)]
    if not steps:
        return []
    breaks = [
        number for number, (start, _) in enumerate(steps) if not number or start - steps[number - 1][1] > tolerance_us
    ]
    ends = [*breaks[1:], len(steps)]
    causes = await _causes(db, channel_id, stream, [steps[number][0] for at in breaks for number in (at, at - 1)])
    nothing = (GapCause.STARTED, None)
    return [
        Island(
            steps[at][0],
            steps[end - 1][1],
            cause_of_gap(
                causes.get(steps[at - 1][0], nothing)[1] if at else None, causes.get(steps[at][0], nothing)[0]
            ),
        )
        for at, end in zip(breaks, ends, strict=True)
    ]


async def _causes(
    db: AsyncSession, channel_id: UUID, stream: StreamKind, starts: Sequence[int]
) -> dict[int, tuple[GapCause, GapCause | None]]:
    """Start of a segment → why there is a gap before it, why its span ended."""
    found: dict[int, tuple[GapCause, GapCause | None]] = {}
    for first in range(0, len(starts), _BATCH):
        query = select(SegmentRow.started_us, SegmentRow.gap_cause, SegmentRow.end_cause).where(
            SegmentRow.channel_id == channel_id,
            SegmentRow.stream == stream,
            SegmentRow.started_us.in_(starts[first : first + _BATCH]),
        )
        for start, before, after in await db.execute(query):
            found[start] = GapCause(before), GapCause(after) if after else None
    return found


def _make_walk() -> Any:
    """One row per step: start of a segment, end so far (backlog may overlap: never less than before).

    Each step is a few look-ups in the index, each with one upper bound: given two, SQLite seeks by the wrong one and
    reads thousands of rows per step (measured: 9 s instead of 20 ms). The row of nulls at the end stops the recursion:
    UNION drops its repetition. Built once: putting it together costs more than asking it.
    """
    row, first = aliased(SegmentRow), aliased(SegmentRow)
    from_us, to_us, tolerance_us = (bindparam(name, type_=BigInteger) for name in ("from_us", "to_us", "tolerance_us"))

    def mine(segment: Any) -> Any:
        return and_(segment.channel_id == _CHANNEL, segment.stream == _STREAM)

    start = (
        select(first.started_us, first.ended_us)
        .where(
            mine(first),
            first.started_us < to_us,
            first.started_us >= from_us - REACH_US,
            first.ended_us >= from_us,
        )
        .order_by(first.started_us)
        .limit(1)
        .subquery()
    )
    walk = select(start).cte("walk", recursive=True)
    reach = walk.c.ended_us + tolerance_us
    later = and_(mine(row), row.started_us > walk.c.started_us)
    within = row.started_us <= case((reach < to_us, reach), else_=to_us - 1)

    def following(column: Any) -> Any:
        near = select(column).where(later, within).order_by(row.started_us.desc()).limit(1).scalar_subquery()
        far = select(column).where(later, row.started_us < to_us).order_by(row.started_us).limit(1).scalar_subquery()
        return func.coalesce(near.correlate(walk), far.correlate(walk))

    ended_us = following(row.ended_us)
    step = select(following(row.started_us), case((walk.c.ended_us > ended_us, walk.c.ended_us), else_=ended_us))
    steps = walk.union(step.select_from(walk))
    return select(steps).where(steps.c.started_us.is_not(None)).order_by(steps.c.started_us)


def _make_bounds() -> Any:
    """Start of the first and end of the last segment of each stream: six look-ups in the index."""
    columns = [
        select(column)
        .where(SegmentRow.channel_id == _CHANNEL, SegmentRow.stream == stream)
        .order_by(order)
        .limit(1)
        .scalar_subquery()
        for stream in StreamKind
        for column, order in (
            (SegmentRow.started_us, SegmentRow.started_us),
            (SegmentRow.ended_us, SegmentRow.started_us.desc()),
        )
    ]
    return select(*columns)


_CHANNEL: Final = bindparam("channel_id", type_=SegmentRow.channel_id.type)
_STREAM: Final = bindparam("stream", type_=SegmentRow.stream.type)
_WALK: Final = _make_walk()
_BOUNDS: Final = _make_bounds()


async def damage_between(db: AsyncSession, channel_id: UUID, from_us: int, to_us: int) -> list[tuple[str, int, int]]:
    """(stream, from, to) of stretches that no longer open."""
    query = select(SegmentRow.stream, SegmentRow.damaged_from_us, SegmentRow.damaged_to_us).where(
        SegmentRow.channel_id == channel_id,
        SegmentRow.damaged_from_us.is_not(None),
        SegmentRow.damaged_from_us < to_us,
        SegmentRow.damaged_to_us >= from_us,
    )
    return [(stream, start or 0, end or 0) for stream, start, end in await db.execute(query)]


async def bounds(db: AsyncSession, channel_id: UUID) -> tuple[int, int] | None:
    """Start of the oldest and end of the newest segment of a channel."""
    row = (await db.execute(_BOUNDS, {"channel_id": channel_id})).one()
    starts, ends = ([value for value in row[first::2] if value is not None] for first in (0, 1))
    return (min(starts), max(ends)) if starts else None


async def hours_before(db: AsyncSession, hour: int) -> list[HourExtent]:
    """Every channel-hour up to and including this one, oldest first."""
    row = SegmentRow
    key = (row.device_id, row.epoch, row.channel_id, row.hour)
    query = (
        select(*key, func.min(row.started_us), func.count())
        .where(row.hour <= hour)
        .group_by(*key)
        .order_by(row.hour, func.min(row.started_us))
    )
    return [
        HourExtent(HourRef(channel, EpochRef(device, epoch), number), started, count)
        for device, epoch, channel, number, started, count in await db.execute(query)
    ]


async def list_of_hours(db: AsyncSession, hours: Sequence[HourRef]) -> list[UUID]:
    """Ids of all segments of these channel-hours."""
    row = SegmentRow
    found: list[UUID] = []
    for start in range(0, len(hours), _BATCH):
        keys = [
            (hour.channel_id, hour.hour, hour.epoch.device_id, hour.epoch.number)
            for hour in hours[start : start + _BATCH]
        ]
        query = select(row.id).where(tuple_(row.channel_id, row.hour, row.device_id, row.epoch).in_(keys))
        found.extend(await db.scalars(query))
    return found


async def list_of_epoch(db: AsyncSession, epoch: EpochRef, limit: int) -> list[UUID]:
    query = select(SegmentRow.id).where(SegmentRow.device_id == epoch.device_id, SegmentRow.epoch == epoch.number)
    return list(await db.scalars(query.limit(limit)))


async def epochs(db: AsyncSession) -> list[EpochRef]:
    rows = await db.execute(select(SegmentRow.device_id, SegmentRow.epoch).distinct())
    return [EpochRef(device, number) for device, number in rows]


async def oldest_evictable(db: AsyncSession, limit: int) -> list[Segment]:
    """Closed segments that nothing protects, oldest first."""
    query = (
        select(SegmentRow)
        .where(SegmentRow.state == SegmentState.CLOSED, SegmentRow.is_protected.is_(False))
        .order_by(SegmentRow.started_us)
        .limit(limit)
    )
    return [_segment(row) for row in await db.scalars(query)]


async def has_protected(db: AsyncSession, hour: HourRef) -> bool:
    query = select(SegmentRow.id).where(_in_hour(hour), SegmentRow.is_protected.is_(True)).limit(1)
    return (await db.scalars(query)).first() is not None


async def protect(db: AsyncSession, channel_id: UUID, from_us: int, to_us: int, *, is_protected: bool) -> int:
    """Marks what a full disk must spare; returns the number of segments."""
    condition = and_(SegmentRow.channel_id == channel_id, SegmentRow.started_us < to_us, SegmentRow.ended_us >= from_us)
    found = list(await db.scalars(select(SegmentRow.id).where(condition)))
    await db.execute(update(SegmentRow).where(condition).values(is_protected=is_protected))
    return len(found)


async def mark_damaged(db: AsyncSession, segment_id: UUID, from_us: int, to_us: int) -> bool:
    """Widens the damaged stretch of a segment; True if it grew."""
    row = await db.get(SegmentRow, segment_id)
    if row is None:
        return False
    start = from_us if row.damaged_from_us is None else min(from_us, row.damaged_from_us)
    end = to_us if row.damaged_to_us is None else max(to_us, row.damaged_to_us)
    has_grown = (start, end) != (row.damaged_from_us, row.damaged_to_us)
    row.damaged_from_us, row.damaged_to_us = start, end
    await db.flush()
    return has_grown


async def totals(db: AsyncSession) -> tuple[int, int]:
    """Number and bytes of all stored segments."""
    row = (await db.execute(select(func.count(), func.coalesce(func.sum(SegmentRow.size_bytes), 0)))).one()
    return int(row[0]), int(row[1])


def _in_hour(hour: HourRef) -> Any:
    return and_(
        SegmentRow.channel_id == hour.channel_id,
        SegmentRow.hour == hour.hour,
        SegmentRow.device_id == hour.epoch.device_id,
        SegmentRow.epoch == hour.epoch.number,
    )


def _row(segment: Segment) -> SegmentRow:
    start, end = segment.damaged_us or (None, None)
    return SegmentRow(
        id=segment.id,
        device_id=segment.hour.epoch.device_id,
        epoch=segment.hour.epoch.number,
        channel_id=segment.hour.channel_id,
        hour=segment.hour.hour,
        stream=segment.stream,
        run_id=segment.run_id,
        span_id=segment.span_id,
        state=segment.state,
        started_us=segment.started_us,
        ended_us=segment.ended_us,
        first_sequence=segment.first_sequence,
        next_sequence=segment.next_sequence,
        footer_offset=segment.footer_offset,
        size_bytes=segment.size_bytes,
        gap_cause=segment.gap_cause,
        end_cause=segment.end_cause,
        is_protected=segment.is_protected,
        damaged_from_us=start,
        damaged_to_us=end,
    )


def _segment(row: SegmentRow) -> Segment:
    is_damaged = row.damaged_from_us is not None and row.damaged_to_us is not None
    return Segment(
        row.id,
        HourRef(row.channel_id, EpochRef(row.device_id, row.epoch), row.hour),
        StreamKind(row.stream),
        row.run_id,
        row.span_id,
        SegmentState(row.state),
        row.started_us,
        row.ended_us,
        row.first_sequence,
        row.next_sequence,
        row.footer_offset,
        row.size_bytes,
        GapCause(row.gap_cause),
        GapCause(row.end_cause) if row.end_cause else None,
        row.is_protected,
        (row.damaged_from_us, row.damaged_to_us) if is_damaged else None,  # type: ignore[arg-type]
    )
