"""Brings chunks to the server, live ones first, and keeps recorded ones until the server has them durably.

    lane ──open_span/append/close_span──► Courier ──send_media──► Link
                                             │  ▲
                     memory ≤ limit, then    ▼  │ read back, oldest first, only while the line is idle
                                        spool files (own thread)

A live span is written the moment its chunk is there. When the line is lost or too slow the rest of the span becomes
backlog, and the lane begins another span at a sync sample. Backlog goes out oldest first, only while everything written
before has left for the kernel and at most WINDOW_BYTES of it are unacknowledged. A full spool drops its oldest span.
Everything but the file work happens in the event loop.
"""

import asyncio
import contextlib
import errno
from collections.abc import Callable, Coroutine, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Final, TypeVar
from uuid import UUID

import msgspec
import structlog

from incamera.edge.link import Link
from incamera.edge.parcels import OutChunk, Parcel, ParcelState, SealedFile, Span
from incamera.edge.spool import SpoolDirectory, SpoolFile, SpoolKey
from incamera.kit.clock import Clock
from incamera.protocol.messages import (
    Ack,
    GapCause,
    Resend,
    SpoolStatus,
    StreamOpen,
    StreamRefuse,
    StreamStart,
    render_message,
)
from incamera.protocol.spool import SpoolRecord, SpoolUnreadable

log = structlog.get_logger(__name__)

Result = TypeVar("Result")

WINDOW_BYTES: Final = 8 * 1024 * 1024  # of backlog, unacknowledged
_LEAST_ROUND_BYTES: Final = 16 * 1024  # of backlog, written at once; as much as leaves within _ROUND_S
_MOST_ROUND_BYTES: Final = 256 * 1024
_ROUND_S: Final = 0.2  # so that backlog never makes a slow line look too slow for live
_ROUND_PAUSE_S: Final = 0.01
_OPEN_AHEAD: Final = 3  # parcels opened before they are due, so that no round trip is waited for
_SLOW_AFTER_S: Final = 1.0
_MOST_WAITING_BYTES: Final = 8 * 1024 * 1024  # written and not taken by the kernel; a burst of sync samples fits
_BACKLOG_SPAN_BYTES: Final = 16 * 1024 * 1024
_BUSY_RETRY_S: Final = 2.0
_FORGOTTEN_AFTER_S: Final = 15.0  # without an answer to open or close, a parcel is opened again
_HOUSEKEEPING_S: Final = 0.5
_SPILL_AFTER_S: Final = 3.0  # without line: what a kill of this process may cost
_SPILL_AFTER_CONNECTED_S: Final = 20.0
_STATUS_EVERY_S: Final = 5.0
_UNDER_WAY_BYTES: Final = 256 * 1024  # about a second of a camera, unacknowledged: that much always is
_SAY_AGAIN_S: Final = 60.0
_STALLED_S: Final = 10.0  # for one batch, when this program ends
_MAKE_ROOM_EVERY_S: Final = 5.0


@dataclass(frozen=True, slots=True)
class SpoolLimits:
    """How much may wait for the server."""

    memory_bytes: int = 64 * 1024 * 1024  # beyond it goes to the disk at once
    disk_bytes: int = 2 * 1024 * 1024 * 1024


class Courier:
    """The one way from lanes to the server."""

    def __init__(self, folder: Path, clock: Clock, limits: SpoolLimits | None = None) -> None:
        self._clock = clock
        self._limits = limits or SpoolLimits()
        self._directory = SpoolDirectory(folder)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="spool")
        self._parcels: dict[UUID, Parcel] = {}  # oldest first
        self._link: Link | None = None
        self._key: SpoolKey | None = None
        self._key_owner = b""
        self._memory_bytes = 0
        self._in_flight_bytes = 0
        self._pump_timer: asyncio.TimerHandle | None = None
        self._round_bytes = _LEAST_ROUND_BYTES
        self._round_at_s: float | None = None  # when the last round was written, while it has not all left
        self._spilling = asyncio.Lock()
        self._is_closing = False  # what is left is on its way to the disk, for the last time
        self._made_room_at_s: float | None = None  # on a full disk; None once something fitted
        self._is_memory_full = asyncio.Event()
        self._last_status = (0.0, -1)
        self._said_at_s: dict[str, float] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self.last_trouble = GapCause.LINE_LOST  # why a span last stopped being live: what the one after it says

    # --- life -------------------------------------------------------------------------------------------------------

    async def open(self) -> None:
        """Finds what earlier lives left. Raises OSError if the folder cannot be used."""
        for file in await self._in_thread(self._directory.open):
            sealed = SealedFile(file)
            self._parcels[sealed.id] = sealed

    async def run(self) -> None:
        """Housekeeping, until cancelled: memory to disk, status, parcels that the server forgot."""
        spilling: asyncio.Task[None] | None = None
        try:
            while True:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(_HOUSEKEEPING_S):
                        await self._is_memory_full.wait()
                self._is_memory_full.clear()
                if spilling is not None and spilling.done():
                    spilling.result()
                    spilling = None
                if spilling is None and not self._is_closing:  # a task: a disk that stalls holds up nothing else
                    spilling = asyncio.create_task(self._spill(self._due_to_spill))
                self._send_forgotten_again()
                self._tell_status()
                self._pump()
        finally:
            if spilling is not None:
                spilling.cancel()

    async def close(self, *, patience_s: float) -> None:
        """Waits a little for acknowledgements, then puts what is left on the disk for the next life."""
        deadline_s = self._clock.monotonic() + patience_s
        while self._link is not None and self._memory_bytes and self._clock.monotonic() < deadline_s:
            await self._clock.sleep(0.05)
        self.detach(GapCause.EDGE_STOPPED)
        self._is_closing = True
        try:
            await self._spill(
                lambda span: span.oldest_in_memory_s is not None or span.has_close_to_spill, patience_s=_STALLED_S
            )
        except TimeoutError:
            says = "The disk does not answer; what waited in memory for the server is lost."
            log.warning("edge.spool_write_failed", says=says)
            self._thread.shutdown(wait=False, cancel_futures=True)
            return
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=patience_s)
        self._thread.shutdown(wait=True)

    # --- what lanes use ---------------------------------------------------------------------------------------------

    @property
    def can_send_live(self) -> bool:
        """Whether a chunk written now would reach the server soon."""
        link = self._link
        return link is not None and link.stalled_s() < _SLOW_AFTER_S and link.waiting_bytes < _MOST_WAITING_BYTES

    @property
    def backlog_span_bytes(self) -> int:
        """How large a span of backlog may grow: small enough that dropping one is not dropping everything."""
        return min(_BACKLOG_SPAN_BYTES, self._limits.disk_bytes // 16, self._limits.memory_bytes // 4)

    def open_span(self, opened: StreamOpen, *, is_recorded: bool) -> Span:
        """Begins a span; live ones are announced at once."""
        span = Span(opened, is_recorded=is_recorded, started_s=self._clock.monotonic())
        self._parcels[span.id] = span
        if self._link is not None and not span.is_backlog:
            self._announce(self._link, span)
        return span

    def append(self, span: Span, chunk: OutChunk, *, is_watched: bool = True) -> None:
        """Adds the next chunk of a span, and sends it if the span is live. Hot: 25 times a second and camera."""
        sequence = span.append(chunk)
        if span.is_recorded:
            self._memory_bytes += len(chunk.data)
            if self._memory_bytes > self._limits.memory_bytes:
                self._is_memory_full.set()
            if self._memory_bytes > 4 * self._limits.memory_bytes:  # the disk cannot keep up
                self._drop_oldest(lambda parcel: isinstance(parcel, Span) and parcel.memory_bytes > 0)
        if span.is_backlog or span.is_gone:
            return
        if not self.can_send_live:
            self._fall_behind(span)
        elif span.state is ParcelState.STARTED:
            if span.cursor != sequence or not self._send_frame(span, sequence, may_wait=not is_watched):
                self._fall_behind(span)
        elif not span.is_recorded and span.memory_bytes > _MOST_WAITING_BYTES * 2:
            self._forget(span)

    def close_span(self, span: Span, cause: GapCause) -> None:
        """No further chunk will come."""
        if span.is_gone or span.closed_by is not None:
            return
        span.closed_by = cause
        if not span.is_recorded and (self._link is None or span.state is ParcelState.WAITING):
            self._forget(span)
        elif not span.is_backlog:
            self._close_if_sent(span)
        if span.is_recorded and span.is_delivered and span.state in (ParcelState.WAITING, ParcelState.CLOSED):
            self._forget(span)
        elif span.is_backlog:
            self._pump()

    # --- what the uplink uses ---------------------------------------------------------------------------------------

    def attach(self, link: Link, spool_public_key: bytes) -> None:
        """A connection is there and welcome."""
        self._link = link
        self._last_status = (0.0, -1)
        if spool_public_key != self._key_owner:
            self._key, self._key_owner = SpoolKey.for_server(spool_public_key), spool_public_key
        self._pump()

    def prepare_key(self, spool_public_key: bytes) -> None:
        """The server's key from an earlier connection: the disk may be used before the line is there."""
        if spool_public_key and not self._key_owner:
            self._key, self._key_owner = SpoolKey.for_server(spool_public_key), spool_public_key

    def detach(self, cause: GapCause) -> None:
        """The line is gone: what was recorded and not acknowledged becomes backlog, what was only watched is over."""
        had_line, self._link = self._link is not None, None
        self._in_flight_bytes = 0
        self.last_trouble = cause if had_line else self.last_trouble
        for parcel in list(self._parcels.values()):
            if isinstance(parcel, Span) and (not parcel.is_recorded or (parcel.is_delivered and parcel.is_complete)):
                self._forget(parcel)
            else:
                parcel.restart(parcel.acknowledged + 1)
                parcel.retry_at_s = 0.0
        if had_line and cause is not GapCause.EDGE_STOPPED:
            log.info("edge.spooling", waiting_bytes=self._memory_bytes)

    def drained(self) -> None:
        """Everything written has left."""
        self._pump()

    def started(self, message: StreamStart) -> None:
        """The server takes a parcel."""
        parcel = self._parcels.get(message.span_id)
        if parcel is None or parcel.state is not ParcelState.OPENING or self._link is None:
            return
        parcel.state, parcel.index = ParcelState.STARTED, message.index
        parcel.progress_at_s = self._clock.monotonic()
        self._release(parcel, min(message.next_sequence, parcel.end) - 1)
        parcel.cursor = max(parcel.acknowledged + 1, parcel.cursor)
        if not parcel.is_backlog:
            self._catch_up(parcel)
        if isinstance(parcel, Span) and parcel.is_complete:
            self._close_if_sent(parcel)
        self._finish_if_delivered(parcel)
        self._pump()

    def refused(self, message: StreamRefuse) -> None:
        """The server does not take a parcel, now or ever."""
        parcel = self._parcels.get(message.span_id)
        if parcel is None:
            return
        if message.reason == "busy" and (isinstance(parcel, SealedFile) or parcel.is_backlog):
            parcel.restart(parcel.acknowledged + 1)
            parcel.retry_at_s = self._clock.monotonic() + _BUSY_RETRY_S
        elif message.reason == "busy" and isinstance(parcel, Span) and parcel.is_recorded:
            self._fall_behind(parcel)
            parcel.restart(parcel.acknowledged + 1)
            parcel.retry_at_s = self._clock.monotonic() + _BUSY_RETRY_S
        else:
            log.info("edge.span_refused", reason=message.reason)
            self._forget(parcel)
        self._pump()

    def acknowledged(self, message: Ack) -> None:
        """Chunks are durable: they may be forgotten here."""
        parcel = self._parcels.get(message.span_id)
        if parcel is None:
            return
        parcel.progress_at_s = self._clock.monotonic()
        self._release(parcel, min(message.sequence, parcel.end - 1))
        self._finish_if_delivered(parcel)
        if parcel.is_backlog:
            self._pump()

    def resend(self, message: Resend) -> None:
        """The recorder dropped chunks: they go again, as backlog."""
        parcel = self._parcels.get(message.span_id)
        if parcel is None or message.sequence >= parcel.end:
            return
        if not parcel.is_backlog:
            self.last_trouble = GapCause.LINE_SLOW
        was_closed = parcel.state is ParcelState.CLOSED
        self._in_flight_bytes -= sum(parcel.in_flight.values())
        state, index = parcel.state, parcel.index
        parcel.restart(message.sequence)
        if not was_closed:  # after the close the server has forgotten the index: open again
            parcel.state, parcel.index = state, index
        self._pump()

    # --- sending ----------------------------------------------------------------------------------------------------

    def _announce(self, link: Link, parcel: Parcel) -> None:
        parcel.state, parcel.progress_at_s = ParcelState.OPENING, self._clock.monotonic()
        link.send_text(render_message(parcel.open_message()))

    def _send_frame(self, parcel: Parcel, number: int, *, may_wait: bool = False) -> int:
        """Bytes sent, 0 if the frame must first be read from the disk."""
        link, frame = self._link, parcel.frame(number)
        if frame is None or link is None:
            return 0
        header, payload = frame
        link.send_media(header, payload, may_wait=may_wait)
        parcel.cursor = number + 1
        size = len(header) + len(payload)
        if parcel.is_backlog:
            parcel.in_flight[number] = size
            self._in_flight_bytes += size
        elif isinstance(parcel, Span) and not parcel.is_recorded:
            parcel.sent_unrecorded(number)
        return size

    def _catch_up(self, parcel: Parcel) -> None:
        """Sends what a live span gathered while it was being opened."""
        while parcel.cursor < parcel.end and self._send_frame(parcel, parcel.cursor):
            pass

    def _fall_behind(self, span: Span) -> None:
        """The line cannot take this span live any more."""
        if self._link is not None:
            self.last_trouble = GapCause.LINE_SLOW
        if span.is_recorded:
            span.is_backlog = True
            self._pump_later()
        else:
            self._cut(span, GapCause.LINE_SLOW)

    def _cut(self, span: Span, cause: GapCause) -> None:
        """Ends a span that is only watched; the lane begins another one at a sync sample."""
        span.closed_by = cause
        if self._link is not None and span.state is ParcelState.STARTED:
            closing = msgspec.structs.replace(span.close_message(), last_sequence=span.cursor - 1)
            self._link.send_text(render_message(closing))
        self._forget(span)

    def _close_if_sent(self, parcel: Parcel) -> None:
        if self._link is None or parcel.state is not ParcelState.STARTED or parcel.cursor < parcel.end:
            return
        self._link.send_text(render_message(parcel.close_message()))
        parcel.state, parcel.progress_at_s = ParcelState.CLOSED, self._clock.monotonic()
        if isinstance(parcel, Span) and not parcel.is_recorded:
            self._forget(parcel)

    def _pump_later(self) -> None:
        if self._pump_timer is None and self._link is not None:
            self._pump_timer = asyncio.get_running_loop().call_later(_ROUND_PAUSE_S, self._pump_on_time)

    def _pump_on_time(self) -> None:
        self._pump_timer = None
        self._pump()

    def _pump(self) -> None:
        """Sends some backlog if the line has nothing else to do, and comes back while there is more."""
        link = self._link
        waiting = [] if link is None else list(islice(filter(_has_to_send, self._parcels.values()), _OPEN_AHEAD))
        if not waiting or link is None:
            return
        if not link.is_idle:
            self._pump_later()
            return
        now_s = self._clock.monotonic()
        budget = min(self._next_round_bytes(now_s), WINDOW_BYTES - self._in_flight_bytes)
        is_more = False
        for parcel in waiting:
            if parcel.state is ParcelState.WAITING:
                if parcel.retry_at_s <= now_s:
                    self._announce(link, parcel)
            elif parcel.state is ParcelState.STARTED:
                budget -= self._send_backlog(parcel, budget)
                is_more = is_more or budget <= 0
        if is_more and self._in_flight_bytes < WINDOW_BYTES:
            self._round_at_s = now_s
            self._pump_later()

    def _next_round_bytes(self, now_s: float) -> int:
        """Twice as much after a round that left quickly, half after one that took long."""
        if self._round_at_s is not None:
            took_s, self._round_at_s = now_s - self._round_at_s, None
            grown = self._round_bytes * 2 if took_s < _ROUND_S / 2 else self._round_bytes
            wanted = self._round_bytes // 2 if took_s > _ROUND_S else grown
            self._round_bytes = max(_LEAST_ROUND_BYTES, min(_MOST_ROUND_BYTES, wanted))
        return self._round_bytes

    def _send_backlog(self, parcel: Parcel, budget: int) -> int:
        sent = 0
        while parcel.cursor < parcel.end and sent < budget:
            size = self._send_frame(parcel, parcel.cursor)
            if not size:
                self._read_ahead(parcel)
                return sent
            sent += size
        if parcel.is_complete:
            self._close_if_sent(parcel)
            self._finish_if_delivered(parcel)
        return sent

    def _read_ahead(self, parcel: Parcel) -> None:
        if parcel.is_reading:
            return
        parcel.is_reading = True
        self._start(self._read(parcel))

    async def _read(self, parcel: Parcel) -> None:
        cursor = parcel.cursor
        try:
            read = await self._in_thread(parcel.read_ahead)
        except (OSError, SpoolUnreadable) as error:
            log.warning("edge.spool_unreadable", problem=str(error))
            self._drop(parcel, GapCause.DAMAGED)
            return
        finally:
            parcel.is_reading = False
        if parcel.id in self._parcels and parcel.cursor == cursor:
            parcel.stage(read)
            if parcel.is_complete and parcel.cursor >= parcel.end:  # a file without a single whole record
                self._drop(parcel, GapCause.DAMAGED)
        self._pump()

    # --- acknowledging, forgetting ----------------------------------------------------------------------------------

    def _release(self, parcel: Parcel, number: int) -> None:
        for sent in [sequence for sequence in islice(parcel.in_flight, 4096) if sequence <= number]:
            self._in_flight_bytes -= parcel.in_flight.pop(sent)
        freed = parcel.release(number)
        if isinstance(parcel, Span) and parcel.is_recorded:
            self._memory_bytes -= freed

    def _finish_if_delivered(self, parcel: Parcel) -> None:
        if parcel.is_delivered and parcel.id in self._parcels:
            self._close_if_sent(parcel)
            if parcel.state in (ParcelState.CLOSED, ParcelState.WAITING):
                self._forget(parcel)

    def _forget(self, parcel: Parcel) -> None:
        """Delivered, refused or dropped: nothing of it stays, in memory or on the disk."""
        if self._parcels.pop(parcel.id, None) is None:
            return
        self._in_flight_bytes -= sum(parcel.in_flight.values())
        parcel.in_flight.clear()
        if isinstance(parcel, Span):
            freed = parcel.give_up()
            if parcel.is_recorded:
                self._memory_bytes -= freed
        if parcel.path is not None:
            self._start(self._delete_file(parcel))

    async def _delete_file(self, parcel: Parcel) -> None:
        path = parcel.path
        if path is not None:
            await self._in_thread(lambda: self._directory.remove(path))

    def _drop(self, parcel: Parcel, cause: GapCause) -> None:
        """Gives a parcel up before it was delivered; the next one of its stream says why something is missing."""
        if self._link is not None and parcel.state is ParcelState.STARTED:
            closing = msgspec.structs.replace(parcel.close_message(), last_sequence=parcel.cursor - 1, cause=cause)
            self._link.send_text(render_message(closing))
        self._forget(parcel)
        if not isinstance(parcel, Span):
            return
        parcel.closed_by = cause
        for later in self._parcels.values():
            if isinstance(later, Span) and not later.was_opened and _is_same_stream(later, parcel):
                later.opened = msgspec.structs.replace(later.opened, gap_cause=cause)
                return

    def _drop_oldest(self, is_candidate: Callable[[Parcel], bool]) -> Parcel | None:
        victim = next((parcel for parcel in self._parcels.values() if is_candidate(parcel)), None)
        if victim is None:
            return None
        self._drop(victim, GapCause.SPOOL_FULL)
        if self._is_time_to_say("spool_full"):
            log.warning("edge.spool_full", says="What waits for the server does not fit any more; the oldest is lost.")
        return victim

    def _is_time_to_say(self, what: str) -> bool:
        """At most once a minute."""
        now_s = self._clock.monotonic()
        if now_s - self._said_at_s.get(what, -_SAY_AGAIN_S) < _SAY_AGAIN_S:
            return False
        self._said_at_s[what] = now_s
        return True

    def _send_forgotten_again(self) -> None:
        if self._link is None:
            return
        limit_s = self._clock.monotonic() - _FORGOTTEN_AFTER_S
        for parcel in self._parcels.values():
            is_unanswered = parcel.state in (ParcelState.OPENING, ParcelState.CLOSED)
            if is_unanswered and parcel.progress_at_s < limit_s:
                self._in_flight_bytes -= sum(parcel.in_flight.values())
                parcel.restart(parcel.acknowledged + 1)

    # --- memory to disk ---------------------------------------------------------------------------------------------

    def _due_to_spill(self, span: Span) -> bool:
        oldest_s = span.oldest_in_memory_s
        if oldest_s is None:
            return self._link is None and span.has_close_to_spill
        if self._memory_bytes > self._limits.memory_bytes:
            return True
        patience_s = _SPILL_AFTER_S if self._link is None else _SPILL_AFTER_CONNECTED_S
        return self._clock.monotonic() - oldest_s > patience_s

    async def _spill(self, is_due: Callable[[Span], bool], *, patience_s: float | None = None) -> None:
        """Raises TimeoutError if the disk takes longer than `patience_s` for one batch."""
        async with asyncio.timeout(patience_s) as limit, self._spilling:
            if self._directory.left_bytes:
                await self._in_thread(self._directory.remove_left)
            for parcel in list(self._parcels.values()):
                if not isinstance(parcel, Span) or not parcel.is_recorded:
                    continue
                while not parcel.is_gone and is_due(parcel) and await self._spill_batch(parcel):
                    if patience_s is not None:
                        limit.reschedule(asyncio.get_running_loop().time() + patience_s)

    async def _spill_batch(self, span: Span) -> bool:
        """Whether a batch of this span is on the disk now."""
        key = self._key
        if key is None:
            return False
        batch = span.next_batch()
        self._make_room(batch.size_bytes, span)
        while not span.is_gone:
            try:
                span.file = await self._in_thread(lambda: self._write(span.file, key, batch.records))
            except OSError as error:
                span.not_spilled()
                if not await self._made_room_after(error, span):
                    return False
                continue
            self._made_room_at_s = None
            if span.is_gone:
                await self._delete_file(span)
                return False
            self._memory_bytes -= span.spilled(batch)
            return True
        return False

    def _write(self, file: SpoolFile | None, key: SpoolKey, records: Sequence[SpoolRecord]) -> SpoolFile:
        if file is None:
            return self._directory.create(key, records)
        file.append(records)
        return file

    def _make_room(self, size: int, span: Span) -> None:
        """Drops the oldest files until `size` more bytes fit; at last the span's own."""
        while self._disk_bytes + size > self._limits.disk_bytes and not span.is_gone:
            before = self._disk_bytes
            self._drop_oldest(lambda parcel: parcel.disk_bytes > 0 or parcel is span)
            if self._disk_bytes == before:
                return

    async def _made_room_after(self, error: OSError, span: Span) -> bool:
        """Whether to try again: on a full disk, where something older could be dropped.

        If that did not help, somebody else fills the disk, and the next old file is not given up at once.
        """
        now_s = self._clock.monotonic()
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            if self._is_time_to_say("spool_write_failed"):
                log.warning("edge.spool_write_failed", says=f"The spool cannot be written: {error.strerror}.")
            return False
        if self._made_room_at_s is not None and now_s - self._made_room_at_s < _MAKE_ROOM_EVERY_S:
            return False
        victim = self._drop_oldest(lambda parcel: parcel.disk_bytes > 0 and parcel is not span)
        if victim is None:
            return False
        self._made_room_at_s = now_s
        await self._delete_file(victim)
        return True

    # --- status, helpers --------------------------------------------------------------------------------------------

    @property
    def waiting_bytes(self) -> int:
        """Everything that the server does not have durably."""
        return self._memory_bytes + sum(parcel.disk_bytes for parcel in self._parcels.values())

    @property
    def _disk_bytes(self) -> int:
        return self._directory.left_bytes + sum(parcel.disk_bytes for parcel in self._parcels.values())

    def _tell_status(self) -> None:
        if self._link is None:
            return
        said_at_s, said_bytes = self._last_status
        now_s, waiting = self._clock.monotonic(), self.waiting_bytes
        limit = self._limits.disk_bytes
        if now_s - said_at_s < _STATUS_EVERY_S or not _is_news(waiting, said_bytes, limit):
            return
        self._last_status = (now_s, waiting)
        self._link.send_text(render_message(SpoolStatus(waiting_bytes=waiting, limit_bytes=limit)))

    async def _in_thread(self, function: Callable[[], Result]) -> Result:
        return await asyncio.get_running_loop().run_in_executor(self._thread, function)

    def _start(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _is_news(waiting: int, said: int, limit: int) -> bool:
    """Whether a person would call it another amount: so that what was brought in does not stay on show as waiting."""
    if said < 0 or abs(waiting - said) * 20 > limit:
        return True
    less, more = sorted((max(waiting, _UNDER_WAY_BYTES), max(said, _UNDER_WAY_BYTES)))
    return more > 2 * less


def _has_to_send(parcel: Parcel) -> bool:
    if not parcel.is_backlog or parcel.state is ParcelState.CLOSED:
        return False
    return parcel.cursor < parcel.end or (parcel.is_complete and parcel.state is ParcelState.STARTED)


def _is_same_stream(one: Span, other: Span) -> bool:
    return (one.opened.channel_id, one.opened.stream) == (other.opened.channel_id, other.opened.stream)
