"""One span being recorded: frames in, sealed segments out, acknowledgements for what is durable.

```
append ─► waiting (bounded) ─► pump, once a second or at 1 MiB ─► writer thread ─► durable ─► on_durable(sequence)
             │ full: the rest is dropped, and asked for again once half is free (on_resend)
             └ hour destroyed: acknowledged as gone and dropped
```

A frame leaves `waiting` only when it is durable, so after a failed write nothing is lost: the broken segment is cut
back to its last durable chunk and closed, and the same frames go into a new one.
"""

import asyncio
import errno
import os
import sqlite3
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Protocol
from uuid import UUID

from incamera.kit.clock import Clock
from incamera.protocol.frames import MediaFrame
from incamera.protocol.messages import GapCause, StreamOpen
from incamera.recording.model import (
    UNKNOWN_US,
    OpenShape,
    Segment,
    SegmentState,
    clamp_wall,
    hour_of,
    segment_path,
)
from incamera.recording.segment import Binding, Opening, SegmentIndex
from incamera.recording.writer import SegmentFile, VolumeWriter
from incamera.storage.vault import EpochRef, HourRef, KeyDestroyed, ScopeKey

FLUSH_S: Final = 1.0
_BEATS: Final = 4  # per FLUSH_S: what is due within one goes to the writer thread together, in one round
EAGER_BYTES: Final = 1024 * 1024
BATCH_BYTES: Final = 4 * 1024 * 1024
BATCH_FRAMES: Final = 1000
RETRY_S: Final = 1.0
IDLE_S: Final = 30.0  # a camera that says nothing for so long: the file is closed, its footer makes it whole
FRAME_COSTS_BYTES: Final = 512  # beside its chunk: frames of one byte must not fill the memory by their number
_ASK_AGAIN_S: Final = 10.0
_INSISTS_AFTER: Final = 3  # failures for want of room in a row, on a volume that shows some
_LAST_ATTEMPTS: Final = 3  # of a span that closes while the disk refuses
_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT})


class MemoryBudget:
    """Bytes that all spans together may hold while the disk is slow."""

    def __init__(self, limit_bytes: int, span_limit_bytes: int) -> None:
        self.limit_bytes, self.span_limit_bytes = limit_bytes, span_limit_bytes
        self.used_bytes = 0

    def take(self, size: int, held_by_span: int) -> bool:
        is_over = held_by_span + size > self.span_limit_bytes or self.used_bytes + size > self.limit_bytes
        if is_over and held_by_span:  # one chunk, however large, always fits: a span must be able to go on
            return False
        self.used_bytes += size
        return True

    def give_back(self, size: int) -> None:
        self.used_bytes -= size


class SpanIndex(Protocol):
    """The rows, as a span needs them; implemented by `recorder`."""

    async def opened(self, segment: Segment) -> None:
        """Commits the row of a segment that is about to exist."""
        ...

    async def closed(self, segment: Segment) -> None: ...

    def unfinished(self, segment: Segment) -> None:
        """The file could not be closed; recovery shall do it as soon as it can."""
        ...

    async def vanished(self, segment: Segment) -> None:
        """Nothing durable came of it: the row goes."""
        ...


class KeyRing(Protocol):
    """What a span needs of the vault."""

    @property
    def media_key(self) -> ScopeKey: ...

    async def hour_key(self, hour: HourRef) -> ScopeKey: ...


@dataclass(frozen=True, slots=True)
class SpanTools:
    """What all spans share."""

    folder: Path
    writer: VolumeWriter
    index: SpanIndex
    keys: KeyRing
    budget: MemoryBudget
    clock: Clock
    is_expired: Callable[[UUID, int], bool]  # channel, wall time: older than the channel's recordings may be
    make_room: Callable[[bool], Awaitable[bool]]  # whether to insist
    complain: Callable[[Exception], None]  # logs a failure, at most once a minute
    on_written: Callable[[int], None]  # bytes
    on_clamped: Callable[[UUID], None]  # the edge's clock is ahead on this channel


@dataclass(slots=True)
class OpenSegment:
    """A segment being written. `durable` chunks of it may be read."""

    segment: Segment
    file: SegmentFile
    key: ScopeKey
    last_us: int
    durable: int = 0
    is_discarded: bool = False

    @property
    def binding(self) -> Binding:
        return Binding(self.segment.id, self.segment.hour, self.segment.stream)

    @property
    def shape(self) -> OpenShape:
        segment = self.segment
        return OpenShape(segment.hour.hour, segment.started_us, self.last_us, segment.next_sequence)

    def readable(self) -> tuple[Segment, SegmentIndex]:
        """The durable part, as if it were closed (no footer yet)."""
        index = self.file.index.upto(self.durable)
        ended_us = max(index.wall_us, default=self.segment.started_us)
        return replace(self.segment, ended_us=ended_us, next_sequence=index.first_sequence + self.durable), index


class RecordingSpan:
    """Implements `streams.SpanWriter`. Made by the recorder, which starts `run`."""

    def __init__(
        self,
        opened: StreamOpen,
        epoch: EpochRef,
        next_sequence: int,
        tools: SpanTools,
        on_durable: Callable[[int], None],
        on_resend: Callable[[int], None],
    ) -> None:
        self.opened, self.epoch = opened, epoch
        self._tools = tools
        self._on_durable, self._on_resend = on_durable, on_resend
        self._waiting: deque[tuple[MediaFrame, int]] = deque()
        self._held_bytes = 0
        self._wanted = next_sequence  # the next sequence to take in
        self._is_overflowing = False
        self._asked_at = -_ASK_AGAIN_S
        self._wake = asyncio.Event()
        self._end_cause: GapCause | None = None
        self._gap_cause = opened.gap_cause
        self._last_frame_s = tools.clock.monotonic()
        self._stored_until_us: int | None = None  # end of the last closed segment
        self._full_in_a_row = 0
        self.current: OpenSegment | None = None
        self.hour: HourRef | None = None  # of the last segment, also between two

    # --- SpanWriter -------------------------------------------------------------------------------------------------

    def append(self, frame: MediaFrame) -> None:
        if self._end_cause is not None:
            return
        self._last_frame_s = self._tools.clock.monotonic()
        if frame.sequence != self._wanted:
            self._judge(frame.sequence)
            return
        cost = _cost(frame)
        if not self._tools.budget.take(cost, self._held_bytes):
            self._is_overflowing = True
            return
        self._is_overflowing = False
        self._wanted += 1
        self._held_bytes += cost
        wall_us = clamp_wall(frame.wall_us, self._tools.clock.now_us())
        if wall_us != frame.wall_us:
            self._tools.on_clamped(self.opened.channel_id)
        self._waiting.append((frame, wall_us))
        if self._held_bytes >= EAGER_BYTES:
            self._wake.set()

    def close(self, cause: GapCause) -> None:
        if self._end_cause is None:
            self._end_cause = cause
            self._wake.set()

    # --- for the recorder -------------------------------------------------------------------------------------------

    @property
    def is_closing(self) -> bool:
        return self._end_cause is not None

    @property
    def held_bytes(self) -> int:
        return self._held_bytes

    def discard(self) -> None:
        """The hour of the open segment is destroyed: whatever is written of it is of no use. The file goes too."""
        if self.current is not None:
            self.current.is_discarded = True
            self._wake.set()

    async def run(self) -> None:
        """Moves frames to the disk until the span is closed and everything is durable, or the disk gives up."""
        try:
            while self._end_cause is None:
                await self._nap()
                await self._flush()
            await self._flush()
            await self._finish(self._end_cause)
        finally:
            self._tools.budget.give_back(self._held_bytes)
            self._held_bytes = 0
            self._waiting.clear()
            if self.current is not None:
                # Cancelled: recovery does the rest. The thread may be writing just now, so closing is its business:
                # a descriptor closed under it could already be another file's.
                self._tools.writer.post(self.current.file.release)

    # --- inside -----------------------------------------------------------------------------------------------------

    def _judge(self, sequence: int) -> None:
        if sequence < self._wanted:
            return  # sent again although we have it: its acknowledgement is on its way
        if not self._is_overflowing:
            self._ask_again()

    def _ask_again(self) -> None:
        now = self._tools.clock.monotonic()
        if now - self._asked_at >= _ASK_AGAIN_S:
            self._asked_at = now
            self._on_resend(self._wanted)

    async def _nap(self) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(_until_flush_s(self._tools.clock.monotonic())):
                await self._wake.wait()
        self._wake.clear()

    async def _flush(self) -> None:
        if self.current is not None and self.current.is_discarded:
            await self._finish(None)
        failures = 0
        while self._waiting:
            try:
                await self._advance()
            except Exception as error:  # noqa: BLE001 - whatever it is, the span must not die of it in silence
                failures += 1
                if self._end_cause is not None and failures >= _LAST_ATTEMPTS:
                    return  # the edge keeps what was not acknowledged and sends it again
                await self._failed(error)
        if self._is_overflowing and self._held_bytes <= self._tools.budget.span_limit_bytes // 2:
            self._is_overflowing = False
            self._asked_at = -_ASK_AGAIN_S
            self._ask_again()
        if self._tools.clock.monotonic() - self._last_frame_s > IDLE_S:
            await self._finish(None)

    async def _advance(self) -> None:
        """One step: drop what expired, or open a segment, or write a batch."""
        frame, wall_us = self._waiting[0]
        current = self.current
        if current is not None and (current.is_discarded or not current.shape.takes(frame, wall_us)):
            await self._finish(None)
        if self.current is None and not await self._open(frame, wall_us):
            return
        await self._write(self._batch())

    async def _open(self, frame: MediaFrame, wall_us: int) -> bool:
        """A new segment for this frame; False if its hour is destroyed or over, and the frame was dropped."""
        opened, tools = self.opened, self._tools
        hour = HourRef(opened.channel_id, self.epoch, hour_of(wall_us))
        try:
            if tools.is_expired(opened.channel_id, wall_us):
                raise KeyDestroyed(hour.name)
            key = await tools.keys.hour_key(hour)
        except KeyDestroyed:
            self._drop_hour(hour.hour)
            return False
        self.hour = hour
        segment = self._new_segment(hour, frame, wall_us)
        await tools.index.opened(segment)
        file = self._new_file(segment, key, frame.sequence)
        self.current = OpenSegment(segment, file, key, wall_us)
        await tools.writer.run(file.create)
        return True

    def _new_segment(self, hour: HourRef, frame: MediaFrame, wall_us: int) -> Segment:
        return Segment(
            id=UUID(bytes=os.urandom(16)),  # all 128 bits random: the name of a file tells not even its age
            hour=hour,
            stream=self.opened.stream,
            run_id=self.opened.run_id,
            span_id=self.opened.span_id,
            state=SegmentState.OPEN,
            started_us=wall_us,
            ended_us=wall_us,
            first_sequence=frame.sequence,
            next_sequence=frame.sequence,
            footer_offset=0,
            size_bytes=0,
            gap_cause=self._gap_cause,
            end_cause=None,
            missing_us=UNKNOWN_US if self._stored_until_us is None else max(0, wall_us - self._stored_until_us),
        )

    def _new_file(self, segment: Segment, key: ScopeKey, first_sequence: int) -> SegmentFile:
        opened = self.opened
        opening = Opening(
            run_id=opened.run_id,
            span_id=opened.span_id,
            codec=opened.codec,
            timescale=opened.timescale,
            init_segment=opened.init_segment,
            width=opened.width,
            height=opened.height,
            run_started_us=opened.run_started_us,
            run_decode_time=opened.run_decode_time,
            gap_cause=segment.gap_cause,
            first_sequence=first_sequence,
        )
        path = segment_path(self._tools.folder, segment.id)
        binding = Binding(segment.id, segment.hour, segment.stream)
        return SegmentFile(path, binding, key, self._tools.keys.media_key, opening)

    def _batch(self) -> list[tuple[MediaFrame, int]]:
        """The frames that fit into the open segment, a few megabytes at most."""
        assert self.current is not None
        shape, size = self.current.shape, 0
        batch: list[tuple[MediaFrame, int]] = []
        for frame, wall_us in self._waiting:
            if not shape.takes(frame, wall_us) and batch:
                break
            batch.append((frame, wall_us))
            size += len(frame.chunk)
            shape = OpenShape(shape.hour, shape.started_us, wall_us, frame.sequence + 1)
            if size >= BATCH_BYTES or len(batch) >= BATCH_FRAMES:
                break
        return batch

    async def _write(self, batch: Sequence[tuple[MediaFrame, int]]) -> None:
        current, tools = self.current, self._tools
        assert current is not None
        await tools.writer.run(lambda: current.file.append(batch), current.file)
        size = sum(len(frame.chunk) for frame, _ in batch)
        last, last_us = batch[-1]
        self._full_in_a_row = 0
        current.durable += len(batch)
        current.last_us = last_us
        current.segment = replace(
            current.segment,
            next_sequence=last.sequence + 1,
            ended_us=max(current.segment.ended_us, *(wall_us for _, wall_us in batch)),
        )
        self._gap_cause = GapCause.CAMERA_LOST  # a hole inside a span: the camera paused
        self._let_go(len(batch))
        tools.on_written(size)
        self._on_durable(last.sequence)

    def _let_go(self, frames: int) -> None:
        freed = sum(_cost(self._waiting.popleft()[0]) for _ in range(frames))
        self._held_bytes -= freed
        self._tools.budget.give_back(freed)

    def _drop_hour(self, hour: int) -> None:
        """Acknowledges as gone what belongs to an hour that may not be recorded any more."""
        frames, last = 0, 0
        for frame, wall_us in self._waiting:
            if hour_of(wall_us) != hour:
                break
            frames, last = frames + 1, frame.sequence
        self._let_go(frames)
        self._gap_cause = GapCause.EXPIRED
        self._on_durable(last)

    async def _finish(self, cause: GapCause | None) -> None:
        """Closes the open segment: footer, sync, row. One without a chunk, or of a destroyed hour, leaves nothing."""
        current, self.current = self.current, None
        if current is None:
            return
        try:
            if current.is_discarded or not current.durable:
                await self._tools.writer.run(current.file.discard)
                await self._tools.index.vanished(current.segment)
            else:
                await self._close_file(current, cause)
        except Exception as error:  # noqa: BLE001 - recovery closes the file later
            self._stored_until_us = None
            self._tools.complain(error)
            self._tools.index.unfinished(current.segment)

    async def _close_file(self, current: OpenSegment, cause: GapCause | None) -> None:
        closed = await self._tools.writer.run(lambda: current.file.finish(current.durable))
        done = replace(
            current.segment,
            state=SegmentState.CLOSED,
            footer_offset=closed.footer_offset,
            size_bytes=closed.size_bytes,
            end_cause=cause,
        )
        await self._tools.index.closed(done)
        self._stored_until_us = done.ended_us

    async def _failed(self, error: Exception) -> None:
        """A write, sync or commit failed: let go of the segment, make room if that is what is missing, try again."""
        self._tools.complain(error)
        is_full = is_disk_full(error)
        if is_full:
            self._gap_cause = GapCause.DISK_FULL
        await self._finish(GapCause.DISK_FULL if is_full else None)
        self._full_in_a_row = self._full_in_a_row + 1 if is_full else 0
        if not (is_full and await self._make_room()):
            await self._tools.clock.sleep(RETRY_S)

    async def _make_room(self) -> bool:
        try:
            return await self._tools.make_room(self._full_in_a_row >= _INSISTS_AFTER)
        except Exception as error:  # noqa: BLE001 - a disk that refuses to erase must not end the span
            self._tools.complain(error)
            return False


def _until_flush_s(now_s: float) -> float:
    """How long to wait before the next flush: FLUSH_S, or less so that it ends with a beat that all spans share."""
    return FLUSH_S - (now_s + FLUSH_S) % (FLUSH_S / _BEATS)


def _cost(frame: MediaFrame) -> int:
    return len(frame.chunk) + FRAME_COSTS_BYTES


def is_disk_full(error: BaseException) -> bool:
    """Whether this failure, or what caused it, is a lack of room."""
    if isinstance(error, OSError) and error.errno in _FULL:
        return True
    if isinstance(error, sqlite3.Error) and getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_FULL:
        return True
    cause = getattr(error, "orig", None) or error.__cause__
    return cause is not None and cause is not error and is_disk_full(cause)
