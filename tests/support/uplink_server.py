"""A server's end of the uplink that a test can tell to misbehave: no acknowledgements, busy, slow, gone.

It keeps what it was sent by span and sequence, opens sealed records as the real one does, and answers pings. The real
server end is tested in tests/streams; here the edge is.
"""

import asyncio
import os
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar, cast
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from incamera.kit.clock import SystemClock
from incamera.kit.ids import new_id
from incamera.protocol import spool, websocket
from incamera.protocol.frames import MAX_FRAME_BYTES, MediaFrame, parse_media_frame
from incamera.protocol.messages import (
    SIGNATURE_CONTEXT,
    Ack,
    Authenticate,
    Desired,
    DesiredChannel,
    DesiredStream,
    EdgeMessage,
    Enrol,
    Hello,
    Message,
    Ping,
    Pong,
    Refused,
    RtspSource,
    SpoolOpen,
    StreamClose,
    StreamKind,
    StreamMode,
    StreamOpen,
    StreamRefuse,
    StreamStart,
    Welcome,
    parse_edge_message,
    render_message,
)
from incamera.protocol.websocket import Binary, Close, FrameReader, Text

CODE = "01234-ABCDE"
CHANNEL = UUID(int=7)
Wanted = TypeVar("Wanted", bound=Message)


@dataclass
class ReceivedSpan:
    """One span as the server has it."""

    opened: StreamOpen
    frames: dict[int, MediaFrame] = field(default_factory=dict)
    live: list[int] = field(default_factory=list)  # sequences that came live
    closed: StreamClose | None = None

    @property
    def next_sequence(self) -> int:
        return max(self.frames, default=self.opened.first_sequence - 1) + 1


@dataclass
class SealedFile:
    opened: SpoolOpen
    cipher: spool.RecordCipher
    span: ReceivedSpan | None = None


class UplinkServer:
    """Accepts edges on a loopback port."""

    def __init__(self) -> None:
        self.spool_key = X25519PrivateKey.generate()
        self.edge_id = new_id()
        self.public_key = b""
        self.software = ""
        self.acknowledges = True
        self.refuses: Callable[[StreamOpen | SpoolOpen], str | None] = lambda opened: None
        self.refusal: Refused | None = None
        self.desired = Desired(version=0, channels=())
        self.spans: dict[UUID, ReceivedSpan] = {}
        self.sealed: dict[UUID, SealedFile] = {}
        self.heard: list[EdgeMessage] = []
        self.connections: list[Connection] = []
        self.server_key_sha256 = b""
        self.port = 0
        self._server: asyncio.Server | None = None
        self.changed = asyncio.Event()

    async def start(self, port: int = 0, ssl: object = None) -> None:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            lambda: Connection(self),
            "127.0.0.1",
            port or self.port,
            ssl=ssl,  # type: ignore[arg-type]
        )
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self, *, says_goodbye: bool = False) -> None:
        """As a crash; or as a graceful stop, with close code 1001."""
        for connection in tuple(self.connections):
            connection.hang_up(websocket.GOING_AWAY if says_goodbye else None)
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()
            self._server = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def want(
        self,
        mode: StreamMode,
        *,
        is_watched: bool = False,
        audio: StreamMode = StreamMode.OFF,
        epoch: int = 1,
        url: str = "rtsp://127.0.0.1/",
        channels: int = 1,
        username: str = "",
        password: str = "",
    ) -> None:
        """Changes the desired state and tells every edge."""
        streams = [DesiredStream(stream=StreamKind.MAIN, mode=mode, is_watched=is_watched)]
        if audio is not StreamMode.OFF:
            streams.append(DesiredStream(stream=StreamKind.AUDIO, mode=audio, is_watched=is_watched))
        self.desired = Desired(
            version=self.desired.version + 1,
            channels=tuple(
                DesiredChannel(
                    channel_id=UUID(int=CHANNEL.int + number),
                    epoch=epoch,
                    source=RtspSource(url=url, username=username, password=password),
                    streams=tuple(streams),
                )
                for number in range(channels)
            ),
        )
        self.say(self.desired)

    def say(self, message: Message) -> None:
        for connection in self.connections:
            if connection.is_welcome:
                connection.say(message)

    async def until(self, condition: Callable[[], object], timeout_s: float = 10.0) -> None:
        """Waits until something is so."""
        async with asyncio.timeout(timeout_s):
            while not condition():
                self.changed.clear()
                await self.changed.wait()

    def said(self, kind: type[Wanted]) -> list[Wanted]:
        """All messages of one kind so far."""
        return [message for message in self.heard if isinstance(message, kind)]

    def spans_of(self, stream: StreamKind = StreamKind.MAIN) -> list[ReceivedSpan]:
        return [span for span in self.spans.values() if span.opened.stream is stream]

    def missing_pictures(self, ticks_per_picture: int = 3600) -> int:
        """Holes within the runs of the picture, over all their spans."""
        by_run: defaultdict[UUID, set[int]] = defaultdict(set)
        for span in self.spans_of():
            by_run[span.opened.run_id] |= {frame.decode_time for frame in span.frames.values()}
        return sum(
            (max(times) - min(times)) // ticks_per_picture + 1 - len(times) for times in by_run.values() if times
        )

    def chunks(self, stream: StreamKind = StreamKind.MAIN) -> list[MediaFrame]:
        """Everything of one stream, by wall time, each once."""
        frames = [frame for span in self.spans_of(stream) for frame in span.frames.values()]
        return sorted(frames, key=lambda frame: frame.wall_us)


class Connection(asyncio.Protocol):
    """One edge on the line."""

    def __init__(self, server: UplinkServer) -> None:
        self._server = server
        self._head = b""
        self._is_open = False
        self._reader = FrameReader(is_server=True, max_message_bytes=MAX_FRAME_BYTES)
        self._nonce = os.urandom(32)
        self._by_index: dict[int, ReceivedSpan | SealedFile] = {}
        self.is_welcome = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self._server.connections.append(self)

    def connection_lost(self, error: Exception | None) -> None:
        self._server.connections.remove(self)
        self._server.changed.set()

    def data_received(self, data: bytes) -> None:
        if not self._is_open:
            self._head += data
            if not self._head.endswith(b"\r\n\r\n"):
                return
            request = websocket.parse_upgrade_request(self._head)
            self._is_open = True
            self.transport.write(websocket.render_upgrade_response(request.key))
            self.say(Hello(nonce=self._nonce))
            return
        for event in self._reader.receive(data):
            match event:
                case Text(text):
                    message = parse_edge_message(text)
                    self._server.heard.append(message)
                    self._hear(message)
                case Binary(payload):
                    self._take(parse_media_frame(payload))
                case Close():
                    self.transport.close()
        self._server.changed.set()

    def say(self, message: Message) -> None:
        self.transport.write(websocket.render_text(render_message(message)))

    def hang_up(self, code: int | None) -> None:
        if code is None:
            self.transport.abort()
        else:
            self.transport.write(websocket.render_close(code))
            self.transport.close()

    def _hear(self, message: EdgeMessage) -> None:
        match message:
            case Enrol() | Authenticate():
                self._admit(message)
            case Ping(sent_us=sent_us):
                self.say(Pong(sent_us=sent_us, server_us=SystemClock().now_us()))
            case StreamOpen():
                self._open(message)
            case SpoolOpen():
                self._open_sealed(message)
            case StreamClose():
                if (span := self._server.spans.get(message.span_id)) is not None:
                    span.closed = message

    def _admit(self, message: Enrol | Authenticate) -> None:
        server = self._server
        if server.refusal is not None:
            self.say(server.refusal)
            self.hang_up(websocket.POLICY)
            return
        if isinstance(message, Enrol):
            if message.code != CODE:
                self.say(Refused(code="code_invalid", detail="This code was used or has expired.", is_final=True))
                self.hang_up(websocket.POLICY)
                return
            server.public_key = message.public_key
        key = Ed25519PublicKey.from_public_bytes(server.public_key)
        key.verify(message.signature, SIGNATURE_CONTEXT + self._nonce + server.server_key_sha256)
        server.software = message.software
        self.is_welcome = True
        public = server.spool_key.public_key().public_bytes_raw()
        self.say(Welcome(edge_id=server.edge_id, spool_public_key=public, server_us=SystemClock().now_us()))
        self.say(server.desired)

    def _open(self, opened: StreamOpen) -> None:
        reason = self._server.refuses(opened)
        if reason is not None:
            self.say(StreamRefuse(span_id=opened.span_id, reason=reason))  # type: ignore[arg-type]
            return
        span = self._server.spans.setdefault(opened.span_id, ReceivedSpan(opened))
        index = len(self._by_index) + 1
        self._by_index[index] = span
        self.say(StreamStart(span_id=opened.span_id, index=index, next_sequence=span.next_sequence))

    def _open_sealed(self, opened: SpoolOpen) -> None:
        key = spool.unwrap_spool_key(opened.wrapped_key, self._server.spool_key)
        sealed = SealedFile(opened, spool.RecordCipher(key, opened.salt))
        self._server.sealed[opened.spool_id] = sealed
        index = len(self._by_index) + 1
        self._by_index[index] = sealed
        self.say(StreamStart(span_id=opened.spool_id, index=index))

    def _take(self, frame: MediaFrame) -> None:
        target = self._by_index[frame.index]
        if isinstance(target, SealedFile):
            self._unseal(target, frame)
            return
        assert frame.sequence <= target.next_sequence, "a hole in a span"
        target.frames[frame.sequence] = frame
        if not frame.is_backlog:
            target.live.append(frame.sequence)
        if self._server.acknowledges:
            self.say(Ack(span_id=target.opened.span_id, sequence=frame.sequence))

    def _unseal(self, sealed: SealedFile, frame: MediaFrame) -> None:
        record = sealed.cipher.open(frame.sequence, frame.chunk)
        match record:
            case StreamOpen():
                sealed.span = self._server.spans.setdefault(record.span_id, ReceivedSpan(record))
            case MediaFrame():
                assert sealed.span is not None
                sealed.span.frames[record.sequence] = record
            case StreamClose():
                assert sealed.span is not None
                sealed.span.closed = record
        if self._server.acknowledges:
            self.say(Ack(span_id=sealed.opened.spool_id, sequence=frame.sequence))
