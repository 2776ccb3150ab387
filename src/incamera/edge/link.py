"""One WebSocket connection from the edge to its server, without knowing what is said over it.

`open_link` dials, checks the certificate before a byte is sent, and waits for the 101 (servers drop what comes early).
Media goes out by `send_media`: what one turn of the event loop brings leaves in one write, and what nobody waits for
waits a moment for more. `is_idle` and `stalled_s` tell how the line copes.
"""

import asyncio
import contextlib
import fcntl
import hashlib
import hmac
import socket
import ssl
import sys
import termios
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, cast

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from incamera.edge.errors import CertificateUnknown, EdgeError, NotAnIncameraServer, ServerUnreachable
from incamera.edge.server_address import UPLINK_TARGET, ServerAddress
from incamera.kit.transports import count_unsent
from incamera.protocol import websocket
from incamera.protocol.messages import MAX_MESSAGE_BYTES
from incamera.protocol.websocket import Binary, Close, FrameReader, Ping, Text, UpgradeFailed, WebSocketViolation

_CONNECT_TIMEOUT_S: Final = 10.0
_HIGH_WATER_BYTES: Final = 128 * 1024
_LOW_WATER_BYTES: Final = 16 * 1024
_NOT_SENT_LOW_WATER_BYTES: Final = 32 * 1024  # else the kernel hides megabytes, that is seconds, of media
_NOTHING_UNDER_WAY_BYTES: Final = 16 * 1024
_GATHERED_BYTES: Final = 256 * 1024  # written at once at the latest; each write wakes the server
_GATHERED_S: Final = 0.1  # how long media that nobody watches may wait for more
_TCP_NOTSENT_LOWAT: Final = getattr(socket, "TCP_NOTSENT_LOWAT", 25)


@dataclass(frozen=True, slots=True)
class CertificateExpectation:
    """What the server's certificate must be: one for such a key, else one that this machine trusts.

    The key is pinned and not the certificate (RFC 7469 clause 2.4): a renewed certificate is the same server.
    """

    key_sha256_prefixes: tuple[str, ...]  # hexadecimal, lower case; none: only the machine's trust counts


@dataclass(slots=True)
class LinkEvents:
    """Who hears of the link. Plain calls from the event loop."""

    on_text: Callable[[bytes], None]
    on_drained: Callable[[], None]  # writing had to wait, and need not any more
    on_closed: Callable[[str, bool], None]  # words for the log; whether the server said it is stopping


class Link(asyncio.Protocol):
    """The client's end of a WebSocket."""

    def __init__(self, address: ServerAddress, monotonic: Callable[[], float]) -> None:
        self._address = address
        self._monotonic = monotonic
        self._key = websocket.new_key()
        self._head = b""
        self._upgraded: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._reader = FrameReader(is_server=False, max_message_bytes=MAX_MESSAGE_BYTES)
        self._transport: asyncio.Transport | None = None
        self._events: LinkEvents | None = None
        self._early: list[Text] = []
        self._count_unsent: Callable[[], int] = lambda: 0
        self._full_since_s: float | None = None
        self._gathered: list[bytes] = []  # frames and payloads to be written together
        self._gathered_bytes = 0
        self._flush_timer: asyncio.TimerHandle | None = None
        self._is_flush_due = False  # at the end of this turn of the event loop
        self._close: Close | None = None
        self.server_key_sha256 = b""  # empty without TLS
        self.last_received_s = monotonic()

    # --- asyncio's side ---

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        transport = cast("asyncio.Transport", transport)  # uvloop's is one in all but its class
        self._transport = transport
        self._count_unsent = count_unsent(transport)
        transport.set_write_buffer_limits(high=_HIGH_WATER_BYTES, low=0)
        connection = transport.get_extra_info("socket")
        if connection is not None:
            with contextlib.suppress(OSError):
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                connection.setsockopt(socket.IPPROTO_TCP, _TCP_NOTSENT_LOWAT, _NOT_SENT_LOW_WATER_BYTES)

    def data_received(self, data: bytes) -> None:
        self.last_received_s = self._monotonic()
        self._look_at_line()  # acknowledgements come all the time
        if not self._upgraded.done():
            data = self._receive_head(data)
        if data:
            self._receive_frames(data)

    def pause_writing(self) -> None:
        self._look_at_line()

    def resume_writing(self) -> None:
        self._look_at_line()
        if self._events is not None:
            self._events.on_drained()

    def connection_lost(self, error: Exception | None) -> None:
        words = _words(error) if error is not None else "it hung up"
        is_stopping = False
        if self._close is not None:
            words = self._close.reason or f"it closed with code {self._close.code}"
            is_stopping = self._close.code in (websocket.GOING_AWAY, websocket.SERVICE_RESTART)
        if not self._upgraded.done():
            self._upgraded.set_exception(ServerUnreachable(words))
        events, self._events = self._events, None
        if events is not None:
            events.on_closed(words, is_stopping)

    # --- what the uplink uses ---

    async def upgrade(self) -> None:
        """Becomes a WebSocket, or raises ServerUnreachable or NotAnIncameraServer."""
        assert self._transport is not None
        self._transport.write(websocket.render_upgrade_request(self._address.host_header, UPLINK_TARGET, self._key))
        await self._upgraded

    def listen(self, events: LinkEvents) -> None:
        """From now on `events` hears what comes; what came early is told at once."""
        self._events = events
        early, self._early = self._early, []
        for message in early:
            events.on_text(message.data)

    def send_text(self, text: bytes) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._write(websocket.render_text(text, is_client=True))

    def send_media(self, header: bytes, payload: bytes, *, may_wait: bool = False) -> None:
        """One binary message of a small header and a payload, which is not copied; nobody watches it if it may wait."""
        size = len(header) + len(payload)
        self._gathered += (websocket.render_binary_header(size, is_client=True) + header, payload)
        self._gathered_bytes += size
        if self._gathered_bytes >= _GATHERED_BYTES:
            self._flush()
        elif not may_wait:
            if not self._is_flush_due:
                self._is_flush_due = True
                asyncio.get_running_loop().call_soon(self._flush)
        elif self._flush_timer is None:
            self._flush_timer = asyncio.get_running_loop().call_later(_GATHERED_S, self._flush)

    @property
    def is_idle(self) -> bool:
        """Whether all that was written has reached the other machine, but for a little."""
        if self._transport is None or self._count_unsent():
            return False
        return self._bytes_in_kernel() < _NOTHING_UNDER_WAY_BYTES

    @property
    def waiting_bytes(self) -> int:
        """Written, and not yet taken by the kernel."""
        return self._count_unsent()

    def stalled_s(self) -> float:
        """For how long writing has had to wait; 0 while the line takes all we give it."""
        self._look_at_line()
        return 0.0 if self._full_since_s is None else self._monotonic() - self._full_since_s

    def close(self, code: int = websocket.NORMAL, reason: str = "") -> None:
        """Says good-bye and hangs up once all is written."""
        if self._transport is not None and not self._transport.is_closing():
            self._write(websocket.render_close(code, reason, is_client=True))
            self._transport.close()

    def abort(self) -> None:
        """Hangs up now: a line that does not answer would never finish writing."""
        if self._transport is not None:
            self._transport.abort()

    # --- inside ---

    def _write(self, data: bytes) -> None:
        """Behind the media that was gathered: the order is that of the calls."""
        self._flush()
        if self._transport is not None:
            self._transport.write(data)

    def _flush(self) -> None:
        self._is_flush_due = False
        if self._flush_timer is not None:
            self._flush_timer.cancel()
            self._flush_timer = None
        gathered, self._gathered = self._gathered, []
        self._gathered_bytes = 0
        if gathered and self._transport is not None and not self._transport.is_closing():
            self._transport.writelines(gathered)

    def _look_at_line(self) -> None:
        """Full from more than a little waiting until next to nothing does."""
        waiting = self._count_unsent()
        if waiting <= _LOW_WATER_BYTES:
            self._full_since_s = None
        elif waiting > _HIGH_WATER_BYTES and self._full_since_s is None:
            self._full_since_s = self._monotonic()

    def _bytes_in_kernel(self) -> int:
        """Written and not yet acknowledged by the other machine's kernel (SIOCOUTQ, tcp(7)); 0 where unknown."""
        connection = None if self._transport is None else self._transport.get_extra_info("socket")
        if connection is None or sys.platform != "linux":
            return 0
        try:
            answer = fcntl.ioctl(connection.fileno(), termios.TIOCOUTQ, bytes(4))
        except OSError:
            return 0
        return int.from_bytes(answer, sys.byteorder)

    def _receive_head(self, data: bytes) -> bytes:
        self._head += data
        end = self._head.find(b"\r\n\r\n") + 4
        if end < 4:
            if len(self._head) > websocket.MAX_HEAD_BYTES:
                self._fail(NotAnIncameraServer("its answer has no end"))
            return b""
        try:
            websocket.parse_upgrade_response(self._head[:end], self._key)
        except UpgradeFailed as failure:
            is_passing = failure.status is not None and failure.status >= 500
            self._fail(ServerUnreachable(str(failure)) if is_passing else NotAnIncameraServer(str(failure)))
            return b""
        self._upgraded.set_result(None)
        return self._head[end:]

    def _receive_frames(self, data: bytes) -> None:
        assert self._transport is not None
        try:
            events = self._reader.receive(data)
        except WebSocketViolation as violation:
            self.close(violation.close_code, str(violation))
            return
        for event in events:
            match event:
                case Text():
                    if self._events is None:
                        self._early.append(event)
                    else:
                        self._events.on_text(event.data)
                case Binary():
                    self.close(websocket.UNSUPPORTED, "an edge takes no binary messages")
                case Ping(payload):
                    self._write(websocket.render_pong(payload, is_client=True))
                case Close():
                    self._close = event
                    self.close(event.code)

    def _fail(self, error: EdgeError) -> None:
        if not self._upgraded.done():
            self._upgraded.set_exception(error)
        self.abort()


async def open_link(
    address: ServerAddress, expectation: CertificateExpectation, monotonic: Callable[[], float]
) -> Link:
    """A WebSocket to the server's uplink; raises ServerUnreachable, CertificateUnknown or NotAnIncameraServer."""
    link: Link | None = None
    try:
        async with asyncio.timeout(_CONNECT_TIMEOUT_S):
            link = await _dial(address, any_certificate() if address.is_tls else None, monotonic)
            if address.is_tls:
                certificate = _certificate(link)
                if not _is_expected(certificate, expectation) and not await _is_trusted(address, certificate):
                    raise CertificateUnknown
                link.server_key_sha256 = _key_sha256(certificate)
            await link.upgrade()
            return link
    except TimeoutError as error:
        _give_up(link)
        raise ServerUnreachable("it does not answer") from error
    except BaseException:
        _give_up(link)
        raise


async def _dial(address: ServerAddress, tls: ssl.SSLContext | None, monotonic: Callable[[], float]) -> Link:
    loop = asyncio.get_running_loop()
    server_hostname = address.host if tls is not None else None
    try:
        _, link = await loop.create_connection(
            lambda: Link(address, monotonic), address.host, address.port, ssl=tls, server_hostname=server_hostname
        )
    except ssl.SSLError as error:
        raise ServerUnreachable("it does not speak TLS there, or an old one") from error
    except OSError as error:
        raise ServerUnreachable(_words(error)) from error
    return link


def any_certificate() -> ssl.SSLContext:
    """TLS without a chain check: the certificate itself is compared, before anything is sent."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def _certificate(link: Link) -> bytes:
    assert link._transport is not None
    certificate = link._transport.get_extra_info("ssl_object").getpeercert(binary_form=True)
    if certificate is None:
        raise CertificateUnknown
    return bytes(certificate)


def _is_expected(certificate: bytes, expectation: CertificateExpectation) -> bool:
    digest = _key_sha256(certificate).hex()
    return any(hmac.compare_digest(digest[: len(prefix)], prefix) for prefix in expectation.key_sha256_prefixes)


def _key_sha256(certificate: bytes) -> bytes:
    """SHA-256 of the SubjectPublicKeyInfo of a DER certificate; raises CertificateUnknown for what is none."""
    try:
        key = x509.load_der_x509_certificate(certificate).public_key()
    except (ValueError, UnsupportedAlgorithm) as error:
        raise CertificateUnknown from error
    return hashlib.sha256(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).digest()


async def _is_trusted(address: ServerAddress, certificate: bytes) -> bool:
    """Whether this machine's certificate authorities vouch for that same certificate (it may have been renewed)."""
    try:
        link = await _dial(address, ssl.create_default_context(), lambda: 0.0)
    except ServerUnreachable:
        return False
    try:
        return _certificate(link) == certificate
    finally:
        link.abort()


def _give_up(link: Link | None) -> None:
    if link is None:
        return
    if link._upgraded.done() and not link._upgraded.cancelled():
        link._upgraded.exception()  # retrieved, so that asyncio does not complain about it later
    else:
        link._upgraded.cancel()
    link.abort()


def _words(error: Exception) -> str:
    match error:
        case socket.gaierror():
            return "its name is not known"
        case ConnectionRefusedError():
            return "nothing listens there"
        case ConnectionResetError() | BrokenPipeError():
            return "the connection was cut"
        case TimeoutError():
            return "it does not answer"
        case OSError():
            return (error.strerror or type(error).__name__).lower()
        case _:
            return type(error).__name__
