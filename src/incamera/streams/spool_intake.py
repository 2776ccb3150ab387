"""Sealed backlog: spool files of an edge's earlier life, which only the server can open.

    spool.open ─► unwrap key ─► stream.start ─► sealed frames, in order ─► opened one by one:
        record 0   `stream.open` of the span inside  ─► may_send, recorder.open_span
        records    media frames                      ─► SpanWriter.append
        last       `stream.close`                    ─► SpanWriter.close
    acknowledgements count records of the file, not chunks of the span (`protocol.spool`)

What the recorder does not want any more is acknowledged all the same: the edge shall delete it.
"""

import asyncio
from collections import deque
from dataclasses import dataclass
from typing import Final
from uuid import UUID

import msgspec
import structlog
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from incamera.kit.clock import Clock
from incamera.protocol import websocket
from incamera.protocol.frames import MediaFrame
from incamera.protocol.messages import Ack, GapCause, Resend, SpoolOpen, StreamClose, StreamOpen, StreamStart
from incamera.protocol.spool import RecordCipher, SpoolRecord, SpoolUnreadable, unwrap_spool_key
from incamera.streams.interfaces import EdgeRegistry, SpanRecorder, SpanWriter
from incamera.streams.spans import Send, SpanTable, check_opening, refusal

log = structlog.get_logger(__name__)

MAX_WAITING_BYTES: Final = 32 * 1024 * 1024  # an edge keeps at most 8 MiB unacknowledged, and one chunk may be 16 MiB
MAX_FILES: Final = 4  # the edge sends one after the other
BUSY_RETRY_S: Final = 1.0


@dataclass(frozen=True, slots=True)
class SpoolContext:
    """Whose files these are, and who takes what is inside."""

    edge_id: UUID
    registry: EdgeRegistry
    recorder: SpanRecorder
    clock: Clock
    send: Send


@dataclass(frozen=True, slots=True)
class _Waiting:
    number: int
    record: SpoolRecord
    size_bytes: int


class SpoolIntake:
    """One spool file being read. Records wait in a short queue while its span is being opened."""

    def __init__(self, opened: SpoolOpen, index: int, cipher: RecordCipher, context: SpoolContext) -> None:
        self.spool_id = opened.spool_id
        self.index = index
        self._cipher = cipher
        self._context = context
        self._waiting: deque[_Waiting] = deque()
        self._waiting_bytes = 0
        self._changed = asyncio.Event()
        self._next_record = 0
        self._ending: GapCause | None = None
        self._writer: SpanWriter | None = None
        self._next_sequence = 0
        self._unacknowledged: deque[tuple[int, int]] = deque()  # (sequence in the span, number of the record)
        self._last_acknowledged = -1

    def take(self, frame: MediaFrame) -> None:
        """One sealed frame. Repeated records (after a Resend) pass through again; a missing one is a mistake."""
        if frame.sequence > self._next_record:
            raise websocket.WebSocketViolation(websocket.POLICY, f"spool record {self._next_record} is missing")
        try:
            record = self._cipher.open(frame.sequence, frame.chunk)
        except SpoolUnreadable as error:
            log.warning("uplink.spool_unreadable", detail=str(error))
            self._give_up(frame.sequence)
            return
        self._next_record = max(self._next_record, frame.sequence + 1)
        self._waiting_bytes += len(frame.chunk)
        if self._waiting_bytes > MAX_WAITING_BYTES:
            raise websocket.WebSocketViolation(websocket.POLICY, "too much sealed backlog before an acknowledgement")
        self._waiting.append(_Waiting(frame.sequence, record, len(frame.chunk)))
        self._changed.set()

    def end(self, cause: GapCause) -> None:
        """`stream.close` for the file: what waits is still read. A torn file has no close record inside."""
        self._ending = cause
        self._changed.set()

    def close(self, cause: GapCause) -> None:
        """The line is gone; what waits will be sent again."""
        self._waiting.clear()
        if self._writer is not None:
            self._writer.close(cause)
            self._writer = None

    async def run(self) -> None:
        """Reads records until the file or the connection ends."""
        while self._waiting or self._ending is None:
            if not self._waiting:
                self._changed.clear()
                await self._changed.wait()
                continue
            waiting = self._waiting.popleft()
            self._waiting_bytes -= waiting.size_bytes
            await self._handle(waiting.number, waiting.record)
        self.close(self._ending)

    # --- inside -----------------------------------------------------------------------------------------------------

    async def _handle(self, number: int, record: SpoolRecord) -> None:
        match record:
            case StreamOpen():
                if self._writer is None:
                    await self._open(msgspec.structs.replace(record, is_backlog=True))
                if self._writer is None:
                    self._acknowledge(number)
            case MediaFrame():
                self._append(number, record)
            case StreamClose():
                if self._writer is not None:
                    self._writer.close(record.cause)
                    self._writer = None
                self._finish(number)

    async def _open(self, opened: StreamOpen) -> None:
        """Sets the writer, unless the span inside is no longer wanted."""
        check_opening(opened)
        context = self._context
        reason = await context.registry.may_send(context.edge_id, opened.channel_id, opened.stream, opened.epoch)
        if reason is None:
            reason = await self._open_recording(opened)
        if reason is not None:
            stream = opened.stream.value
            log.info("uplink.span_refused", channel_id=str(opened.channel_id), stream=stream, reason=reason)

    async def _open_recording(self, opened: StreamOpen) -> str | None:
        open_span = self._context.recorder.open_span
        while (recording := await open_span(opened, on_durable=self._on_durable, on_resend=self._on_resend)) == "busy":
            await self._context.clock.sleep(BUSY_RETRY_S)
        if recording is None or isinstance(recording, str):
            return recording or "not_wanted"
        self._writer, self._next_sequence = recording
        return None

    def _append(self, number: int, frame: MediaFrame) -> None:
        if self._writer is None:
            self._acknowledge(number)
        elif frame.sequence < self._next_sequence:
            self._count_as_durable(number, frame.sequence)  # the recorder has this chunk from before
        else:
            self._unacknowledged.append((frame.sequence, number))
            self._writer.append(msgspec.structs.replace(frame, is_backlog=True, index=self.index))

    def _finish(self, number: int) -> None:
        """The close record is done with when the last chunk is."""
        self._count_as_durable(number, self._unacknowledged[-1][0] if self._unacknowledged else 0)

    def _count_as_durable(self, number: int, sequence: int) -> None:
        """Acknowledges a record as soon as all before it are."""
        if self._unacknowledged:
            self._unacknowledged.append((sequence, number))
        else:
            self._acknowledge(number)

    def _on_durable(self, sequence: int) -> None:
        number = -1
        while self._unacknowledged and self._unacknowledged[0][0] <= sequence:
            number = self._unacknowledged.popleft()[1]
        if number >= 0:
            self._acknowledge(number)

    def _on_resend(self, sequence: int) -> None:
        numbers = [number for held, number in self._unacknowledged if held >= sequence]
        if not numbers:
            return
        self._unacknowledged = deque(pair for pair in self._unacknowledged if pair[0] < sequence)
        self._next_record = min(self._next_record, numbers[0])
        self._context.send(Resend(span_id=self.spool_id, sequence=numbers[0]))

    def _give_up(self, number: int) -> None:
        """A damaged record: nothing behind it can be trusted to follow; what came before is kept."""
        self._next_record = number + 1
        self.end(GapCause.DAMAGED)
        self._context.send(refusal(self.spool_id, "expired"))

    def _acknowledge(self, number: int) -> None:
        if number > self._last_acknowledged:
            self._last_acknowledged = number
            self._context.send(Ack(span_id=self.spool_id, sequence=number))


class SpoolTable:
    """The spool files of one connection."""

    def __init__(self, spans: SpanTable, key: X25519PrivateKey, context: SpoolContext) -> None:
        self._spans, self._key, self._context = spans, key, context
        self._by_index: dict[int, SpoolIntake] = {}
        self._by_id: dict[UUID, SpoolIntake] = {}

    def open(self, message: SpoolOpen) -> SpoolIntake | None:
        """Answers a `spool.open`; the intake whose `run` is to be started, or None if the file was refused."""
        if len(self._by_id) >= MAX_FILES:
            self._context.send(refusal(message.spool_id, "busy"))
            return None
        try:
            cipher = RecordCipher(unwrap_spool_key(message.wrapped_key, self._key), message.salt)
        except SpoolUnreadable as error:
            log.warning("uplink.spool_unreadable", detail=str(error))
            self._context.send(refusal(message.spool_id, "expired"))
            return None
        intake = SpoolIntake(message, self._spans.take_index(), cipher, self._context)
        self._by_index[intake.index] = self._by_id[intake.spool_id] = intake
        self._context.send(StreamStart(span_id=intake.spool_id, index=intake.index))
        return intake

    def take(self, frame: MediaFrame) -> None:
        """One sealed frame of the edge."""
        intake = self._by_index.get(frame.index)
        if intake is not None:
            intake.take(frame)
        elif not self._spans.was_given(frame.index):
            raise websocket.WebSocketViolation(websocket.POLICY, f"a sealed frame for {frame.index}, never started")

    def close(self, message: StreamClose) -> bool:
        """Ends one file; False if there is none with this id."""
        intake = self._by_id.pop(message.span_id, None)
        if intake is None:
            return False
        del self._by_index[intake.index]
        intake.end(message.cause)
        return True

    def close_all(self, cause: GapCause) -> None:
        """The line or the server ends."""
        for intake in self._by_id.values():
            intake.close(cause)
        self._by_id.clear()
        self._by_index.clear()
