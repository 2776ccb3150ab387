"""What was recorded when, for one channel and one zoom level: runs, and gaps with their cause.

Pure rules on stretches of wall time in microseconds, fed from the index (closed segments), the recorder (segments
being written) and the list of damage. What is shorter than the resolution is not worth a pixel and is merged away.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from itertools import pairwise
from typing import Final, TypeVar
from uuid import UUID

from incamera.kit.clock import Clock
from incamera.privacy import open_session
from incamera.protocol.messages import GapCause, StreamKind
from incamera.recording import CONTINUOUS_US, Recorder, Segment, TimelineIndex, cause_of_gap
from incamera.storage.database import Database

LONGEST_RANGE: Final = timedelta(days=32)
_SHOWN: Final = (StreamKind.MAIN, StreamKind.SUB, StreamKind.AUDIO)  # whose gaps count: the first that is there


@dataclass(frozen=True, slots=True)
class Stretch:
    """Recorded without a break; `cause` says why there is nothing just before it."""

    from_us: int
    to_us: int
    cause: GapCause


@dataclass(frozen=True, slots=True)
class Hole:
    """Nothing was recorded here, or it does not open."""

    from_us: int
    to_us: int
    cause: GapCause


@dataclass(frozen=True, slots=True)
class Timeline:
    """The answer to one question. `oldest_us` and `newest_us` are those of the channel; None if it has nothing."""

    runs: dict[StreamKind, list[Stretch]]
    gaps: list[Hole]
    oldest_us: int | None
    newest_us: int | None
    now_us: int


Piece = TypeVar("Piece", Stretch, Hole)


class TimelineReader:
    """Answers from the timeline index and the segments being written."""

    def __init__(self, database: Database, recorder: Recorder, clock: Clock) -> None:
        self._database, self._recorder, self._clock = database, recorder, clock

    async def read(self, channel_id: UUID, from_us: int, to_us: int, resolution_us: int) -> Timeline:
        """The caller has asked the door, and cut the range to what the person may see."""
        tolerance_us = max(CONTINUOUS_US, resolution_us)
        async with open_session(self._database, "B5.playback", writes=False) as db:
            index = TimelineIndex(db, channel_id)
            runs = await self._runs(index, from_us, to_us, tolerance_us)
            shown = next((stream for stream in _SHOWN if runs.get(stream)), StreamKind.MAIN)
            gaps = await self._gaps(index, shown, runs.get(shown, []), (from_us, to_us), tolerance_us)
            damage = await index.damage(from_us, to_us)
            bounds = await index.bounds()
        for stream, start, end in damage:
            runs[stream] = cut(runs.get(stream, []), start, end)
        gaps += [Hole(start, end, GapCause.DAMAGED) for stream, start, end in damage if stream is shown]
        return Timeline(
            {stream: clip(stretches, from_us, to_us) for stream, stretches in runs.items()},
            sorted(clip(gaps, from_us, to_us), key=lambda hole: hole.from_us),
            bounds[0] if bounds else None,
            self.newest(channel_id, bounds[1]) if bounds else None,
            self._clock.now_us(),
        )

    async def _runs(
        self, index: TimelineIndex, from_us: int, to_us: int, tolerance_us: int
    ) -> dict[StreamKind, list[Stretch]]:
        runs = {}
        stored = await index.islands(from_us, to_us, tolerance_us)
        for stream in StreamKind:
            written = self._being_written(index.channel_id, stream)
            stretches = [Stretch(*island) for island in stored.get(stream, ())]
            stretches += [Stretch(it.started_us, it.ended_us, it.gap_cause) for it in written]
            if stretches:
                runs[stream] = merge(stretches, tolerance_us)
        return runs

    async def _gaps(
        self,
        index: TimelineIndex,
        stream: StreamKind,
        stretches: Sequence[Stretch],
        bounds: tuple[int, int],
        tolerance_us: int,
    ) -> list[Hole]:
        from_us, to_us = bounds
        gaps = between(stretches)
        first_us, last_us = (stretches[0].from_us, stretches[-1].to_us) if stretches else (to_us, from_us)
        if first_us - from_us > tolerance_us and (earlier := await index.before(stream, from_us)) is not None:
            if stretches:
                gaps.append(Hole(earlier.ended_us, first_us, cause_of_gap(earlier.end_cause, stretches[0].cause)))
            last_us = last_us if stretches else earlier.ended_us
        is_gap_after = to_us - last_us > tolerance_us and not self._being_written(index.channel_id, stream)
        if is_gap_after and (last := await index.before(stream, last_us + 1)) is not None:
            gaps.append(self._after(last, last_us, await index.after(stream, last_us + 1)))
        return gaps

    def _after(self, last: Segment, last_us: int, following: Segment | None) -> Hole:
        if following is not None:
            return Hole(last_us, following.started_us, cause_of_gap(last.end_cause, following.gap_cause))
        return Hole(last_us, self._clock.now_us(), last.end_cause or GapCause.LINE_LOST)

    def _being_written(self, channel_id: UUID, stream: StreamKind) -> list[Segment]:
        return [it.readable()[0] for it in self._recorder.open_segments(channel_id, stream) if it.durable]

    def newest(self, channel_id: UUID, stored_us: int) -> int:
        """End of a channel's recordings: as stored, or as far as it is being written."""
        written = [it.ended_us for stream in StreamKind for it in self._being_written(channel_id, stream)]
        return max([stored_us, *written])


def merge(stretches: Iterable[Stretch], tolerance_us: int) -> list[Stretch]:
    """In order, with what is at most `tolerance_us` apart made one."""
    merged: list[Stretch] = []
    for stretch in sorted(stretches, key=lambda it: it.from_us):
        if merged and stretch.from_us - merged[-1].to_us <= tolerance_us:
            merged[-1] = replace(merged[-1], to_us=max(merged[-1].to_us, stretch.to_us))
        else:
            merged.append(stretch)
    return merged


def between(stretches: Sequence[Stretch]) -> list[Hole]:
    """The holes between neighbours."""
    return [Hole(before.to_us, after.from_us, after.cause) for before, after in pairwise(stretches)]


def cut(stretches: Iterable[Stretch], from_us: int, to_us: int) -> list[Stretch]:
    """What is left of stretches outside a damaged part."""
    left: list[Stretch] = []
    for stretch in stretches:
        if to_us < stretch.from_us or from_us > stretch.to_us:
            left.append(stretch)
            continue
        if from_us > stretch.from_us:
            left.append(replace(stretch, to_us=from_us))
        if to_us < stretch.to_us:
            left.append(Stretch(to_us, stretch.to_us, GapCause.DAMAGED))
    return left


def clip(pieces: Iterable[Piece], from_us: int, to_us: int) -> list[Piece]:
    """What lies in [from, to]."""
    inside = [
        replace(it, from_us=max(it.from_us, from_us), to_us=min(it.to_us, to_us))
        for it in pieces
        if it.from_us < to_us and it.to_us >= from_us
    ]
    return [it for it in inside if it.to_us >= it.from_us]
