"""The server end of the uplink: one WebSocket per edge, `/uplink/v1`.

    open ─► hello(nonce) ─► WAITING ──enrol | authenticate──► CHECKING ─► welcome ─► READY ─► closed
                               │ AUTHENTICATION_S                 └ refused, close
                               └ close
    READY   text    ping → pong · stream.open/close, spool.open, statuses → one after the other, in order
                    probe.result, snapshot.result → whoever asked
            binary  frames → SpanTable (live to the Hub, all to the recorder) or SpoolTable (sealed backlog)

The socket is never paused: a recorder that cannot follow drops what is unacknowledged and asks for it again. Of two
connections of one edge the newer one wins: the older one is a line that the edge has already given up.
"""

import asyncio
import os
from collections.abc import Awaitable, Callable
from enum import Enum
from typing import TYPE_CHECKING, Final, TypeVar
from uuid import UUID

import msgspec
import structlog
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from incamera.kit.ids import new_id
from incamera.protocol import websocket
from incamera.protocol.frames import MAX_FRAME_BYTES, InvalidFrame, parse_media_frame
from incamera.protocol.messages import (
    PROTOCOL_VERSION,
    SIGNATURE_CONTEXT,
    Authenticate,
    CameraFault,
    CameraState,
    CameraStatus,
    Desired,
    DesiredChannel,
    EdgeMessage,
    Enrol,
    GapCause,
    Hello,
    InvalidMessage,
    Message,
    Ping,
    Pong,
    ProbeResult,
    Refused,
    SnapshotResult,
    SpoolOpen,
    SpoolStatus,
    StreamClose,
    StreamMode,
    StreamOpen,
    WantSync,
    Welcome,
    parse_edge_message,
    render_message,
)
from incamera.streams.connection import SocketHandler, WebSocketConnection
from incamera.streams.errors import EdgeBusy, EdgeDidNotAnswer, EdgeNotConnected
from incamera.streams.interfaces import EdgeIdentity, EdgeRefused
from incamera.streams.model import EDGE_OFFLINE, ChannelState, StreamKey
from incamera.streams.spans import SpanTable
from incamera.streams.spool_intake import SpoolContext, SpoolTable

if TYPE_CHECKING:
    from incamera.streams.uplink_directory import UplinkContext, UplinkDirectory

log = structlog.get_logger(__name__)

AUTHENTICATION_S: Final = 10.0
REFRESH_DELAY_S: Final = 0.02  # several changes of one request become one message
MAX_WAITING_MESSAGES: Final = 4096
MAX_REQUESTS: Final = 16  # probes and snapshots under way per edge
REFUSAL_DELAY_S: Final = 0.5  # slows down who guesses enrolment codes

Result = TypeVar("Result", ProbeResult, SnapshotResult)


class _Phase(Enum):
    WAITING = 1
    CHECKING = 2
    READY = 3


class UplinkSocket(SocketHandler):
    """One connection of one edge."""

    max_message_bytes = 64 * 1024  # until the edge has authenticated
    texts_per_s = 500.0  # a recorder with 64 channels that comes back says 200 things at once
    text_burst = 5000.0
    max_unsent_bytes = 16 * 1024 * 1024  # words only: what a recorder shall do with 64 channels is a tenth of it

    def __init__(self, connection: WebSocketConnection, context: "UplinkContext", directory: "UplinkDirectory") -> None:
        super().__init__(connection)
        self._context, self._directory = context, directory
        self._nonce = os.urandom(32)
        self._phase = _Phase.WAITING
        self._edge_id: UUID
        self._spans = SpanTable(context.hub, context.recorder, context.registry, context.clock, self._send)
        self._spools: SpoolTable
        self._work: asyncio.Queue[Callable[[], Awaitable[None]]] = asyncio.Queue(MAX_WAITING_MESSAGES)
        self._desired = Desired(version=0, channels=())
        self._is_refresh_due = False
        self._requests: dict[UUID, asyncio.Future[ProbeResult | SnapshotResult]] = {}
        self._is_stopped = False

    # --- SocketHandler ----------------------------------------------------------------------------------------------

    def on_open(self) -> None:
        self.connection.expect_admission(AUTHENTICATION_S)
        self._send(Hello(nonce=self._nonce))

    def on_text(self, data: bytes) -> None:
        try:
            message = parse_edge_message(data)
        except InvalidMessage as error:
            raise websocket.WebSocketViolation(websocket.POLICY, str(error)) from error
        if self._phase is _Phase.READY:
            self._dispatch(message)
        elif self._phase is _Phase.WAITING and isinstance(message, Enrol | Authenticate):
            self._phase = _Phase.CHECKING
            self.connection.start(self._admit(message))
        else:
            raise websocket.WebSocketViolation(websocket.POLICY, "an edge first says who it is, once")

    def on_binary(self, data: bytes) -> None:
        if self._phase is not _Phase.READY:
            raise websocket.WebSocketViolation(websocket.POLICY, "media before authentication")
        try:
            frame = parse_media_frame(data)
        except InvalidFrame as error:
            raise websocket.WebSocketViolation(websocket.POLICY, str(error)) from error
        if frame.is_sealed:
            self._spools.take(frame)
        else:
            self._spans.take(frame)

    def on_shutdown(self) -> None:
        self.stop(GapCause.SERVER_STOPPED)

    def on_close(self) -> None:
        self.stop(GapCause.LINE_LOST)

    # --- for UplinkDirectory ----------------------------------------------------------------------------------------

    def refresh_desired(self) -> None:
        """Asks the registry soon; calls meanwhile add nothing."""
        if not self._is_refresh_due and not self._is_stopped:
            self._is_refresh_due = True
            asyncio.get_running_loop().call_later(REFRESH_DELAY_S, self._enqueue, self._push_desired)

    def watch_changed(self, key: StreamKey) -> None:
        """Somebody began or ceased to watch: no need to ask anyone, the edge hears at once."""
        if any(channel.channel_id == key.channel_id for channel in self._desired.channels):
            self._send_desired(self._desired)

    def want_sync(self, key: StreamKey) -> None:
        """Somebody waits for a sync sample of one of this edge's streams."""
        if any(channel.channel_id == key.channel_id for channel in self._desired.channels):
            self._send(WantSync(channel_id=key.channel_id, stream=key.stream))

    async def ask(self, make: Callable[[UUID], Message], kind: type[Result], timeout_s: float) -> Result:
        """Sends a request and waits for its answer."""
        if len(self._requests) >= MAX_REQUESTS:
            raise EdgeBusy
        request_id = new_id()
        answer = self._requests[request_id] = asyncio.get_running_loop().create_future()
        self._send(make(request_id))
        try:
            async with asyncio.timeout(timeout_s):
                result = await answer
        except TimeoutError:
            raise EdgeDidNotAnswer(timeout_s) from None
        finally:
            self._requests.pop(request_id, None)
        if not isinstance(result, kind):
            raise EdgeDidNotAnswer(timeout_s)
        return result

    def stop(self, cause: GapCause) -> None:
        """Ends all spans; the registry hears of it unless a newer connection has taken over."""
        if self._phase is not _Phase.READY or self._is_stopped:
            return
        self._is_stopped = True
        self._spans.close_all(cause)
        self._spools.close_all(cause)
        for answer in self._requests.values():
            if not answer.done():
                answer.set_exception(EdgeNotConnected())
        if self._directory.detach(self._edge_id, self):
            self._announce_gone()

    # --- admission --------------------------------------------------------------------------------------------------

    async def _admit(self, message: Enrol | Authenticate) -> None:
        try:
            identity = await self._identify(message)
        except EdgeRefused as refusal:
            log.info("uplink.refused", code=refusal.code)
            await self._context.clock.sleep(REFUSAL_DELAY_S)
            self._send(Refused(code=refusal.code, detail=refusal.detail, is_final=refusal.is_final))
            self.connection.close(websocket.POLICY, refusal.code)
            return
        if not self.connection.is_open:
            return
        self._become_ready(identity.edge_id)
        await self._directory.tell_presence(self._edge_id)
        await self._push_desired()
        await self._run_work()

    async def _identify(self, message: Enrol | Authenticate) -> EdgeIdentity:
        if message.version != PROTOCOL_VERSION:
            raise EdgeRefused(
                "version_not_spoken",
                f"This server speaks version {PROTOCOL_VERSION} of the uplink and the edge version {message.version}; "
                "update the older of the two.",
                is_final=True,
            )
        if isinstance(message, Enrol):
            self._check_signature(message.public_key, message.signature)
            return await self._context.authenticator.enrol(message.code, message.public_key, message.software)
        identity = await self._context.authenticator.find(message.edge_id)
        self._check_signature(identity.public_key, message.signature)
        return identity

    def _check_signature(self, public_key: bytes, signature: bytes) -> None:
        """The edge signs our nonce and the certificate it saw: the proof is good for this connection only."""
        try:
            key = Ed25519PublicKey.from_public_bytes(public_key)
        except ValueError:
            raise EdgeRefused("bad_key", "The edge's key is not an Ed25519 key.", is_final=True) from None
        for binding in self._context.bindings(self.connection.request):
            try:
                key.verify(signature, SIGNATURE_CONTEXT + self._nonce + binding)
            except InvalidSignature:
                continue
            return
        raise EdgeRefused(
            "bad_signature",
            "The edge's signature does not fit its key and this server's certificate; if the certificate has changed, "
            "enrol the edge again.",
            is_final=False,
        )

    def _become_ready(self, edge_id: UUID) -> None:
        context = self._context
        self._edge_id = edge_id
        self._spools = SpoolTable(
            self._spans,
            context.spool_key,
            SpoolContext(edge_id, context.registry, context.recorder, context.clock, self._send),
        )
        self._phase = _Phase.READY
        self.connection.admit()
        self.connection.raise_message_limit(MAX_FRAME_BYTES)
        self._directory.attach(edge_id, self)
        self._send(
            Welcome(
                edge_id=edge_id,
                spool_public_key=context.spool_key.public_key().public_bytes_raw(),
                server_us=context.clock.now_us(),
            )
        )
        log.info("uplink.connected", edge_id=str(edge_id))

    # --- messages ---------------------------------------------------------------------------------------------------

    def _dispatch(self, message: EdgeMessage) -> None:
        match message:
            case Ping():
                self._send(Pong(sent_us=message.sent_us, server_us=self._context.clock.now_us()))
            case ProbeResult() | SnapshotResult():
                self._answer(message)
            case StreamOpen():
                self._enqueue(lambda: self._spans.open(self._edge_id, message))
            case StreamClose():
                self._enqueue(lambda: self._close_stream(message))
            case SpoolOpen():
                self._open_spool(message)
            case CameraStatus():
                self._enqueue(lambda: self._camera_status(message))
            case SpoolStatus():
                self._enqueue(lambda: self._context.registry.spool_status(self._edge_id, message))
            case Enrol() | Authenticate():
                raise websocket.WebSocketViolation(websocket.POLICY, "this edge has authenticated already")

    def _answer(self, result: ProbeResult | SnapshotResult) -> None:
        answer = self._requests.get(result.request_id)
        if answer is not None and not answer.done():  # else it comes too late: nobody waits any more
            answer.set_result(result)

    def _open_spool(self, message: SpoolOpen) -> None:
        intake = self._spools.open(message)
        if intake is not None:
            self.connection.start(intake.run())

    async def _close_stream(self, message: StreamClose) -> None:
        if not self._spans.close(message):
            self._spools.close(message)

    async def _camera_status(self, status: CameraStatus) -> None:
        if not any(channel.channel_id == status.channel_id for channel in self._desired.channels):
            return  # it was removed while the message was under way
        state = ChannelState(status.state, status.fault, status.since_us)
        self._context.hub.announce_state(status.channel_id, state)
        await self._context.registry.camera_status(self._edge_id, status)

    # --- what the edge shall do -------------------------------------------------------------------------------------

    async def _push_desired(self) -> None:
        self._is_refresh_due = False
        desired = await self._context.registry.desired(self._edge_id)
        if not self._is_stopped:
            self._forget_removed(desired)
            self._spans.cut_unwanted(desired)
            self._announce_off(desired)
            self._send_desired(desired)

    def _send_desired(self, desired: Desired) -> None:
        channels = tuple(self._with_watchers(channel) for channel in desired.channels)
        if self._desired.version and channels == self._desired.channels:
            return
        self._desired = Desired(version=self._desired.version + 1, channels=channels)
        self._send(self._desired)

    def _with_watchers(self, channel: DesiredChannel) -> DesiredChannel:
        hub = self._context.hub
        streams = tuple(
            msgspec.structs.replace(wanted, is_watched=hub.is_watched(StreamKey(channel.channel_id, wanted.stream)))
            for wanted in channel.streams
        )
        return msgspec.structs.replace(channel, streams=streams)

    def _announce_off(self, desired: Desired) -> None:
        """Viewers of a camera that was turned off hear it from us, however slow the edge is to answer."""
        off = ChannelState(CameraState.OFF, CameraFault.NONE, self._context.clock.now_us())
        for channel in desired.channels:
            is_off = all(wanted.mode is StreamMode.OFF for wanted in channel.streams)
            state = self._context.hub.find_state(channel.channel_id)
            if is_off and state is not None and state.state is not CameraState.OFF:
                self._context.hub.announce_state(channel.channel_id, off)

    def _forget_removed(self, desired: Desired) -> None:
        remaining = {channel.channel_id for channel in desired.channels}
        for channel in self._desired.channels:
            if channel.channel_id not in remaining:
                self._context.hub.forget_channel(channel.channel_id)

    def _announce_gone(self) -> None:
        gone = ChannelState(CameraState.OFFLINE, EDGE_OFFLINE, self._context.clock.now_us())
        for channel in self._desired.channels:
            self._context.hub.announce_state(channel.channel_id, gone)

    # --- inside -----------------------------------------------------------------------------------------------------

    def _enqueue(self, work: Callable[[], Awaitable[None]]) -> None:
        """Slow work, one piece after the other in the order the edge spoke."""
        if self._work.full():
            self.connection.close(websocket.POLICY, "too many messages are waiting")
        else:
            self._work.put_nowait(work)

    async def _run_work(self) -> None:
        while True:
            work = await self._work.get()
            await work()

    def _send(self, message: Message) -> None:
        self.connection.write(websocket.render_text(render_message(message)))
