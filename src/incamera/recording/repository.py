"""Every query of the index of recordings."""

from collections.abc import AsyncIterator, Iterable, Sequence
from typing import Any, Final, NamedTuple
from uuid import UUID

from sqlalchemy import BigInteger, and_, bindparam, cast, delete, func, literal_column, or_, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from incamera.protocol.messages import GapCause, StreamKind
from incamera.recording.model import (
    CONTINUOUS_US,
    LONGEST_SEGMENT_US,
    UNKNOWN_US,
    Segment,
    SegmentState,
    cause_of_gap,
    hour_of,
)
from incamera.recording.tables import IS_EVICTABLE, IS_OPEN, SegmentRow
from incamera.storage.vault import EpochRef, HourRef

_BATCH: Final = 200  # tuples per statement; SQLite takes 32,766 variables
_PARTS_OF_IDS: Final = 1024  # 20,000 segments are told to a fourth, ten million to a hundredth
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
    row = _row(segment)
    row.missing_us = segment.missing_us
    db.add(row)
    await db.flush()


async def save(db: AsyncSession, segment: Segment) -> None:
    """Writes a known segment's row again; makes it if it is lost. What is missing before it stays as the index has it.

    Only `remove` may change that: what is written here was noted before the neighbours went.
    """
    await db.merge(_row(segment))
    await db.flush()


async def find(db: AsyncSession, segment_id: UUID) -> Segment | None:
    row = await db.get(SegmentRow, segment_id)
    return None if row is None else _segment(row)


async def remove(db: AsyncSession, segment_ids: Iterable[UUID]) -> None:
    """Forgets segments; what followed on them now follows on a gap."""
    ids = list(segment_ids)
    for start in range(0, len(ids), _BATCH):
        batch = SegmentRow.id.in_(ids[start : start + _BATCH])
        places = (SegmentRow.channel_id, SegmentRow.stream, SegmentRow.started_us)
        gone = (await db.execute(select(*places).where(batch).order_by(*places))).all()
        await db.execute(delete(SegmentRow).where(batch))
        for channel_id, stream, first_us, last_us in _neighbours([(row[0], row[1], row[2]) for row in gone]):
            follower = and_(
                SegmentRow.channel_id == channel_id,
                SegmentRow.stream == stream,
                SegmentRow.started_us >= first_us,
                SegmentRow.started_us <= last_us + REACH_US,
            )
            await db.execute(update(SegmentRow).where(follower).values(missing_us=UNKNOWN_US))


def _neighbours(places: Iterable[tuple[UUID, str, int]]) -> list[tuple[UUID, str, int, int]]:
    """Places in order → (channel, stream, first, last) of those that lie close together."""
    found: list[tuple[UUID, str, int, int]] = []
    for channel_id, stream, started_us in places:
        if found and found[-1][:2] == (channel_id, stream) and started_us - found[-1][3] <= REACH_US:
            found[-1] = (*found[-1][:3], started_us)
        else:
            found.append((channel_id, stream, started_us, started_us))
    return found


async def all_ids(db: AsyncSession) -> set[UUID]:
    return set(await db.scalars(select(SegmentRow.id)))


async def ids_between(db: AsyncSession, first: UUID, last: UUID) -> set[UUID]:
    """Both included."""
    return set(await db.scalars(select(SegmentRow.id).where(SegmentRow.id.between(first, last))))


async def list_open(db: AsyncSession) -> list[Segment]:
    rows = await db.scalars(select(SegmentRow).where(IS_OPEN))
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


async def next_first_sequence(db: AsyncSession, segment: Segment) -> int | None:
    """With which chunk the next segment of its span begins: it then holds the rest. None if there is none.

    One that begins with the same chunk counts if it is closed. (Of two left open the first one that recovery closes
    counts for the other.)
    """
    row = SegmentRow
    counts = or_(row.state == SegmentState.CLOSED, row.first_sequence > segment.first_sequence)
    query = select(func.min(row.first_sequence)).where(
        row.span_id == segment.span_id,
        row.channel_id == segment.channel_id,
        row.id != segment.id,
        row.first_sequence >= segment.first_sequence,
        counts,
    )
    return await db.scalar(query)


async def find_before(db: AsyncSession, channel_id: UUID, stream: StreamKind, before_us: int) -> Segment | None:
    """The last segment that began before this moment."""
    given = {"channel_id": channel_id, "stream": stream, "started_us": before_us}
    row = (await db.scalars(_BEFORE, given)).first()
    return None if row is None else _segment(row)


async def find_after(db: AsyncSession, channel_id: UUID, stream: StreamKind, from_us: int) -> Segment | None:
    """The first segment that began at this moment or later."""
    given = {"channel_id": channel_id, "stream": stream, "started_us": from_us}
    row = (await db.scalars(_AFTER, given)).first()
    return None if row is None else _segment(row)


async def islands(
    db: AsyncSession, channel_id: UUID, from_us: int, to_us: int, tolerance_us: int
) -> dict[StreamKind, list[Island]]:
    """Unbroken stretches of each stream that touch [from, to), in order; a stream that has none is left out.

    A stretch ends where more than `tolerance_us` follow without a chunk. Only segments are looked at before which so
    much may be missing (`missing_us`), and what is really missing is read from their neighbours: a month of a steady
    camera is a handful of look-ups instead of 43,000 rows, and never more than the range holds tolerances.
    """
    given = {"channel_id": channel_id, "from_us": from_us, "to_us": to_us}
    edges = (await db.execute(_EDGES, given)).one()
    found = {
        stream: [Island(first_us, last_us, GapCause(cause))]
        for stream, (first_us, cause, last_us) in zip(
            StreamKind, zip(edges[::3], edges[1::3], edges[2::3], strict=True), strict=True
        )
        if first_us is not None
    }
    for name, started_us, begun, before_us, ended in await db.execute(_BREAKS, given | {"tolerance_us": tolerance_us}):
        stretches = found.get(StreamKind(name))
        if stretches is None or before_us is None or started_us - before_us <= tolerance_us:
            continue
        before, last_us = stretches[-1], stretches[-1].ended_us
        if started_us <= before.started_us:  # the first one that touches the range begins here, or later
            continue
        stretches[-1] = before._replace(ended_us=before_us)
        cause = cause_of_gap(GapCause(ended) if ended else None, GapCause(begun))
        stretches.append(Island(started_us, last_us, cause))
    return found


async def missing_before(db: AsyncSession, channel_id: UUID, stream: StreamKind, started_us: int) -> int:
    """How much is missing, for all the index knows, before a segment that begins at this moment."""
    given = {"channel_id": channel_id, "stream": stream, "started_us": started_us}
    ended_us = await db.scalar(_END_BEFORE, given)
    return UNKNOWN_US if ended_us is None else max(0, started_us - ended_us)


def _last_before(before: Any, column: Any, stream: Any, moment: Any) -> Any:
    """A column of the last segment of a stream that began before a moment; `before` is an alias for it."""
    mine = and_(before.channel_id == _CHANNEL, before.stream == stream, before.started_us < moment)
    return select(column).where(mine).order_by(before.started_us.desc()).limit(1)


def _end_at(stream: Any, started_us: Any) -> Any:
    """How far a stream reaches with the segment that begins here: one that began earlier may end later (backlog)."""
    row = aliased(SegmentRow)
    return select(func.max(row.ended_us)).where(
        row.channel_id == _CHANNEL,
        row.stream == stream,
        row.started_us <= started_us,
        row.started_us >= started_us - REACH_US,
    )


def _make_edges() -> Any:
    """Per stream: start of the first segment that touches the range, its cause, end of the last that begins in it."""
    columns = []
    for stream in StreamKind:
        first, last = aliased(SegmentRow), aliased(SegmentRow)
        touching = and_(
            first.channel_id == _CHANNEL,
            first.stream == stream.value,
            first.started_us < _TO,
            first.started_us >= _FROM - REACH_US,
            first.ended_us >= _FROM,
        )
        columns += [
            select(column)
            .where(touching)
            .order_by(first.started_us)
            .limit(1)
            .scalar_subquery()
            .label(f"{stream}_{name}")
            for name, column in (("first", first.started_us), ("cause", first.gap_cause))
        ]
        columns.append(_last_before(last, last.started_us, stream.value, _TO).scalar_subquery().label(f"{stream}_last"))
    found = select(*columns).subquery()
    return select(
        *(
            column
            for stream in StreamKind
            for column in (
                found.c[f"{stream}_first"],
                found.c[f"{stream}_cause"],
                _end_at(stream.value, found.c[f"{stream}_last"]).correlate(found).scalar_subquery(),
            )
        )
    )


def _make_breaks() -> Any:
    """Per segment that may follow on a gap: stream, start, cause, end of the one before it, and why that ended."""
    begun, before, last = aliased(SegmentRow), aliased(SegmentRow), aliased(SegmentRow)
    found = (
        select(
            begun.stream,
            begun.started_us,
            begun.gap_cause,
            _last_before(before, before.started_us, begun.stream, begun.started_us)
            .correlate(begun)
            .scalar_subquery()
            .label("before_us"),
        )
        .where(
            begun.channel_id == _CHANNEL,
            begun.started_us > _FROM - REACH_US,
            begun.started_us < _TO,
            begun.missing_us > literal_column(str(CONTINUOUS_US)),  # as MAY_BEGIN
            begun.missing_us > bindparam("tolerance_us", type_=BigInteger),
        )
        .subquery()
    )
    ended = (
        select(last.end_cause)
        .where(last.channel_id == _CHANNEL, last.stream == found.c.stream, last.started_us == found.c.before_us)
        .limit(1)
    )
    return select(
        found.c.stream,
        found.c.started_us,
        found.c.gap_cause,
        _end_at(found.c.stream, found.c.before_us).correlate(found).scalar_subquery(),
        ended.correlate(found).scalar_subquery(),
    ).order_by(found.c.started_us)


def _make_end_before() -> Any:
    last, started_us = aliased(SegmentRow), bindparam("started_us", type_=BigInteger)
    found = select(_last_before(last, last.started_us, _STREAM, started_us).scalar_subquery().label("last")).subquery()
    return select(_end_at(_STREAM, found.c["last"]).correlate(found).scalar_subquery()).select_from(found)


def _make_before() -> Any:
    row, moment = SegmentRow, bindparam("started_us", type_=BigInteger)
    mine = and_(row.channel_id == _CHANNEL, row.stream == _STREAM, row.started_us < moment)
    return select(row).where(mine).order_by(row.started_us.desc()).limit(1)


def _make_after() -> Any:
    row, moment = SegmentRow, bindparam("started_us", type_=BigInteger)
    mine = and_(row.channel_id == _CHANNEL, row.stream == _STREAM, row.started_us >= moment)
    return select(row).where(mine).order_by(row.started_us).limit(1)


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


def _make_oldest() -> Any:
    """Per channel: start of the first segment of each stream."""
    row, step = SegmentRow, aliased(SegmentRow)
    lowest = select(row.channel_id).order_by(row.channel_id).limit(1).scalar_subquery()
    walk = select(lowest.label("channel_id")).cte("walk", recursive=True)
    following = select(step.channel_id).where(step.channel_id > walk.c.channel_id).order_by(step.channel_id).limit(1)
    walk = walk.union_all(
        select(following.correlate(walk).scalar_subquery()).select_from(walk).where(walk.c.channel_id.is_not(None))
    )
    starts = []
    for stream in StreamKind:
        first = aliased(SegmentRow)
        mine = and_(first.channel_id == walk.c.channel_id, first.stream == stream.value)
        query = select(first.started_us).where(mine).order_by(first.started_us).limit(1)
        starts.append(query.correlate(walk).scalar_subquery())
    return select(walk.c.channel_id, *starts).where(walk.c.channel_id.is_not(None))


def _make_walk(*columns: Any) -> Any:
    """Every combination of values that these columns have behind a given one, in order, at most `steps`.

    The columns lead an index. Neither database skips through one by itself for DISTINCT or GROUP BY: it reads an entry
    per row. Here each step seeks the first entry behind the last combination.
    """
    names = [it.key for it in columns]
    begin = [cast(bindparam(it.key, type_=it.type), it.type).label(it.key) for it in columns]
    walk = select(*begin, literal_column("0").label("step")).cte("walk", recursive=True)
    row = aliased(SegmentRow)
    walk = walk.union_all(
        select(*(getattr(row, name) for name in names), walk.c.step + 1)
        .select_from(walk)
        .join(row, row.id == _first_behind(walk, names))
        .where(walk.c.step < bindparam("steps", type_=BigInteger))
    )
    return select(*(walk.c[name] for name in names)).where(walk.c.step > 0).order_by(walk.c.step)


def _first_behind(walk: Any, names: Sequence[str]) -> Any:
    """Id of the first segment behind these values of `walk`: same ones but for a higher last, else last but one, ...

    One comparison of rows would say it all, but the columns of a recursive query have an affinity, and SQLite then
    seeks by the first column alone and sorts what lies behind (measured: all hours took more than ten minutes).
    """
    found = []
    for number in reversed(range(len(names))):
        seek = aliased(SegmentRow)
        same = [getattr(seek, name) == walk.c[name] for name in names[:number]]
        higher = getattr(seek, names[number]) > walk.c[names[number]]
        order = [getattr(seek, name) for name in names[number:]]
        query = select(seek.id).where(*same, higher).order_by(*order).limit(1)
        found.append(query.correlate(walk).scalar_subquery())
    return func.coalesce(*found)


_CHANNEL: Final = bindparam("channel_id", type_=SegmentRow.channel_id.type)
_STREAM: Final = bindparam("stream", type_=SegmentRow.stream.type)
_FROM: Final = bindparam("from_us", type_=BigInteger)
_TO: Final = bindparam("to_us", type_=BigInteger)
# Built once: putting a statement together costs more than asking it.
_EDGES: Final = _make_edges()
_BREAKS: Final = _make_breaks()
_END_BEFORE: Final = _make_end_before()
_BOUNDS: Final = _make_bounds()
_BEFORE: Final = _make_before()
_AFTER: Final = _make_after()
_OLDEST: Final = _make_oldest()
_NEXT_HOURS: Final = _make_walk(SegmentRow.channel_id, SegmentRow.hour, SegmentRow.device_id, SegmentRow.epoch)
_NEXT_EPOCHS: Final = _make_walk(SegmentRow.device_id, SegmentRow.epoch)
_ENDLESS: Final = 1 << 62  # steps


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


async def oldest_of_channels(db: AsyncSession) -> dict[UUID, int]:
    """Start of the oldest segment of each channel that has any: four look-ups a channel, however much it holds."""
    found: dict[UUID, int] = {}
    for channel_id, *starts in await db.execute(_OLDEST):
        found[channel_id] = min(start for start in starts if start is not None)
    return found


async def hours_begun_until(db: AsyncSession, channel_ids: Iterable[UUID], until_us: int) -> list[HourExtent]:
    """Channel-hours of these channels whose first chunk came at this moment or before, oldest first.

    Reads the index entries of these hours and of one more per channel, no rows.
    """
    row, ids = SegmentRow, sorted(channel_ids)
    key = (row.channel_id, row.hour, row.device_id, row.epoch)
    first_us = func.min(row.started_us)
    found: list[HourExtent] = []
    for start in range(0, len(ids), _BATCH):
        query = (
            select(*key, first_us, func.count())
            .where(row.channel_id.in_(ids[start : start + _BATCH]), row.hour <= hour_of(until_us))
            .group_by(*key)
            .having(first_us <= until_us)
        )
        for channel_id, hour, device_id, epoch, started_us, segments in await db.execute(query):
            found.append(HourExtent(_hour(channel_id, hour, device_id, epoch), started_us, segments))
    return sorted(found, key=lambda extent: extent.started_us)


async def list_hours(db: AsyncSession, after: HourRef | None, limit: int) -> list[HourRef]:
    """The channel-hours that have segments, in the order of channel and hour: at most `limit`, behind `after`.

    Steps through the index from one hour to the next, so that a page costs what it names.
    """
    begin = HourRef(UUID(int=0), EpochRef(UUID(int=0), -1), -1) if after is None else after
    given = {"channel_id": begin.channel_id, "hour": begin.hour}
    given |= {"device_id": begin.epoch.device_id, "epoch": begin.epoch.number}
    return [_hour(*values) for values in await db.execute(_NEXT_HOURS, given | {"steps": limit})]


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
    """Every ownership period that has segments."""
    begin = {"device_id": UUID(int=0), "epoch": -1}
    return [EpochRef(*values) for values in await db.execute(_NEXT_EPOCHS, begin | {"steps": _ENDLESS})]


async def oldest_evictable(db: AsyncSession, limit: int) -> list[Segment]:
    """Closed segments that nothing protects, oldest first."""
    query = select(SegmentRow).where(IS_EVICTABLE).order_by(SegmentRow.started_us).limit(limit)
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


async def count(db: AsyncSession) -> int:
    """How many segments there are. Reads an entry for each: more than a second with ten million."""
    return int(await db.scalar(select(func.count()).select_from(SegmentRow)) or 0)


async def estimate(db: AsyncSession) -> int:
    """About how many segments there are: their ids are random, so the first part of all ids stands for the others."""
    first = SegmentRow.id.between(UUID(int=0), UUID(int=(1 << 128) // _PARTS_OF_IDS - 1))
    return _PARTS_OF_IDS * int(await db.scalar(select(func.count()).select_from(SegmentRow).where(first)) or 0)


def _hour(channel_id: UUID, hour: int, device_id: UUID, epoch: int) -> HourRef:
    return HourRef(channel_id, EpochRef(device_id, epoch), hour)


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
        row.missing_us,
    )
