"""The edge's end of the uplink: one connection, the words spoken over it, and a new one whenever it breaks.

    dial ─► hello ─► enrol or authenticate ─► welcome ─► desired … start, ack, pong …
      ▲        └ refused, for good ─► the program ends with the server's words     │
      └──────────── full-jitter back-off ◄── closed, or no sign of life for 15 s ◄─┘

What is wrong is logged once in words, and again only when it has become something else.
"""

import asyncio
from dataclasses import dataclass
from typing import Final

import msgspec
import structlog

from incamera.edge.backoff import Backoff
from incamera.edge.courier import Courier
from incamera.edge.desired_store import DesiredStore
from incamera.edge.errors import (
    CertificateUnknown,
    EdgeError,
    EnrolmentCodeMissing,
    LineLost,
    NotAnIncameraServer,
    RefusedByServer,
    ServerUnreachable,
)
from incamera.edge.identity import IdentityStore
from incamera.edge.link import CertificateExpectation, Link, LinkEvents, open_link
from incamera.edge.server_address import EnrolmentCode, ServerAddress
from incamera.edge.server_clock import ServerClock
from incamera.edge.supervisor import Supervisor
from incamera.kit.clock import Clock
from incamera.protocol import websocket
from incamera.protocol.messages import (
    Ack,
    Authenticate,
    Desired,
    Enrol,
    GapCause,
    Hello,
    InvalidMessage,
    Message,
    Ping,
    Pong,
    Probe,
    Refused,
    Resend,
    ServerMessage,
    StreamRefuse,
    StreamStart,
    TakeSnapshot,
    WantSync,
    Welcome,
    parse_server_message,
    render_message,
)

log = structlog.get_logger(__name__)

_FIRST_PINGS_EVERY_S: Final = 0.25  # a few close ones give a good time offset before the first picture is old
_FIRST_PINGS: Final = 4
_WELCOME_TIMEOUT_S: Final = 10.0
_STEADY_S: Final = 30.0


@dataclass(frozen=True, slots=True)
class UplinkTiming:
    """How a half-open line is noticed: within `no_sign_of_life_s` plus one ping."""

    ping_every_s: float = 4.0
    no_sign_of_life_s: float = 15.0  # three pings unanswered
    longest_delay_s: float = 10.0  # between two tries


@dataclass(frozen=True, slots=True)
class UplinkTools:
    """Who acts on what the server says."""

    courier: Courier
    supervisor: Supervisor
    server_clock: ServerClock
    clock: Clock
    software: str  # name and version, told to the server
    timing: UplinkTiming = UplinkTiming()


class Uplink:
    """Keeps an edge connected to its server."""

    def __init__(
        self,
        address: ServerAddress,
        code: EnrolmentCode | None,
        store: IdentityStore,
        desired: DesiredStore,
        tools: UplinkTools,
    ) -> None:
        self._address = address
        self._code = code
        self._store = store
        self._desired = desired
        self._tools = tools
        self._identity = store.load_or_create()
        self._first_cause = GapCause.EDGE_RESTARTED if self._identity.is_enrolled else GapCause.STARTED
        self._session: _Session | None = None
        self._last_words = ""
        self._is_closing = False
        if not self._identity.is_enrolled and code is None:
            raise EnrolmentCodeMissing
        if self._identity.is_enrolled and self._identity.server != str(address):
            log.info("edge.server_moved", says="The server is looked for at another address than last time.")
        tools.courier.prepare_key(self._identity.spool_public_key)

    async def run(self) -> None:
        """Connects again and again; ends only by cancellation or an EdgeError that needs a person."""
        self._resume()
        backoff = Backoff(longest_s=self._tools.timing.longest_delay_s)
        while True:
            started_s = self._tools.clock.monotonic()
            try:
                await self._connect_once()
            except EdgeError as error:
                if self._is_closing:
                    return
                if error.is_final and not self._may_enrol_instead(error):
                    self._desired.forget()
                    raise
                if isinstance(error, CertificateUnknown) and not self._identity.is_enrolled:
                    raise
                self._say(error)
                was_stopping = isinstance(error, LineLost) and error.was_server_stopping
                self._tools.supervisor.disconnected()
                self._tools.courier.detach(GapCause.SERVER_STOPPED if was_stopping else GapCause.LINE_LOST)
            if self._tools.clock.monotonic() - started_s > _STEADY_S:
                backoff.reset()
            await self._tools.clock.sleep(backoff.next_delay_s())

    def close(self) -> None:
        """Says good-bye to the server, if there is a line."""
        self._is_closing = True
        if self._session is not None:
            self._session.link.close(websocket.GOING_AWAY, "the edge is stopping")

    def _resume(self) -> None:
        """Goes on with what an earlier life was told, until the server says otherwise."""
        desired = self._desired.load(self._identity) if self._identity.is_enrolled else None
        if desired is not None:
            self._apply(desired)

    def _apply(self, desired: Desired) -> None:
        self._tools.supervisor.apply(desired, first_cause=self._first_cause)
        self._first_cause = GapCause.STARTED

    # --- one connection ---------------------------------------------------------------------------------------------

    async def _connect_once(self) -> None:
        link = await open_link(self._address, self._expected_certificate(), self._tools.clock.monotonic)
        session = _Session(link, self)
        self._session = session
        try:
            link.listen(LinkEvents(session.on_text, self._tools.courier.drained, session.on_closed))
            await session.keep_alive()
        finally:
            self._session = None
            session.abandon()
            link.abort()

    def _expected_certificate(self) -> CertificateExpectation:
        """The one we know, and the one that a code in a person's hand vouches for."""
        known = self._identity.server_key_sha256 if self._identity.is_enrolled else ""
        given = "" if self._code is None else self._code.fingerprint_prefix
        return CertificateExpectation(tuple(prefix for prefix in (known, given) if prefix))

    def answer_hello(self, hello: Hello, server_key_sha256: bytes) -> Message:
        """Proves who this edge is, or enrols it."""
        signature = self._identity.sign(hello.nonce, server_key_sha256)
        software = self._tools.software
        if self._identity.edge_id is not None:
            return Authenticate(edge_id=self._identity.edge_id, signature=signature, software=software)
        if self._code is None:
            raise EnrolmentCodeMissing
        public_key = self._identity.public_key
        return Enrol(code=self._code.secret, public_key=public_key, signature=signature, software=software)

    def welcomed(self, welcome: Welcome, link: Link) -> None:
        """The server knows this edge: remember what it said, and let media flow."""
        identity = msgspec.structs.replace(
            self._identity,
            edge_id=welcome.edge_id,
            server=str(self._address),
            server_key_sha256=link.server_key_sha256.hex(),
            spool_public_key=welcome.spool_public_key,
        )
        if identity != self._identity:
            self._store.save(identity)
            self._identity = identity
        self._last_words = ""
        log.info("edge.connected", says="Connected to the server.")
        self._tools.server_clock.forget()
        self._tools.courier.attach(link, welcome.spool_public_key)
        self._tools.supervisor.connected(lambda message: link.send_text(render_message(message)))

    def handle(self, message: ServerMessage) -> None:
        """Everything the server says after its welcome."""
        courier, supervisor = self._tools.courier, self._tools.supervisor
        match message:
            case Ack():
                courier.acknowledged(message)
            case StreamStart():
                courier.started(message)
            case StreamRefuse():
                courier.refused(message)
            case Resend():
                courier.resend(message)
            case Pong():
                self._tools.server_clock.observe(message.sent_us, message.server_us)
            case Desired():
                self._apply(message)
                self._desired.save(self._identity, message)
            case Probe():
                supervisor.probe(message)
            case TakeSnapshot():
                supervisor.take_snapshot(message)
            case WantSync():
                supervisor.want_sync(message)
            case _:
                log.warning("edge.unexpected_message", kind=type(message).__name__)

    @property
    def tools(self) -> UplinkTools:
        return self._tools

    # --- trouble ----------------------------------------------------------------------------------------------------

    def _may_enrol_instead(self, error: EdgeError) -> bool:
        """A server that no longer knows this edge, and a person who gave a fresh code: begin anew."""
        if not isinstance(error, RefusedByServer) or self._code is None or self._identity.edge_id is None:
            return False
        self._identity = msgspec.structs.replace(self._identity, edge_id=None)
        return True

    def _say(self, error: EdgeError) -> None:
        words = str(error)
        if words != self._last_words:
            self._last_words = words
            log.warning("edge.line_down", says=words)


class _Session:
    """What is said over one connection."""

    def __init__(self, link: Link, uplink: Uplink) -> None:
        self.link = link
        self._uplink = uplink
        self._is_welcome = False
        self._ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def on_text(self, text: bytes) -> None:
        """One message of the server."""
        try:
            self._handle(parse_server_message(text))
        except InvalidMessage as error:
            self.link.close(websocket.POLICY, "not a message of this protocol")
            self._end(NotAnIncameraServer(f"it said something this edge does not understand ({error})"))
        except EdgeError as error:
            self._end(error)

    def on_closed(self, words: str, is_server_stopping: bool) -> None:
        """The line is gone."""
        if self._is_welcome:
            self._end(LineLost(words, was_server_stopping=is_server_stopping))
        else:
            self._end(ServerUnreachable(words))

    async def keep_alive(self) -> None:
        """Pings for time and signs of life until the line ends; raises the EdgeError that ended it."""
        clock, server_clock = self._uplink.tools.clock, self._uplink.tools.server_clock
        timing = self._uplink.tools.timing
        opened_s = clock.monotonic()
        pings = 0
        while not self._ended.done():
            now_s = clock.monotonic()
            if self._is_welcome:
                self.link.send_text(render_message(Ping(sent_us=server_clock.monotonic_us())))
                pings += 1
            elif now_s - opened_s > _WELCOME_TIMEOUT_S:
                raise ServerUnreachable("it does not welcome this edge")
            if now_s - self.link.last_received_s > timing.no_sign_of_life_s:
                raise LineLost(f"no sign of life for {timing.no_sign_of_life_s:.0f} s")
            pause_s = _FIRST_PINGS_EVERY_S if pings <= _FIRST_PINGS else timing.ping_every_s
            await asyncio.wait((self._ended,), timeout=pause_s)
        self._ended.result()

    def abandon(self) -> None:
        """Nobody waits for the end any more."""
        self._ended.cancel()

    def _handle(self, message: ServerMessage) -> None:
        match message:
            case Refused(code=code, detail=detail, is_final=is_final):
                raise RefusedByServer(code, detail, is_final=is_final)
            case Hello() if not self._is_welcome:
                answer = self._uplink.answer_hello(message, self.link.server_key_sha256)
                self.link.send_text(render_message(answer))
            case Welcome() if not self._is_welcome:
                self._is_welcome = True
                self._uplink.welcomed(message, self.link)
            case _ if self._is_welcome:
                self._uplink.handle(message)
            case _:
                raise NotAnIncameraServer("it spoke out of turn")

    def _end(self, error: EdgeError) -> None:
        if not self._ended.done():
            self._ended.set_exception(error)
