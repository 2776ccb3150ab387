"""The uplink's server end, with an edge on a real socket; registry and recorder are doubles of what lies above."""

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar
from uuid import UUID

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from incamera.kit.clock import SystemClock
from incamera.kit.ids import new_id
from incamera.protocol import spool, websocket
from incamera.protocol.frames import MediaFrame, render_media_frame_header
from incamera.protocol.messages import (
    SIGNATURE_CONTEXT,
    Ack,
    Authenticate,
    CameraFault,
    CameraState,
    CameraStatus,
    Desired,
    DesiredChannel,
    DesiredStream,
    Enrol,
    GapCause,
    Hello,
    Message,
    Ping,
    Pong,
    Probe,
    ProbeResult,
    Refused,
    Resend,
    RtspSource,
    SpoolOpen,
    SpoolStatus,
    StreamClose,
    StreamKind,
    StreamMode,
    StreamOpen,
    StreamRefuse,
    StreamStart,
    WantSync,
    Welcome,
    parse_server_message,
    render_message,
)
from incamera.streams import (
    EDGE_OFFLINE,
    UPLINK_PATH,
    EdgeDidNotAnswer,
    EdgeIdentity,
    EdgeNotConnected,
    EdgeRefused,
    Hub,
    SocketPolicy,
    SocketServer,
    StreamKey,
    UplinkContext,
    UplinkDirectory,
)
from incamera.streams import uplink as uplink_module
from tests.streams.test_hub import Listener
from tests.support.sockets import Serving, eventually, serving

CODE = "0123456789"
CHANNEL = UUID(int=7)
Wanted = TypeVar("Wanted", bound=Message)


@dataclass
class Registry:
    """What `devices` would know."""

    edge_id: UUID = field(default_factory=new_id)
    public_key: bytes = b""
    mode: StreamMode = StreamMode.RECORD
    epoch: int = 1
    url: str = "rtsp://192.0.2.1/"
    heard: list[Any] = field(default_factory=list)

    async def enrol(self, code: str, public_key: bytes, software: str) -> EdgeIdentity:
        if code != CODE:
            raise EdgeRefused("code_invalid", "This code was used or has expired; make a new one.", is_final=True)
        self.public_key = public_key
        return EdgeIdentity(self.edge_id, public_key)

    async def find(self, edge_id: UUID) -> EdgeIdentity:
        if edge_id != self.edge_id or not self.public_key:
            raise EdgeRefused("unknown_edge", "This edge was removed; enrol it again.", is_final=True)
        return EdgeIdentity(edge_id, self.public_key)

    async def desired(self, edge_id: UUID) -> Desired:
        streams = [DesiredStream(stream=kind, mode=self.mode, is_watched=False) for kind in ("main", "audio")]
        channel = DesiredChannel(
            channel_id=CHANNEL,
            epoch=self.epoch,
            source=RtspSource(url=self.url),
            streams=tuple(DesiredStream(stream=StreamKind(s.stream), mode=s.mode, is_watched=False) for s in streams),
        )
        return Desired(version=0, channels=(channel,))

    async def connected(self, edge_id: UUID) -> None:
        self.heard.append("connected")

    async def disconnected(self, edge_id: UUID) -> None:
        self.heard.append("disconnected")

    async def camera_status(self, edge_id: UUID, status: CameraStatus) -> None:
        self.heard.append(status)

    async def spool_status(self, edge_id: UUID, status: SpoolStatus) -> None:
        self.heard.append(status)

    async def may_send(self, edge_id: UUID, channel_id: UUID, stream: StreamKind, epoch: int) -> str | None:
        if channel_id != CHANNEL:
            return "unknown_channel"
        return None if epoch == self.epoch else "stale_epoch"


@dataclass
class Writer:
    opened: StreamOpen
    on_durable: Callable[[int], None]
    on_resend: Callable[[int], None]
    frames: list[MediaFrame] = field(default_factory=list)
    closed: GapCause | None = None

    def append(self, frame: MediaFrame) -> None:
        self.frames.append(frame)

    def close(self, cause: GapCause) -> None:
        self.closed = cause


@dataclass
class Recorder:
    """What `recording` would keep."""

    writers: list[Writer] = field(default_factory=list)
    next_sequence: int = 0
    answer: str | None = "write"

    async def open_span(
        self, opened: StreamOpen, *, on_durable: Callable[[int], None], on_resend: Callable[[int], None]
    ) -> tuple[Writer, int] | str | None:
        if self.answer != "write":
            return self.answer
        self.writers.append(Writer(opened, on_durable, on_resend))
        return self.writers[-1], self.next_sequence


class Edge:
    """The device end, spoken by hand."""

    def __init__(self, line: ClientConnection, key: Ed25519PrivateKey) -> None:
        self.line, self.key = line, key
        self.edge_id: UUID

    async def receive(self, kind: type[Wanted]) -> Wanted:
        """The next message of that kind; others before it are passed over."""
        async with asyncio.timeout(10):
            while True:
                text = await self.line.recv()
                message = parse_server_message(text.encode() if isinstance(text, str) else text)
                if isinstance(message, kind):
                    return message

    async def say(self, message: Message) -> None:
        await self.line.send(render_message(message).decode())

    async def send(self, index: int, sequence: int, *, is_backlog: bool = False, sync: bool | None = None) -> None:
        is_sync = sequence == 0 if sync is None else sync
        wall_us = SystemClock().now_us()
        frame = MediaFrame(index, is_sync, is_backlog, sequence, sequence * 3600, 0, wall_us, b"chunk %d" % sequence)
        await self.line.send(render_media_frame_header(frame) + frame.chunk)

    async def enrol(self, code: str = CODE, binding: bytes = b"") -> "Edge":
        hello = await self.receive(Hello)
        signature = self.key.sign(SIGNATURE_CONTEXT + hello.nonce + binding)
        public_key = self.key.public_key().public_bytes_raw()
        await self.say(Enrol(code=code, public_key=public_key, signature=signature, software="test 1"))
        return self

    async def ready(self) -> "Edge":
        self.edge_id = (await self.receive(Welcome)).edge_id
        await self.receive(Desired)
        return self

    async def authenticate(self, edge_id: UUID) -> "Edge":
        hello = await self.receive(Hello)
        signature = self.key.sign(SIGNATURE_CONTEXT + hello.nonce)
        await self.say(Authenticate(edge_id=edge_id, signature=signature, software="test 1"))
        return self

    async def open(self, **changes: Any) -> tuple[UUID, StreamStart]:
        opened = a_span(**changes)
        await self.say(opened)
        return opened.span_id, await self.receive(StreamStart)


def a_span(**changes: Any) -> StreamOpen:
    values: dict[str, Any] = {
        "span_id": new_id(),
        "run_id": new_id(),
        "channel_id": CHANNEL,
        "stream": StreamKind.MAIN,
        "epoch": 1,
        "is_backlog": False,
        "codec": "avc1.640028",
        "timescale": 90_000,
        "init_segment": b"init",
        "run_started_us": 1,
        "run_decode_time": 0,
        "gap_cause": GapCause.STARTED,
    }
    return StreamOpen(**values | changes)


@dataclass
class Uplink:
    """One server with its doubles."""

    hub: Hub
    registry: Registry
    recorder: Recorder
    directory: UplinkDirectory
    spool_key: X25519PrivateKey
    key: Ed25519PrivateKey
    server: Serving
    lines: list[ClientConnection] = field(default_factory=list)

    async def connect(self) -> Edge:
        self.lines.append(await connect(self.server.url(UPLINK_PATH), max_size=None))
        return Edge(self.lines[-1], self.key)

    async def edge(self) -> Edge:
        return await (await (await self.connect()).enrol()).ready()


@pytest.fixture
async def uplink(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Uplink]:
    monkeypatch.setattr(uplink_module, "REFUSAL_DELAY_S", 0.0)
    registry, recorder, clock, spool_key = Registry(), Recorder(), SystemClock(), X25519PrivateKey.generate()
    hub = Hub(clock)
    context = UplinkContext(hub, registry, registry, recorder, spool_key, lambda _request: (b"",), clock)
    directory = UplinkDirectory(context)
    sockets = SocketServer(SocketPolicy())
    sockets.add_route(UPLINK_PATH, directory.make_socket, is_for_browsers=False)
    async with serving(sockets) as server:
        one = Uplink(hub, registry, recorder, directory, spool_key, Ed25519PrivateKey.generate(), server)
        yield one
        await asyncio.gather(*(line.close() for line in one.lines))
        await asyncio.sleep(0)
    await directory.settle()


async def test_enrolment_then_the_same_key_comes_back(uplink: Uplink) -> None:
    first = await uplink.edge()
    assert first.edge_id == uplink.registry.edge_id
    await first.line.close()

    again = await (await (await uplink.connect()).authenticate(first.edge_id)).ready()

    assert again.edge_id == first.edge_id
    await again.say(Ping(sent_us=17))
    assert (await again.receive(Pong)).sent_us == 17


@pytest.mark.parametrize(
    ("make", "code"),
    [
        (lambda edge, _: edge.enrol(code="9999999999"), "code_invalid"),
        (lambda edge, _: edge.enrol(binding=b"the certificate of another server"), "bad_signature"),
        (lambda edge, edge_id: edge.authenticate(edge_id), "unknown_edge"),
    ],
)
async def test_who_cannot_prove_itself_is_told_why_and_dropped(uplink: Uplink, make: Any, code: str) -> None:
    edge = await uplink.connect()
    await make(edge, new_id())

    assert (await edge.receive(Refused)).code == code
    with pytest.raises(ConnectionClosed):
        await edge.line.recv()
    assert not uplink.directory.is_connected(uplink.registry.edge_id)


async def test_a_stolen_id_without_the_key_is_refused(uplink: Uplink) -> None:
    owner = await uplink.edge()
    uplink.key = Ed25519PrivateKey.generate()

    thief = await (await uplink.connect()).authenticate(owner.edge_id)

    assert (await thief.receive(Refused)).code == "bad_signature"
    await owner.say(Ping(sent_us=1))
    assert await owner.receive(Pong), "the true edge is not disturbed"


async def test_media_before_authentication_closes_the_line(uplink: Uplink) -> None:
    edge = await uplink.connect()
    await edge.receive(Hello)
    await edge.send(1, 0)

    with pytest.raises(ConnectionClosed):
        await edge.line.recv()
    assert edge.line.close_code == websocket.POLICY


async def test_silence_before_authentication_closes_the_line(uplink: Uplink, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uplink_module, "AUTHENTICATION_S", 0.05)
    edge = await uplink.connect()
    await edge.receive(Hello)

    with pytest.raises(ConnectionClosed):
        await edge.line.recv()


async def test_the_newer_connection_of_an_edge_wins(uplink: Uplink) -> None:
    older = await uplink.edge()
    _, start = await older.open()
    await older.send(start.index, 0)
    await eventually(lambda: uplink.recorder.writers[0].frames)

    await (await (await uplink.connect()).authenticate(older.edge_id)).ready()

    with pytest.raises(ConnectionClosed):
        await older.line.recv()
    assert uplink.recorder.writers[0].closed is GapCause.LINE_LOST
    assert uplink.directory.is_connected(older.edge_id)
    assert "disconnected" not in uplink.registry.heard


async def test_live_frames_reach_viewers_and_recorder(uplink: Uplink) -> None:
    edge, listener = await uplink.edge(), Listener()
    uplink.hub.subscribe(StreamKey(CHANNEL, StreamKind.MAIN), listener)
    span_id, start = await edge.open(width=1920, height=1080)
    for sequence in range(3):
        await edge.send(start.index, sequence)
    await eventually(lambda: len(listener.chunks) == 3)

    uplink.recorder.writers[0].on_durable(2)
    uplink.recorder.writers[0].on_resend(1)

    assert bytes(listener.chunks[1].data) == b"chunk 1"
    assert listener.runs[0].width == 1920
    assert [frame.sequence for frame in uplink.recorder.writers[0].frames] == [0, 1, 2]
    assert await edge.receive(Ack) == Ack(span_id=span_id, sequence=2)
    assert await edge.receive(Resend) == Resend(span_id=span_id, sequence=1)


async def test_backlog_goes_to_the_recorder_only(uplink: Uplink) -> None:
    edge, listener = await uplink.edge(), Listener()
    uplink.hub.subscribe(StreamKey(CHANNEL, StreamKind.MAIN), listener)
    uplink.recorder.next_sequence = 5
    span_id, start = await edge.open(is_backlog=True)
    await edge.send(start.index, 5, is_backlog=True)
    await edge.say(StreamClose(span_id=span_id, last_sequence=5, cause=GapCause.LINE_LOST))
    await eventually(lambda: uplink.recorder.writers[0].closed)

    assert start.next_sequence == 5
    assert len(uplink.recorder.writers[0].frames) == 1
    assert not listener.runs


@pytest.mark.parametrize(
    ("changes", "answer", "reason"),
    [
        ({"channel_id": UUID(int=8)}, "write", "unknown_channel"),
        ({"epoch": 2}, "write", "stale_epoch"),
        ({}, "expired", "expired"),
        ({}, "busy", "busy"),
        ({"is_backlog": True}, None, "not_wanted"),
    ],
)
async def test_spans_nobody_may_or_wants_to_take_are_refused(
    uplink: Uplink, changes: dict[str, Any], answer: str | None, reason: str
) -> None:
    edge = await uplink.edge()
    uplink.recorder.answer = answer
    await edge.say(a_span(**changes))

    assert (await edge.receive(StreamRefuse)).reason == reason


async def test_live_only_streams_are_not_recorded(uplink: Uplink) -> None:
    edge, listener = await uplink.edge(), Listener()
    uplink.recorder.answer = None
    uplink.hub.subscribe(StreamKey(CHANNEL, StreamKind.MAIN), listener)
    _, start = await edge.open()
    await edge.send(start.index, 0)

    await eventually(lambda: listener.chunks)


@pytest.mark.req("B4-07")
async def test_a_stream_turned_off_is_cut_before_any_consumer(uplink: Uplink) -> None:
    edge, listener = await uplink.edge(), Listener()
    uplink.hub.subscribe(StreamKey(CHANNEL, StreamKind.MAIN), listener)
    _, start = await edge.open()
    await edge.send(start.index, 0)
    await eventually(lambda: listener.chunks)

    uplink.registry.mode = StreamMode.OFF
    uplink.directory.refresh_desired(edge.edge_id)
    assert (await edge.receive(Desired)).channels[0].streams[0].mode is StreamMode.OFF
    for sequence in range(1, 5):  # an edge that has not heard yet, or does not obey
        await edge.send(start.index, sequence, sync=True)
    await edge.say(Ping(sent_us=1))
    await edge.receive(Pong)

    assert listener.offline == [GapCause.TURNED_OFF]
    assert len(listener.chunks) == len(uplink.recorder.writers[0].frames) == 1


async def test_a_camera_turned_off_is_shown_as_off(uplink: Uplink) -> None:
    edge, listener = await uplink.edge(), Listener()
    uplink.hub.subscribe(StreamKey(CHANNEL, StreamKind.MAIN), listener)
    await edge.say(CameraStatus(channel_id=CHANNEL, state=CameraState.ONLINE, since_us=5))
    await eventually(lambda: listener.states)

    uplink.registry.mode = StreamMode.OFF
    uplink.directory.refresh_desired(edge.edge_id)

    await eventually(lambda: listener.states[-1].state is CameraState.OFF)


async def test_recording_turned_off_goes_on_live(uplink: Uplink) -> None:
    edge, listener = await uplink.edge(), Listener()
    uplink.hub.subscribe(StreamKey(CHANNEL, StreamKind.MAIN), listener)
    _, start = await edge.open()
    await edge.send(start.index, 0)
    await eventually(lambda: listener.chunks)

    uplink.registry.mode = StreamMode.LIVE
    uplink.directory.refresh_desired(edge.edge_id)
    assert (await edge.receive(Desired)).channels[0].streams[0].mode is StreamMode.LIVE
    await edge.send(start.index, 1)
    await eventually(lambda: len(listener.chunks) == 2)

    assert uplink.recorder.writers[0].closed is GapCause.TURNED_OFF
    assert len(uplink.recorder.writers[0].frames) == 1


async def test_a_picture_from_the_future_gets_the_present_time(uplink: Uplink) -> None:
    edge, listener = await uplink.edge(), Listener()
    uplink.hub.subscribe(StreamKey(CHANNEL, StreamKind.MAIN), listener)
    _, start = await edge.open()
    ahead = MediaFrame(start.index, True, False, 0, 0, 0, SystemClock().now_us() + 60_000_000, b"early")
    await edge.line.send(render_media_frame_header(ahead) + ahead.chunk)
    await eventually(lambda: listener.chunks)

    assert abs(listener.chunks[0].wall_us - SystemClock().now_us()) < 5_000_000
    assert uplink.recorder.writers[0].frames[0].wall_us == listener.chunks[0].wall_us


async def test_someone_watching_is_told_to_the_edge_at_once(uplink: Uplink) -> None:
    edge = await uplink.edge()

    uplink.hub.subscribe(StreamKey(CHANNEL, StreamKind.MAIN), Listener())
    desired = await edge.receive(Desired)

    assert [stream.is_watched for stream in desired.channels[0].streams] == [True, False]
    assert desired.version == 2


async def test_who_comes_into_a_long_gop_is_told_to_the_edge(uplink: Uplink) -> None:
    edge, key = await uplink.edge(), StreamKey(CHANNEL, StreamKind.MAIN)
    _, start = await edge.open()
    await edge.send(start.index, 0)
    for sequence in (1, 40 * 25):  # 40 s later the GOP cache is given up
        await edge.send(start.index, sequence)
    first = Listener()
    uplink.hub.subscribe(key, first)
    await eventually(lambda: uplink.hub._streams[key].cache.duration_s == 0 and uplink.recorder.writers[0].frames[1:])

    uplink.hub.subscribe(key, Listener())

    assert await edge.receive(WantSync) == WantSync(channel_id=CHANNEL, stream=StreamKind.MAIN)


async def test_camera_states_reach_viewers_and_the_registry(uplink: Uplink) -> None:
    edge, listener = await uplink.edge(), Listener()
    uplink.hub.subscribe(StreamKey(CHANNEL, StreamKind.MAIN), listener)
    status = CameraStatus(channel_id=CHANNEL, state=CameraState.OFFLINE, fault=CameraFault.REFUSED_PASSWORD, since_us=5)
    await edge.say(status)
    await edge.say(CameraStatus(channel_id=UUID(int=99), state=CameraState.ONLINE, since_us=5))
    await edge.say(SpoolStatus(waiting_bytes=1, limit_bytes=2))
    await eventually(lambda: len(uplink.registry.heard) == 3)

    await edge.line.close()
    await eventually(lambda: len(listener.states) == 2)

    assert uplink.registry.heard[:3] == ["connected", status, SpoolStatus(waiting_bytes=1, limit_bytes=2)]
    assert listener.states[0].fault is CameraFault.REFUSED_PASSWORD
    assert listener.states[1].fault == EDGE_OFFLINE
    await eventually(lambda: uplink.registry.heard[-1] == "disconnected")


async def test_probe_is_answered_or_ends_with_a_name(uplink: Uplink) -> None:
    edge = await uplink.edge()
    source = RtspSource(url="rtsp://192.0.2.1/", username="u", password="p")
    asked = asyncio.create_task(uplink.directory.probe(edge.edge_id, source))
    probe = await edge.receive(Probe)
    await edge.say(ProbeResult(request_id=probe.request_id, fault=CameraFault.NONE, picture=b"\xff\xd8" * 1000))

    assert (await asked).picture == b"\xff\xd8" * 1000
    with pytest.raises(EdgeDidNotAnswer):
        await uplink.directory.snapshot(edge.edge_id, CHANNEL, timeout_s=0.05)
    waiting = asyncio.create_task(uplink.directory.probe(edge.edge_id, source))
    await edge.receive(Probe)
    await edge.line.close()
    with pytest.raises(EdgeNotConnected):
        await waiting
    with pytest.raises(EdgeNotConnected):
        await uplink.directory.probe(edge.edge_id, source)


async def test_a_removed_edge_is_cut_off(uplink: Uplink) -> None:
    edge = await uplink.edge()
    await edge.open()

    uplink.directory.disconnect(edge.edge_id, "this edge was removed")

    with pytest.raises(ConnectionClosed):
        await edge.receive(Ack)
    assert edge.line.close_reason == "this edge was removed"
    assert uplink.recorder.writers[0].closed is GapCause.TURNED_OFF


@pytest.mark.parametrize(
    "hostile",
    [
        render_message(a_span(init_segment=b"")).decode(),
        render_message(a_span(codec="avc1'><script>")).decode(),
        render_message(a_span(timescale=0)).decode(),
        render_message(a_span(width=1 << 20)).decode(),
        '{"type":"stream.open"}',
        "{",
        render_message(Enrol(code="x", public_key=b"", signature=b"", software="")).decode(),
        b"short",
        render_media_frame_header(MediaFrame(99, True, False, 0, 0, 0, 0, b"")) + b"never started",
        bytes(4) + b"\xff" + bytes(40),
    ],
)
async def test_protocol_errors_close_with_a_reason(uplink: Uplink, hostile: str | bytes) -> None:
    edge = await uplink.edge()
    await edge.line.send(hostile)

    with pytest.raises(ConnectionClosed):
        await edge.receive(Ack)
    assert edge.line.close_code == websocket.POLICY
    assert edge.line.close_reason


class Spool:
    """A spool file of an edge's earlier life."""

    def __init__(self, uplink: Uplink, edge: Edge) -> None:
        key = spool.new_spool_key()
        self.edge, self.id, salt = edge, new_id(), os.urandom(16)
        self.cipher = spool.RecordCipher(key, salt)
        wrapped = spool.wrap_spool_key(key, uplink.spool_key.public_key().public_bytes_raw())
        self.opening = SpoolOpen(spool_id=self.id, salt=salt, wrapped_key=wrapped)
        self.index = 0

    async def open(self) -> None:
        await self.edge.say(self.opening)
        self.index = (await self.edge.receive(StreamStart)).index

    async def send(self, number: int, record: StreamOpen | MediaFrame | StreamClose) -> None:
        sealed = self.cipher.seal(number, record)
        await self.send_sealed(number, sealed)

    async def send_sealed(self, number: int, sealed: bytes) -> None:
        frame = MediaFrame(self.index, False, True, number, 0, 0, 0, sealed, is_sealed=True)
        await self.edge.line.send(render_media_frame_header(frame) + sealed)


def a_frame(sequence: int) -> MediaFrame:
    return MediaFrame(3, sequence == 0, False, sequence, sequence * 3600, 0, 1000 + sequence, b"sealed %d" % sequence)


async def test_sealed_backlog_is_opened_recorded_and_acknowledged_by_record(uplink: Uplink) -> None:
    edge = await uplink.edge()
    uplink.recorder.next_sequence = 1  # chunk 0 was durable before the edge died
    file, span = Spool(uplink, edge), a_span()
    await file.open()
    await file.send(0, span)
    for sequence in range(3):
        await file.send(1 + sequence, a_frame(sequence))
    await file.send(4, StreamClose(span_id=span.span_id, last_sequence=2, cause=GapCause.EDGE_STOPPED))
    await edge.say(StreamClose(span_id=file.id, last_sequence=4, cause=GapCause.EDGE_RESTARTED))
    await eventually(lambda: uplink.recorder.writers and uplink.recorder.writers[0].closed)
    writer = uplink.recorder.writers[0]

    assert (await edge.receive(Ack)).sequence == 1, "chunk 0 is there already"
    writer.on_durable(1)
    assert await edge.receive(Ack) == Ack(span_id=file.id, sequence=2)
    writer.on_durable(2)
    assert (await edge.receive(Ack)).sequence == 4, "with the last chunk the close record is done too"

    assert writer.opened.is_backlog
    assert writer.closed is GapCause.EDGE_STOPPED
    assert [(frame.sequence, frame.chunk) for frame in writer.frames] == [(1, b"sealed 1"), (2, b"sealed 2")]


async def test_sealed_backlog_nobody_wants_is_acknowledged_away(uplink: Uplink) -> None:
    edge = await uplink.edge()
    file = Spool(uplink, edge)
    await file.open()
    await file.send(0, a_span(epoch=0))
    await file.send(1, a_frame(0))

    assert (await edge.receive(Ack)).sequence == 0
    assert (await edge.receive(Ack)).sequence == 1
    assert not uplink.recorder.writers


async def test_recorder_that_dropped_sealed_chunks_gets_them_again(uplink: Uplink) -> None:
    edge = await uplink.edge()
    file = Spool(uplink, edge)
    await file.open()
    await file.send(0, a_span())
    for sequence in range(3):
        await file.send(1 + sequence, a_frame(sequence))
    await eventually(lambda: uplink.recorder.writers and len(uplink.recorder.writers[0].frames) == 3)

    uplink.recorder.writers[0].on_resend(1)
    assert await edge.receive(Resend) == Resend(span_id=file.id, sequence=2)
    await file.send(2, a_frame(1))
    await file.send(3, a_frame(2))
    await eventually(lambda: len(uplink.recorder.writers[0].frames) == 5)

    uplink.recorder.writers[0].on_durable(2)
    assert (await edge.receive(Ack)).sequence == 3


async def test_damaged_sealed_backlog_ends_what_came_before(uplink: Uplink) -> None:
    edge = await uplink.edge()
    file = Spool(uplink, edge)
    await file.open()
    await file.send(0, a_span())
    await file.send(1, a_frame(0))
    await file.send_sealed(2, bytes(100))

    assert (await edge.receive(StreamRefuse)).reason == "expired"
    await eventually(lambda: uplink.recorder.writers[0].closed is GapCause.DAMAGED)
    assert len(uplink.recorder.writers[0].frames) == 1


async def test_spool_key_of_another_server_lets_the_edge_delete_the_file(uplink: Uplink) -> None:
    edge = await uplink.edge()
    file = Spool(uplink, edge)
    wrapped = spool.wrap_spool_key(bytes(32), X25519PrivateKey.generate().public_key().public_bytes_raw())
    await edge.say(SpoolOpen(spool_id=file.id, salt=bytes(16), wrapped_key=wrapped))

    assert await edge.receive(StreamRefuse) == StreamRefuse(span_id=file.id, reason="expired")
