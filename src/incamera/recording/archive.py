"""Reading recordings back: index first, then any chunks of it, through a bounded pool of threads.

Every read asks the vault for the hour's key, so that what was erased stops at once, also for those who are watching.
What does not open is never skipped silently: the reader gets None in its place and the damage is reported.
"""

import asyncio
import os
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple, TypeVar
from uuid import UUID

from incamera.privacy import open_session
from incamera.protocol.messages import StreamKind
from incamera.recording import repository
from incamera.recording.errors import HourGone
from incamera.recording.model import Segment, SegmentState, segment_path
from incamera.recording.recovery import scan_file
from incamera.recording.segment import (
    HEAD_BYTES,
    HEADER_BYTES,
    MAX_OPENING_BYTES,
    TAG_BYTES,
    Binding,
    NotASegment,
    Opening,
    RecordDamaged,
    SegmentIndex,
    SegmentOpener,
)
from incamera.recording.span import OpenSegment
from incamera.storage.database import Database
from incamera.storage.vault import ScopeKey, Vault

READERS: Final = 4
_RECENT_INDEXES: Final = 64  # about 50 KB each
_READ_BYTES: Final = 8 * 1024 * 1024  # what one read may take into memory

Result = TypeVar("Result")


class Picture(NamedTuple):
    """One stored chunk. `wall_us` is wall time, `decode_time` ticks of the run's timescale."""

    data: bytes
    is_sync: bool
    decode_time: int
    wall_us: int


@dataclass(frozen=True, slots=True)
class OpenedSegment:
    """A segment one can read from. `index` may be shorter than the row says if the tail is damaged."""

    segment: Segment
    opening: Opening
    index: SegmentIndex
    path: Path
    is_complete: bool  # False while it is being written: `reopen` may find more


class Archive:
    """What `playback` and exports read from."""

    def __init__(
        self,
        database: Database,
        vault: Vault,
        folder: Path,
        find_open: Callable[[UUID, StreamKind], list[OpenSegment]],
        report_damage: Callable[[Segment, int, int], Awaitable[None]],
    ) -> None:
        self._database, self._vault, self._folder = database, vault, folder
        self._find_open, self._report_damage = find_open, report_damage
        self._recent: dict[UUID, OpenedSegment] = {}
        self._pool = ThreadPoolExecutor(READERS, thread_name_prefix="media-reader")

    def close(self) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)

    async def find_at(self, channel_id: UUID, stream: StreamKind, wall_us: int) -> Segment | None:
        """The segment to begin with for this moment: the last that began before it, else the first after it."""
        opened, empty = self._open_segments(channel_id, stream), self._empty_segments(channel_id, stream)
        async with open_session(self._database, "B5.playback", writes=False) as db:
            stored = await repository.find_before(db, channel_id, stream, wall_us + 1)
            while stored is not None and stored.id in empty:  # just begun: there is nothing to read yet
                stored = await repository.find_before(db, channel_id, stream, stored.started_us)
            if stored is None and not any(segment.started_us <= wall_us for segment in opened):
                stored = await repository.find_after(db, channel_id, stream, wall_us)
        before = [segment for segment in opened if segment.started_us <= wall_us]
        found = [*before, *([stored] if stored else [])] or opened
        return max(found, key=lambda segment: segment.started_us, default=None)

    async def find_next(self, segment: Segment) -> Segment | None:
        """The segment that follows in time; None at the end of what is recorded."""
        opened = self._open_segments(segment.channel_id, segment.stream)
        async with open_session(self._database, "B5.playback", writes=False) as db:
            after = segment.started_us + 1
            stored = await repository.find_after(db, segment.channel_id, segment.stream, after)
        later = [it for it in opened if it.started_us > segment.started_us]
        return min([*later, *([stored] if stored else [])], key=lambda it: it.started_us, default=None)

    async def find_previous(self, segment: Segment) -> Segment | None:
        """The segment before it in time."""
        async with open_session(self._database, "B5.playback", writes=False) as db:
            return await repository.find_before(db, segment.channel_id, segment.stream, segment.started_us)

    async def open(self, segment: Segment) -> OpenedSegment | None:
        """Opening and index of a segment; None if nothing of it can be read (its hour is erased, or it is damaged)."""
        for current in self._find_open(segment.channel_id, segment.stream):
            if current.segment.id == segment.id:
                row, index = current.readable()
                return OpenedSegment(row, current.file.opening, index, current.file.path, False)
        if segment.state is SegmentState.OPEN:  # as it was when it was looked up; closed by now, as a rule
            segment = await self._find(segment.id) or segment
        if (known := self._recent.get(segment.id)) is not None:
            await self._key(segment)
            return known
        key = await self._key(segment)
        path = segment_path(self._folder, segment.id)
        try:
            opening, index, is_whole = await self._in_pool(lambda: _read_index(path, segment, key))
        except (FileNotFoundError, NotASegment):
            await self._report_damage(segment, segment.started_us, segment.ended_us)
            return None
        if not is_whole:
            sound_until = max(index.wall_us, default=segment.started_us)
            await self._report_damage(segment, sound_until, segment.ended_us)
        opened = OpenedSegment(segment, opening, index, path, True)
        if is_whole and segment.state is SegmentState.CLOSED:
            self._remember(opened)
        return opened

    async def reopen(self, opened: OpenedSegment) -> OpenedSegment | None:
        """The same segment with what was written since, or closed meanwhile."""
        return await self.open(opened.segment)

    async def read(self, opened: OpenedSegment, chunks: Sequence[int]) -> list[Picture | None]:
        """These chunks, in order; None in place of each that does not open. Raises HourGone."""
        key = await self._key(opened.segment)
        binding = _binding(opened.segment)
        pictures = await self._in_pool(lambda: _read_chunks(opened, SegmentOpener(key, binding), chunks))
        damaged = [chunk for chunk, picture in zip(chunks, pictures, strict=True) if picture is None]
        if damaged:
            walls = [opened.index.wall_us[chunk] for chunk in damaged]
            await self._report_damage(opened.segment, min(walls), max(walls))
        return pictures

    async def _find(self, segment_id: UUID) -> Segment | None:
        async with open_session(self._database, "B5.playback", writes=False) as db:
            return await repository.find(db, segment_id)

    def _remember(self, opened: OpenedSegment) -> None:
        """Indexes of the last few segments: scrubbing comes back to them all the time. No key is kept."""
        self._recent[opened.segment.id] = opened
        if len(self._recent) > _RECENT_INDEXES:
            self._recent.pop(next(iter(self._recent)))

    def _open_segments(self, channel_id: UUID, stream: StreamKind) -> list[Segment]:
        return [it.readable()[0] for it in self._find_open(channel_id, stream) if it.durable and not it.is_discarded]

    def _empty_segments(self, channel_id: UUID, stream: StreamKind) -> set[UUID]:
        return {it.segment.id for it in self._find_open(channel_id, stream) if not it.durable}

    async def _key(self, segment: Segment) -> ScopeKey:
        key = await self._vault.find_hour_key(segment.hour)
        if key is None:
            raise HourGone
        return key

    async def _in_pool(self, work: Callable[[], Result]) -> Result:
        return await asyncio.get_running_loop().run_in_executor(self._pool, work)


def batches(opened: OpenedSegment, chunks: Sequence[int], limit: int) -> Sequence[int]:
    """The leading chunks that one read may hold: at most `limit`, and a few megabytes."""
    size = 0
    for count, chunk in enumerate(chunks):
        size += opened.index.sizes[chunk]
        if count >= limit or (size > _READ_BYTES and count):
            return chunks[:count]
    return chunks


def verify(folder: Path, segment: Segment, hour_key: ScopeKey) -> bool:
    """Whether every record of a closed segment opens and none is missing."""
    try:
        found, size = scan_file(segment_path(folder, segment.id), _binding(segment), hour_key)
    except (OSError, NotASegment):
        return False
    return found.has_footer and len(found.index) + 1 == segment.records and size == segment.size_bytes


def _binding(segment: Segment) -> Binding:
    return Binding(segment.id, segment.hour, segment.stream)


def _read_index(path: Path, segment: Segment, key: ScopeKey) -> tuple[Opening, SegmentIndex, bool]:
    """Opening, index, and whether the segment is whole. Falls back to reading all of it where the footer is broken."""
    opener = SegmentOpener(key, _binding(segment))
    if segment.state is SegmentState.CLOSED:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            opening, first_offset = _read_opening(descriptor, opener)
            footer = os.pread(descriptor, segment.size_bytes - segment.footer_offset + 1, segment.footer_offset)
            return opening, opener.open_footer(footer, segment.footer_offset, segment.records, first_offset), True
        except RecordDamaged:
            pass
        finally:
            os.close(descriptor)
    found, _ = scan_file(path, _binding(segment), key)
    return found.opening, found.index, segment.state is SegmentState.OPEN


def _read_opening(descriptor: int, opener: SegmentOpener) -> tuple[Opening, int]:
    head = opener.open_head(0, os.pread(descriptor, HEAD_BYTES, HEADER_BYTES))
    if head.size > MAX_OPENING_BYTES:
        raise RecordDamaged("record 0 is too long")
    size = HEAD_BYTES + head.size + TAG_BYTES
    return opener.open_opening(os.pread(descriptor, size, HEADER_BYTES)), HEADER_BYTES + size


def _read_chunks(opened: OpenedSegment, opener: SegmentOpener, chunks: Sequence[int]) -> list[Picture | None]:
    try:
        descriptor = os.open(opened.path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return [None] * len(chunks)
    try:
        return [
            picture
            for start, end in _neighbours(chunks)
            for picture in _read_stretch(descriptor, opened.index, opener, start, end)
        ]
    finally:
        os.close(descriptor)


def _neighbours(chunks: Sequence[int]) -> list[tuple[int, int]]:
    """[4, 5, 6, 9] → [(4, 7), (9, 10)]: each is one read."""
    stretches: list[tuple[int, int]] = []
    for chunk in chunks:
        if stretches and stretches[-1][1] == chunk:
            stretches[-1] = stretches[-1][0], chunk + 1
        else:
            stretches.append((chunk, chunk + 1))
    return stretches


def _read_stretch(
    descriptor: int, index: SegmentIndex, opener: SegmentOpener, start: int, end: int
) -> list[Picture | None]:
    base = index.offsets[start]
    data = memoryview(os.pread(descriptor, index.end(end - 1) - base, base))
    return [
        _open_chunk(opener, chunk, data[index.offsets[chunk] - base : index.end(chunk) - base])
        for chunk in range(start, end)
    ]


def _open_chunk(opener: SegmentOpener, chunk: int, sealed: memoryview) -> Picture | None:
    try:
        head, body = opener.open_chunk(chunk + 1, sealed)
    except RecordDamaged:
        return None
    return Picture(body, head.is_sync, head.decode_time, head.wall_us)
