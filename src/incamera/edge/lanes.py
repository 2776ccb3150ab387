"""One stream of one channel on its way up: what its desired mode means, and where one span ends and the next begins.

    off      nothing is kept
    live     the current GOP stays in memory; while somebody watches, a span starts with it and goes on from there
    record   a span is always open; chunks go to the courier, which sends or spools them. It begins with the first sync
             sample after the choice: what the camera saw before is not kept. Who watches meanwhile goes on watching

A new span begins at a sync sample: with a new run, when the line can take pictures live again after it could not, and
in a long break of the line once a minute, so that what waits can be dropped by whole spans.
"""

from dataclasses import dataclass, replace
from typing import Final
from uuid import UUID

from incamera.edge.courier import Courier
from incamera.edge.parcels import OutChunk, Span
from incamera.kit.clock import Clock
from incamera.kit.ids import new_id
from incamera.media.sample import Chunk, TrackConfig
from incamera.protocol.frames import MAX_CHUNK_BYTES
from incamera.protocol.messages import GapCause, StreamKind, StreamMode, StreamOpen

MAX_GOP_BYTES: Final = 16 * 1024 * 1024
MAX_GOP_S: Final = 60.0
MAX_BACKLOG_SPAN_S: Final = 60.0
_REFUSED_PAUSE_S: Final = 5.0


@dataclass(frozen=True, slots=True)
class Run:
    """An unbroken stretch of one stream with one init segment.

    `started_us` and `decode_start` are one moment, as wall time and as decode time. Tracks of one camera share it, so
    that sound lies beside its picture.
    """

    run_id: UUID
    config: TrackConfig
    started_us: int
    decode_start: int
    gap_cause: GapCause

    def resumed_at(self, decode_time: int) -> "Run":
        """A run of its own on the same time line, after a time in which nothing was captured."""
        started_us = self.started_us + (decode_time - self.decode_start) * 1_000_000 // self.config.timescale
        return replace(self, run_id=new_id(), started_us=started_us, decode_start=decode_time)


class GopCache:
    """The chunks since the last sync sample, while they are few enough to be kept."""

    def __init__(self) -> None:
        self.chunks: list[OutChunk] = []
        self._size_bytes = 0

    def push(self, chunk: OutChunk) -> None:
        """Keeps a chunk; a GOP that grows too large is forgotten until the next sync sample."""
        if chunk.is_sync:
            self.clear()
        elif not self.chunks:
            return
        self.chunks.append(chunk)
        self._size_bytes += len(chunk.data)
        if self._size_bytes > MAX_GOP_BYTES or chunk.arrived_s - self.chunks[0].arrived_s > MAX_GOP_S:
            self.clear()

    def clear(self) -> None:
        self.chunks.clear()
        self._size_bytes = 0


class Lane:
    """Takes the chunks of one stream and gives the courier spans of them."""

    def __init__(self, channel_id: UUID, stream: StreamKind, courier: Courier, clock: Clock) -> None:
        self._channel_id = channel_id
        self._stream = stream
        self._courier = courier
        self._clock = clock
        self._epoch = 0
        self._mode = StreamMode.OFF
        self._is_watched = False
        self._run: Run | None = None
        self._next_cause: GapCause | None = None  # of the next span; None: the line was the reason
        self._is_resuming = False  # the stream was off, or another owner's: the next span begins a run of its own
        self._span: Span | None = None
        self._gop = GopCache()
        self._not_before_s = 0.0

    def apply(self, mode: StreamMode, *, is_watched: bool, epoch: int) -> None:
        """The desired state of this stream; takes effect at once."""
        is_same_owner = epoch == self._epoch
        if mode is not self._mode or not is_same_owner:
            # Who watches when recording is turned on sees on: `_record` ends the span for them at the sync sample.
            if not (is_same_owner and mode is StreamMode.RECORD and self._mode is StreamMode.LIVE):
                self._close(GapCause.TURNED_OFF)
            self._next_cause = GapCause.STARTED
            self._is_resuming = True
        if not is_same_owner or mode is not StreamMode.LIVE:
            self._gop.clear()
        self._mode, self._is_watched, self._epoch = mode, is_watched, epoch
        self._not_before_s = 0.0
        if mode is StreamMode.LIVE:
            self._apply_watched()

    @property
    def is_recorded(self) -> bool:
        return self._mode is StreamMode.RECORD

    @property
    def needs_sync(self) -> bool:
        """Whether something that is wanted now can only begin with the next sync sample."""
        if self._run is None:
            return False
        if self._mode is StreamMode.RECORD:
            return self._span is None or not self._span.is_recorded
        return self._mode is StreamMode.LIVE and self._is_watched and self._span is None and not self._gop.chunks

    def begin_run(self, run: Run) -> None:
        """The chunks that follow belong to this run."""
        self._close(run.gap_cause)
        self._gop.clear()
        self._run, self._next_cause, self._is_resuming = run, run.gap_cause, False

    def end_run(self, cause: GapCause) -> None:
        """No chunk follows until the next run."""
        self._close(cause)
        self._gop.clear()
        self._run = None

    def push(self, chunk: Chunk, wall_us: int, arrived_s: float) -> None:
        """The next chunk of the run. Hot: 25 times a second and camera."""
        if len(chunk.data) > MAX_CHUNK_BYTES:
            return  # no server would take it
        out = OutChunk(chunk.decode_time, chunk.composition_offset, chunk.is_sync, wall_us, chunk.data, arrived_s)
        if self._mode is StreamMode.RECORD:
            self._record(out)
        elif self._mode is StreamMode.LIVE:
            self._show(out)

    # --- record -----------------------------------------------------------------------------------------------------

    def _record(self, chunk: OutChunk) -> None:
        span = self._current_span()
        if chunk.is_sync and span is not None:
            if not span.is_recorded:
                self._close(GapCause.TURNED_OFF)
                span = None
            elif self._is_time_for_another(span):
                self._close(self._courier.last_trouble)
                span = None
        if span is None:
            if not chunk.is_sync or chunk.arrived_s < self._not_before_s:
                return
            span = self._open(chunk.decode_time, is_recorded=True)
            if span is None:
                return
        self._courier.append(span, chunk, is_watched=self._is_watched)

    def _is_time_for_another(self, span: Span) -> bool:
        if not span.is_backlog:
            return False
        if self._courier.can_send_live:
            return True
        age_s = self._clock.monotonic() - span.started_s
        return age_s >= MAX_BACKLOG_SPAN_S or span.total_bytes >= self._courier.backlog_span_bytes

    # --- live -------------------------------------------------------------------------------------------------------

    def _show(self, chunk: OutChunk) -> None:
        self._gop.push(chunk)
        if not self._is_watched:
            return
        span = self._current_span()
        if span is not None:
            self._courier.append(span, chunk)
        elif chunk.is_sync and chunk.arrived_s >= self._not_before_s and self._courier.can_send_live:
            self._show_gop()

    def _apply_watched(self) -> None:
        if not self._is_watched:
            self._close(GapCause.TURNED_OFF)
        elif self._current_span() is None and self._gop.chunks and self._courier.can_send_live:
            self._show_gop()

    # --- spans ------------------------------------------------------------------------------------------------------

    def _current_span(self) -> Span | None:
        """The open span, unless the courier gave it up."""
        span = self._span
        if span is None or not span.is_gone:
            return span
        self._span = None
        if span.closed_by is None:  # refused by the server: do not ask again for every picture
            self._not_before_s = self._clock.monotonic() + _REFUSED_PAUSE_S
        elif span.closed_by is GapCause.SPOOL_FULL:
            self._next_cause = GapCause.SPOOL_FULL
        return None

    def _show_gop(self) -> None:
        span = self._open(self._gop.chunks[0].decode_time, is_recorded=False)
        if span is not None:
            for chunk in self._gop.chunks:
                self._courier.append(span, chunk)

    def _open(self, first_decode_time: int, *, is_recorded: bool) -> Span | None:
        run = self._run
        if run is None:
            return None
        if self._is_resuming:
            run = self._run = run.resumed_at(first_decode_time)
            self._is_resuming = False
        cause, self._next_cause = self._next_cause or self._courier.last_trouble, None
        opened = StreamOpen(
            span_id=new_id(),
            run_id=run.run_id,
            channel_id=self._channel_id,
            stream=self._stream,
            epoch=self._epoch,
            is_backlog=not self._courier.can_send_live,
            codec=run.config.codec,
            timescale=run.config.timescale,
            init_segment=run.config.init_segment,
            width=run.config.width,
            height=run.config.height,
            run_started_us=run.started_us,
            run_decode_time=run.decode_start,
            gap_cause=cause,
        )
        self._span = self._courier.open_span(opened, is_recorded=is_recorded)
        return self._span

    def _close(self, cause: GapCause) -> None:
        if self._span is not None:
            self._courier.close_span(self._span, cause)
            self._span = None
