"""One WebSocket connection outside ASGI: the thin shell between a transport and a handler.

    HTTP head ─► (SocketServer: path, origin, limits) ─► open() ─► OPEN ──► closing ──► closed
    OPEN      bytes ─► FrameReader ─► handler.on_text / on_binary; ping after PING_AFTER_S of silence
    closing   our close frame is out; ends with the peer's, or after CLOSE_TIMEOUT_S
    closed    on_close; reached from anywhere when the line breaks or stays silent for SILENCE_LIMIT_S

`SocketHandler` is what a feature writes: callbacks that return at once, and tasks that end with the connection. Nothing
here waits for a peer: what a handler writes goes to the transport, and whoever writes much looks at `unsent_bytes`.
"""

import asyncio
import socket
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, cast

import msgspec
import structlog

from incamera.kit.transports import count_unsent
from incamera.protocol import websocket

log = structlog.get_logger(__name__)

PING_AFTER_S: Final = 20.0
SILENCE_LIMIT_S: Final = 45.0  # a half-open connection is cut after this
CLOSE_TIMEOUT_S: Final = 2.0
# Kernel buffers otherwise hide 4 MB, 8 s of a 4 Mbit/s camera, before we see that a viewer is slow (measured).
NOTSENT_LOWAT_BYTES: Final = 128 * 1024
WRITE_HIGH_WATER_BYTES: Final = 1024 * 1024
WRITE_LOW_WATER_BYTES: Final = 256 * 1024
_TCP_NOTSENT_LOWAT: Final = getattr(socket, "TCP_NOTSENT_LOWAT", 25)  # named from Python 3.12 on; 25 on Linux


@dataclass(frozen=True, slots=True)
class SocketRequest:
    """Who asks for a socket, as far as the HTTP head and the line tell. Personal: `client_address`."""

    path: str
    query: str
    headers: Mapping[str, str]  # lower-case names
    client_address: str  # of the person's end, also behind a trusted proxy
    is_secure: bool  # TLS ends here or at a trusted proxy


class SocketHandler:
    """What happens on one connection. Every callback runs in the event loop and must return at once.

    A raised WebSocketViolation closes the connection with its code; any other exception closes it with 1011.
    """

    max_message_bytes = 64 * 1024
    texts_per_s = 50.0  # a bucket: no peer of ours says more, and each message, ping or pong costs a parse
    text_burst = 400.0
    max_unsent_bytes = 256 * 1024 * 1024  # who leaves more than that unread is cut: far above a page full of joins

    def __init__(self, connection: "WebSocketConnection") -> None:
        self.connection = connection

    def on_open(self) -> None:
        """The 101 has been written."""

    def on_text(self, data: bytes) -> None:
        """A whole text message, valid UTF-8."""

    def on_binary(self, data: bytes) -> None:
        """A whole binary message. Unless overridden nobody may send one."""
        raise websocket.WebSocketViolation(websocket.UNSUPPORTED, "binary messages are not expected here")

    def on_shutdown(self) -> None:
        """The server stops; say farewell in words if you have any. The close frame (1001) follows."""

    def on_close(self) -> None:
        """The connection is gone, whoever ended it. Called once; nothing can be written any more."""


class WebSocketConnection(asyncio.Protocol):
    """Frames, pings, limits and closing of one connection. Created by SocketServer only."""

    def __init__(
        self,
        request: SocketRequest,
        transport: asyncio.Transport,
        on_lost: Callable[["WebSocketConnection"], None],
    ) -> None:
        self.request = request
        self.is_open = True  # whether writing still makes sense; no property, it is asked once per viewer and picture
        self._transport = transport
        self.count_unsent = count_unsent(transport)
        self._on_lost = on_lost
        self._handler: SocketHandler
        self._reader: websocket.FrameReader
        self._loop = asyncio.get_running_loop()
        self._tasks: set[asyncio.Task[None]] = set()
        self._drained: asyncio.Event | None = None
        self._admission: asyncio.TimerHandle | None = None
        self._last_heard = self._loop.time()
        self._has_pinged = False
        self._is_closing = False
        self._is_lost = False
        self._texts_left, self._texts_at = 0.0, self._last_heard

    # --- for handlers -----------------------------------------------------------------------------------------------

    @property
    def transport(self) -> asyncio.Transport:
        """For hot paths that write ready-made frames. Check `is_open` first; never close it."""
        return self._transport

    @property
    def unsent_bytes(self) -> int:
        """What was written and has not reached the kernel yet."""
        return 0 if self._is_lost else self.count_unsent()

    def write(self, frame: bytes) -> None:
        """Sends one ready-made WebSocket frame. Does nothing once the connection is closing."""
        if self.is_open:
            self._transport.write(frame)

    def write_all(self, frames: Sequence[bytes]) -> None:
        """Sends ready-made frames in order."""
        if self.is_open:
            self._transport.writelines(frames)

    def send_json(self, message: object) -> None:
        """Sends a text message: anything msgspec can write."""
        self.write(websocket.render_text(msgspec.json.encode(message)))

    def send_binary(self, *parts: bytes) -> None:
        """Sends one binary message made of `parts`, without joining them."""
        length = sum(map(len, parts))
        self.write_all((websocket.render_binary_header(length), *parts))

    async def drained(self) -> None:
        """Returns when little is left unsent; at once if the buffer is not full or the connection is gone."""
        if self._drained is not None:
            await self._drained.wait()

    def start(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Runs `work` as long as this connection lives. A failure closes the connection with 1011."""
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._task_ended)
        return task

    def expect_admission(self, within_s: float) -> None:
        """Closes the connection (1008) unless `admit` is called in time: a stranger may not hold a socket open."""
        self.admit()
        self._admission = self._loop.call_later(within_s, self.close, websocket.POLICY, "nothing was opened in time")

    def admit(self) -> None:
        """The peer has shown a right to be here."""
        if self._admission is not None:
            self._admission.cancel()
            self._admission = None

    def raise_message_limit(self, max_message_bytes: int) -> None:
        """Longer messages from now on, for a peer that has authenticated. Call it from on_text or later."""
        self._reader.limit(max_message_bytes)

    def close(self, code: int = websocket.NORMAL, reason: str = "") -> None:
        """Sends a close frame; hangs up when the peer answers, or after CLOSE_TIMEOUT_S. May be repeated."""
        if not self.is_open:
            return
        self._transport.write(websocket.render_close(code, reason))
        self._is_closing, self.is_open = True, False
        self._loop.call_later(CLOSE_TIMEOUT_S, self._hang_up)

    # --- for SocketServer -------------------------------------------------------------------------------------------

    def open(self, handler: SocketHandler, accept: bytes) -> None:
        """Answers the upgrade with `accept` (the 101) and hands over to `handler`."""
        self._handler = handler
        self._texts_left = handler.text_burst
        self._reader = websocket.FrameReader(is_server=True, max_message_bytes=handler.max_message_bytes)
        _tune(self._transport)
        self._transport.write(accept)
        self._guarded(handler.on_open)

    def shutdown(self) -> None:
        """uvicorn calls this once when the server stops."""
        if self.is_open:
            self._guarded(self._handler.on_shutdown)
        self.close(websocket.GOING_AWAY, "the server stops")

    def check_alive(self, now: float) -> None:
        """Pings a silent peer, cuts one that stays silent or reads nothing. Called every few seconds."""
        silent_s = now - self._last_heard
        if self._is_lost:
            return
        if silent_s > SILENCE_LIMIT_S or self.unsent_bytes > self._handler.max_unsent_bytes:
            self._transport.abort()  # gone, or it talks and never reads: our answers would fill the memory
        elif silent_s > PING_AFTER_S and not self._has_pinged and self.is_open:
            self._has_pinged = True
            self._transport.write(websocket.render_ping())

    # --- asyncio.Protocol -------------------------------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        self._last_heard, self._has_pinged = self._loop.time(), False
        try:
            for event in self._reader.receive(data):
                self._dispatch(event)
        except websocket.WebSocketViolation as violation:
            self._violated(violation)
        except Exception:  # noqa: BLE001 - a mistake of one handler must cost one connection only
            self._failed()

    def eof_received(self) -> bool:
        return False  # the transport closes itself: a half-closed WebSocket is of no use

    def pause_writing(self) -> None:
        self._drained = asyncio.Event()

    def resume_writing(self) -> None:
        if self._drained is not None:
            self._drained.set()
            self._drained = None

    def connection_lost(self, error: Exception | None) -> None:
        if self._is_lost:
            return
        self._is_lost, self.is_open = True, False
        self.admit()
        self.resume_writing()
        for task in tuple(self._tasks):
            task.cancel()
        try:
            self._handler.on_close()
        finally:
            self._on_lost(self)

    # --- inside -----------------------------------------------------------------------------------------------------

    def _dispatch(self, event: websocket.Event) -> None:
        if isinstance(event, websocket.Close):
            self._answer_close(event)
        elif self._is_closing:
            return  # after our close frame only the peer's matters (RFC 6455 clause 5.5.1)
        elif isinstance(event, websocket.Binary):
            self._handler.on_binary(event.data)
        elif isinstance(event, websocket.Text):
            self._take_text_allowance()
            self._handler.on_text(event.data)
        elif isinstance(event, websocket.Ping):
            self._take_text_allowance()
            self.write(websocket.render_pong(event.data))
        else:
            self._take_text_allowance()

    def _take_text_allowance(self) -> None:
        handler, now = self._handler, self._last_heard
        refilled = self._texts_left + (now - self._texts_at) * handler.texts_per_s
        self._texts_left = min(handler.text_burst, refilled) - 1
        self._texts_at = now
        if self._texts_left < 0:
            raise websocket.WebSocketViolation(websocket.POLICY, "too many messages; slow down")

    def _answer_close(self, event: websocket.Close) -> None:
        if not self._is_closing:
            self._transport.write(websocket.render_close(event.code))
            self._is_closing, self.is_open = True, False
            self._loop.call_later(CLOSE_TIMEOUT_S, self._hang_up)
        self._transport.close()  # flushes first; _hang_up cuts a peer that reads no more

    def _hang_up(self) -> None:
        if not self._is_lost:
            self._transport.abort()

    def _guarded(self, callback: Callable[[], None]) -> None:
        try:
            callback()
        except websocket.WebSocketViolation as violation:
            self._violated(violation)
        except Exception:  # noqa: BLE001 - a mistake of one handler must cost one connection only
            self._failed()

    def _violated(self, violation: websocket.WebSocketViolation) -> None:
        log.info("socket.violation", path=self.request.path, close_code=violation.close_code)  # no words from outside
        self.close(violation.close_code, str(violation))

    def _failed(self) -> None:
        log.exception("socket.failed", path=self.request.path)
        self.close(websocket.INTERNAL_ERROR, "the server made a mistake; connect again")

    def _task_ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if task.cancelled() or (error := task.exception()) is None:
            return
        if isinstance(error, websocket.WebSocketViolation):
            self._violated(error)
        else:
            log.error("socket.failed", path=self.request.path, exc_info=error)
            self.close(websocket.INTERNAL_ERROR, "the server made a mistake; connect again")


def _tune(transport: asyncio.Transport) -> None:
    transport.set_write_buffer_limits(high=WRITE_HIGH_WATER_BYTES, low=WRITE_LOW_WATER_BYTES)
    line = cast("socket.socket | None", transport.get_extra_info("socket"))
    if line is None or line.family not in (socket.AF_INET, socket.AF_INET6):
        return
    line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    try:
        line.setsockopt(socket.IPPROTO_TCP, _TCP_NOTSENT_LOWAT, NOTSENT_LOWAT_BYTES)
    except OSError:  # not Linux or macOS: a slow viewer is noticed later
        log.debug("socket.no_notsent_lowat")
