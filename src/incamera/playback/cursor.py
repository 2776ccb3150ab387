"""A place in the recording of one stream, moving along it: over segments, runs, gaps and damage.

`seek` puts it on a sync sample; `read` then gives, in order, what a viewer must be told: a run before its first
picture, a hole where nothing is (or nothing opens), pictures. Nothing is skipped without a hole being told.
"""

from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from incamera.playback.timeline import Hole
from incamera.protocol.messages import GapCause, StreamKind
from incamera.recording import (
    CONTINUOUS_US,
    Archive,
    HourGone,
    OpenedSegment,
    Opening,
    Picture,
    Segment,
    batches,
    cause_of_gap,
)

_CHUNKS_PER_READ: Final = 50
_END_OF_TIME_US: Final = 1 << 62


@dataclass(frozen=True, slots=True)
class RunBegins:
    """The pictures that follow need this init segment. `hole`: what is missing just before."""

    opening: Opening
    hole: Hole | None


Item = RunBegins | Hole | Picture


class Cursor:
    """One stream of one viewer. `earliest_us` is how far back the viewer may look at this moment."""

    def __init__(self, archive: Archive, channel_id: UUID, stream: StreamKind, earliest_us: Callable[[], int]) -> None:
        self._archive, self._channel_id, self.stream = archive, channel_id, stream
        self._earliest_us = earliest_us
        self._segment: Segment | None = None  # the one we are in, also if it does not open
        self._opened: OpenedSegment | None = None
        self._chunk = 0  # the next one to give
        self._last: Picture | None = None
        self._run_id: UUID | None = None
        self._needs_sync = True
        self._hole: Hole | None = None  # to be told before the next picture
        self._told: Hole | None = None  # the last hole told, until a picture follows
        self.is_at_end = False

    @property
    def at_us(self) -> int:
        """Wall time of the next chunk as far as it is known."""
        if self._opened is not None and self._chunk < len(self._opened.index):
            return self._opened.index.wall_us[self._chunk]
        return self._last.wall_us if self._last else 0

    def forget_run(self) -> None:
        """The viewer starts afresh: the run is told again."""
        self._run_id = None

    # --- going to a place -------------------------------------------------------------------------------------------

    async def seek(self, at_us: int, *, jumps_gaps: bool = True) -> bool:
        """To the sync sample at or before a moment; in a gap to what follows it (or, without `jumps_gaps`, before it).

        False if there is nothing to show.
        """
        at_us = max(at_us, self._earliest_us())
        self._last, self._hole, self._opened, self._needs_sync, self.is_at_end = None, None, None, True, False
        self._segment = await self._archive.find_at(self._channel_id, self.stream, at_us)
        if self._segment is not None and jumps_gaps and at_us > self._segment.ended_us + CONTINUOUS_US:
            await self._jump_gap(self._segment)
        while self._segment is not None:
            if await self._open(self._segment) and await self._settle(at_us):
                return True
            self._segment = await self._archive.find_next(self._segment)
        self.is_at_end = True
        return False

    async def _jump_gap(self, before: Segment) -> None:
        following = await self._archive.find_next(before)
        if following is not None:
            self._segment = following
            self._hole = _hole_between(before, before.ended_us, following)

    async def _settle(self, at_us: int) -> bool:
        """Finds the sync sample within the opened segment, or in the one whose pictures it continues."""
        assert self._opened is not None
        index, earliest_us = self._opened.index, self._earliest_us()
        chunk = index.sync_at_or_before(at_us)
        if chunk is None and at_us >= self._opened.segment.started_us and await self._step_back(at_us):
            return True
        if chunk is None:
            chunk = next(iter(index.syncs), None)
        while chunk is not None and index.wall_us[chunk] < earliest_us:
            chunk = index.sync_after(chunk)
        self._chunk = chunk if chunk is not None else len(index)
        return chunk is not None

    async def _step_back(self, at_us: int) -> bool:
        """A segment that was closed in the middle of a GOP: its first pictures decode from the segment before."""
        here = self._opened
        assert here is not None
        before = await self._archive.find_previous(here.segment)
        if before is None or before.run_id != here.segment.run_id or not _touches(before, here.segment):
            return False
        if await self._open(before):
            assert self._opened is not None
            chunk = self._opened.index.sync_at_or_before(at_us)
            if chunk is not None and self._opened.index.wall_us[chunk] >= self._earliest_us():
                self._segment, self._chunk = before, chunk
                return True
        self._opened = here
        return False

    # --- forward, every picture -------------------------------------------------------------------------------------

    async def read(self, until_us: int) -> list[Item]:
        """What comes next, up to a wall time and some fifty chunks; empty if that is reached, or at the end."""
        items: list[Item] = []
        while self._segment is not None:
            chunks = self._chunks_until(until_us)
            if chunks:
                items += await self._give(chunks)
                return items
            if self._opened is not None and self._chunk < len(self._opened.index):
                return items  # what comes next is later than `until_us`
            if not await self._advance(items):
                self.is_at_end = True
                return items
            if items:
                return items
        return items

    def _chunks_until(self, until_us: int) -> Sequence[int]:
        if self._opened is None:
            return ()
        index, end = self._opened.index, self._chunk
        while end < len(index) and index.wall_us[end] <= until_us and end - self._chunk < _CHUNKS_PER_READ:
            end += 1
        return batches(self._opened, range(self._chunk, end), _CHUNKS_PER_READ)

    async def _advance(self, items: list[Item]) -> bool:
        """To the next segment, telling of a hole in between; False at the end of what is recorded."""
        assert self._segment is not None
        if self._opened is not None and await self._has_grown():
            return True
        following = await self._archive.find_next(self._segment)
        if following is None:
            return False
        last_us = self._last.wall_us if self._last else self._segment.ended_us
        if following.started_us - last_us > CONTINUOUS_US:
            self._tell(items, _hole_between(self._segment, last_us, following))
        before, self._segment = self._segment, following
        if not await self._open(following):
            self._tell(items, self._hole)
            return True
        self._chunk = self._first_chunk(before, following)
        return True

    async def _has_grown(self) -> bool:
        """Whether the segment, still being written when we opened it, has more by now."""
        assert self._opened is not None
        if self._opened.is_complete:
            return False
        again = await self._archive.reopen(self._opened)
        if again is None or len(again.index) <= len(self._opened.index):
            return False
        self._opened = again
        return True

    def _first_chunk(self, before: Segment, following: Segment) -> int:
        """Where to go on: without a break if the run does; past what was given already; else at a sync sample."""
        assert self._opened is not None
        index = self._opened.index
        if self._last is not None and before.run_id == following.run_id:
            chunk = bisect_right(index.decode_times, self._last.decode_time)
            if chunk or _touches(before, following):
                return chunk
        self._needs_sync = True
        last_us = self._last.wall_us if self._last else 0
        return next((chunk for chunk in index.syncs if index.wall_us[chunk] > last_us), len(index))

    # --- sync samples only ------------------------------------------------------------------------------------------

    async def current(self) -> list[Item]:
        """The sync sample it stands on."""
        return await self._give([self._chunk]) if self._opened is not None else []

    async def next_sync(self, step_us: int) -> list[Item]:
        """The next sync sample at least `step_us` further on, or further back if negative; empty at the end."""
        items: list[Item] = []
        from_us = self._last.wall_us if self._last else self.at_us
        while self._segment is not None:
            chunk = self._sync_beyond(from_us + step_us, step_us > 0)
            if chunk is not None:
                self._chunk = chunk
                return items + await self._give([chunk])
            if not (await self._advance(items) if step_us > 0 else await self._retreat(items)):
                self.is_at_end = True
                return items
        return items

    def _sync_beyond(self, target_us: int, is_forward: bool) -> int | None:
        if self._opened is None:
            return None
        index = self._opened.index
        if is_forward:
            return next((chunk for chunk in index.syncs if index.wall_us[chunk] >= target_us), None)
        earliest_us = self._earliest_us()
        candidates = reversed(index.syncs)
        return next((chunk for chunk in candidates if earliest_us <= index.wall_us[chunk] <= target_us), None)

    async def _retreat(self, items: list[Item]) -> bool:
        assert self._segment is not None
        before = await self._archive.find_previous(self._segment)
        if before is None or before.ended_us < self._earliest_us():
            return False
        if self._segment.started_us - before.ended_us > CONTINUOUS_US:
            self._tell(items, _hole_between(before, before.ended_us, self._segment))
        self._segment = before
        if not await self._open(before):
            self._tell(items, self._hole)
        return True

    # --- inside -----------------------------------------------------------------------------------------------------

    async def _open(self, segment: Segment) -> bool:
        """False if nothing of it opens; then `_hole` says why."""
        self._opened = None
        try:
            self._opened = await self._archive.open(segment)
            cause = GapCause.DAMAGED
        except HourGone:
            cause = GapCause.EXPIRED
        if self._opened is None:
            self._hole = Hole(segment.started_us, segment.ended_us, cause)
            self._needs_sync = True
            return False
        return True

    async def _give(self, chunks: Sequence[int]) -> list[Item]:
        """Reads chunks and turns them into items; what does not open becomes a hole up to the next sync sample."""
        opened = self._opened
        assert opened is not None
        try:
            pictures = await self._archive.read(opened, chunks)
        except HourGone:
            self._chunk = len(opened.index)
            self._needs_sync = True
            return [Hole(opened.index.wall_us[chunks[0]], opened.segment.ended_us, GapCause.EXPIRED)]
        items: list[Item] = []
        for chunk, picture in zip(chunks, pictures, strict=True):
            self._chunk = chunk + 1
            if picture is None:
                self._needs_sync = True
                _widen(items, opened.index.wall_us[chunk])
            elif self._needs_sync and not picture.is_sync:
                _widen(items, picture.wall_us)
            else:
                self._needs_sync = False
                self._tell_run(items, opened.opening)
                items.append(picture)
                self._last = picture
        return items

    def _tell_run(self, items: list[Item], opening: Opening) -> None:
        self._tell(items, self._hole)
        if opening.run_id != self._run_id:
            self._run_id = opening.run_id
            items.append(RunBegins(opening, self._told))
        self._told = None

    def _tell(self, items: list[Item], hole: Hole | None) -> None:
        self._hole = None
        if hole is not None:
            items.append(hole)
            self._told = hole


def _widen(items: list[Item], wall_us: int) -> None:
    """Pictures that do not open, or cannot be decoded because of those: one hole for neighbours."""
    if items and isinstance(items[-1], Hole) and items[-1].cause is GapCause.DAMAGED:
        items[-1] = Hole(items[-1].from_us, wall_us, GapCause.DAMAGED)
    else:
        items.append(Hole(wall_us, wall_us, GapCause.DAMAGED))


def _touches(before: Segment, after: Segment) -> bool:
    return after.started_us - before.ended_us <= CONTINUOUS_US


def _hole_between(before: Segment, from_us: int, after: Segment) -> Hole:
    return Hole(from_us, after.started_us, cause_of_gap(before.end_cause, after.gap_cause))
