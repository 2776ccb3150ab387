"""The spans of one uplink: frames in, to the Hub and to the recorder, and acknowledgements out.

    stream.open ─► may_send? ─► recorder.open_span ─► stream.start(index) ─► frames(index) ─► stream.close
                      └ refuse      └ refuse, or no writer: only live          ├► Publication.publish (not backlog)
                                                                               └► SpanWriter.append   (if recorded)

A span that is no longer wanted (its stream was turned off, its device removed) is cut: its frames are dropped at this
door, before any consumer sees them, until the edge has heard the new desired state (requirement B4-07).
"""

import re
from collections.abc import Callable
from typing import Final
from uuid import UUID

import msgspec
import structlog

from incamera.kit.clock import Clock
from incamera.protocol import websocket
from incamera.protocol.frames import MediaFrame
from incamera.protocol.messages import (
    Ack,
    Desired,
    DesiredChannel,
    GapCause,
    Message,
    Resend,
    StreamClose,
    StreamMode,
    StreamOpen,
    StreamRefuse,
    StreamStart,
)
from incamera.streams.hub import Hub, Publication
from incamera.streams.interfaces import EdgeRegistry, SpanRecorder, SpanWriter
from incamera.streams.model import Gap, Run, StreamKey

log = structlog.get_logger(__name__)

MAX_SPANS: Final = 2048  # per edge; about ten per stream of a large recorder
MAX_INIT_SEGMENT_BYTES: Final = 64 * 1024
MAX_FUTURE_US: Final = 2_000_000  # a picture's wall time may be this far ahead of our clock

_CODEC: Final = re.compile(r"[A-Za-z0-9.,+-]{1,64}")  # RFC 6381; it goes on to browsers

Send = Callable[[Message], None]


class Span:
    """One span whose frames we take."""

    def __init__(self, opened: StreamOpen, index: int, publication: Publication | None) -> None:
        self.opened = opened
        self.index = index
        self.key = StreamKey(opened.channel_id, opened.stream)
        self.publication = publication  # None: backlog
        self.writer: SpanWriter | None = None
        self._is_clamping = False

    def take(self, frame: MediaFrame, now_us: int) -> None:
        """Passes a frame on. Hot: about 25 times a second and camera."""
        if frame.wall_us > now_us + MAX_FUTURE_US:
            frame = self._clamp(frame, now_us)
        if self.writer is not None:
            self.writer.append(frame)
        if self.publication is not None and not frame.is_backlog:
            self.publication.publish(
                is_sync=frame.is_sync, decode_time=frame.decode_time, wall_us=frame.wall_us, chunk=frame.chunk
            )

    def close(self, cause: GapCause) -> None:
        """No more frames; both sides are told."""
        if self.publication is not None:
            self.publication.end(cause)
            self.publication = None
        self.stop_recording(cause)

    def stop_recording(self, cause: GapCause) -> None:
        """The recorder gets no more frames of this span."""
        if self.writer is not None:
            self.writer.close(cause)
            self.writer = None

    def _clamp(self, frame: MediaFrame, now_us: int) -> MediaFrame:
        if not self._is_clamping:
            self._is_clamping = True
            log.warning("uplink.clock_ahead", channel_id=str(self.key.channel_id), stream=self.key.stream.value)
        return msgspec.structs.replace(frame, wall_us=now_us)


class SpanTable:
    """All spans of one connection."""

    def __init__(self, hub: Hub, recorder: SpanRecorder, registry: EdgeRegistry, clock: Clock, send: Send) -> None:
        self._hub, self._recorder, self._registry, self._clock, self._send = hub, recorder, registry, clock, send
        self._by_index: dict[int, Span] = {}
        self._by_id: dict[UUID, Span] = {}
        self._next_index = 1

    def take_index(self) -> int:
        """The next index to name a span by; never used twice on one connection."""
        index, self._next_index = self._next_index, self._next_index + 1
        return index

    def was_given(self, index: int) -> bool:
        """Whether this index was ever named in a `stream.start`."""
        return 0 < index < self._next_index

    # --- opening and closing ----------------------------------------------------------------------------------------

    async def open(self, edge_id: UUID, opened: StreamOpen) -> None:
        """Answers a `stream.open` with `stream.start` or `stream.refuse`."""
        check_opening(opened)
        if len(self._by_index) >= MAX_SPANS:
            raise websocket.WebSocketViolation(websocket.POLICY, f"more than {MAX_SPANS} spans are open")
        reason = await self._registry.may_send(edge_id, opened.channel_id, opened.stream, opened.epoch)
        if reason is not None:
            self._refuse(opened, reason)
            return
        recording = await self._open_recording(opened)
        if isinstance(recording, str):
            self._refuse(opened, recording)
        elif recording is None and opened.is_backlog:
            self._refuse(opened, "not_wanted")
        else:
            self._start(opened, recording)

    def close(self, message: StreamClose) -> bool:
        """Ends a span; False if there is none with this id."""
        span = self._by_id.get(message.span_id)
        if span is None:
            return False
        self._forget(span)
        span.close(message.cause)
        return True

    def close_all(self, cause: GapCause) -> None:
        """The line or the server ends."""
        for span in tuple(self._by_index.values()):
            self._forget(span)
            span.close(cause)

    def cut_unwanted(self, desired: Desired) -> None:
        """Applies a new desired state to what is flowing, without waiting for the edge to obey."""
        channels = {channel.channel_id: channel for channel in desired.channels}
        for span in tuple(self._by_index.values()):
            mode = _mode(channels.get(span.key.channel_id), span.opened)
            if mode is StreamMode.OFF:
                self._forget(span)
                span.close(GapCause.TURNED_OFF)
            elif mode is StreamMode.LIVE and not span.opened.is_backlog:
                span.stop_recording(GapCause.TURNED_OFF)

    # --- frames -----------------------------------------------------------------------------------------------------

    def take(self, frame: MediaFrame) -> None:
        """One binary message of the edge."""
        span = self._by_index.get(frame.index)
        if span is not None:
            span.take(frame, self._clock.now_us())
        elif not self.was_given(frame.index):
            raise websocket.WebSocketViolation(websocket.POLICY, f"a frame for span {frame.index}, never started")

    # --- inside -----------------------------------------------------------------------------------------------------

    async def _open_recording(self, opened: StreamOpen) -> tuple[SpanWriter, int] | str | None:
        def acknowledge(sequence: int) -> None:
            self._send(Ack(span_id=opened.span_id, sequence=sequence))

        def ask_again(sequence: int) -> None:
            self._send(Resend(span_id=opened.span_id, sequence=sequence))

        return await self._recorder.open_span(opened, on_durable=acknowledge, on_resend=ask_again)

    def _start(self, opened: StreamOpen, recording: tuple[SpanWriter, int] | None) -> None:
        earlier = self._by_id.get(opened.span_id)
        if earlier is not None:
            self._forget(earlier)
            earlier.close(GapCause.LINE_LOST)
        publication = None if opened.is_backlog else self._hub.begin_run(_key(opened), _run(opened))
        span = Span(opened, self.take_index(), publication)
        next_sequence = opened.first_sequence
        if recording is not None:
            span.writer, next_sequence = recording
        self._by_index[span.index] = self._by_id[opened.span_id] = span
        self._send(StreamStart(span_id=opened.span_id, index=span.index, next_sequence=next_sequence))

    def _refuse(self, opened: StreamOpen, reason: str) -> None:
        log.info("uplink.span_refused", channel_id=str(opened.channel_id), stream=opened.stream.value, reason=reason)
        self._send(refusal(opened.span_id, reason))

    def _forget(self, span: Span) -> None:
        del self._by_index[span.index]
        if self._by_id.get(span.opened.span_id) is span:
            del self._by_id[span.opened.span_id]


def check_opening(opened: StreamOpen) -> None:
    """Raises WebSocketViolation for a span that no edge of ours would open."""
    if not 0 < len(opened.init_segment) <= MAX_INIT_SEGMENT_BYTES:
        raise websocket.WebSocketViolation(websocket.POLICY, "an init segment is empty or longer than 64 KiB")
    is_sane = 0 < opened.timescale < 1 << 32 and opened.first_sequence >= 0
    if not is_sane or not _CODEC.fullmatch(opened.codec) or not _is_picture_size(opened.width, opened.height):
        raise websocket.WebSocketViolation(websocket.POLICY, "a stream.open has values out of range")


def _is_picture_size(width: int, height: int) -> bool:
    return 0 <= width <= 16_384 and 0 <= height <= 16_384


def refusal(span_id: UUID, reason: str) -> StreamRefuse:
    """`stream.refuse` for one of the reasons that interface implementations may give."""
    if reason not in ("expired", "stale_epoch", "unknown_channel", "not_wanted", "busy"):
        raise ValueError(f"{reason!r} is no reason of a stream.refuse")
    return StreamRefuse(span_id=span_id, reason=reason)  # type: ignore[arg-type]  # checked in the line above


def _mode(channel: DesiredChannel | None, opened: StreamOpen) -> StreamMode:
    """What the desired state says of the stream a span belongs to. Backlog was recorded while that was wanted."""
    if channel is None or channel.epoch != opened.epoch:
        return StreamMode.OFF
    if opened.is_backlog:
        return StreamMode.RECORD
    return next((wanted.mode for wanted in channel.streams if wanted.stream is opened.stream), StreamMode.OFF)


def _key(opened: StreamOpen) -> StreamKey:
    return StreamKey(opened.channel_id, opened.stream)


def _run(opened: StreamOpen) -> Run:
    return Run(
        run_id=opened.run_id,
        codec=opened.codec,
        timescale=opened.timescale,
        init_segment=opened.init_segment,
        wall_start_us=opened.run_started_us,
        decode_start=opened.run_decode_time,
        width=opened.width,
        height=opened.height,
        gap=Gap(opened.gap_cause, None),
    )
