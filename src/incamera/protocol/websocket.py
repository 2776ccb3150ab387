"""WebSocket framing (RFC 6455) without input or output: bytes in, messages out, for both ends of a socket.

Why our own: the media path writes one ready-made frame to a thousand viewers and reads megabytes a second from an edge,
and the general libraries spend more on that than the kernel does (measured, `docs/design/uplink.md`). No extension is
ever agreed on, so the reserved bits are always 0.

    HTTP head ──► parse_upgrade_request / parse_upgrade_response
    then          FrameReader.receive(bytes) -> [Text | Binary | Ping | Pong | Close]     (raises WebSocketViolation)
                  render_text, render_binary_header + payload, render_ping, render_pong, render_close

Frames of a client are masked with the key 0, which changes no byte (`docs/decisions/masking-key-zero.md`).
"""

import base64
import hashlib
import os
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import msgspec

MAX_HEAD_BYTES: Final = 16 * 1024
MAX_CONTROL_BYTES: Final = 125  # RFC 6455 clause 5.5
MAX_FRAGMENTS: Final = 256  # of one message: a frame costs a parse, however little it carries

NORMAL: Final = 1000  # close codes: RFC 6455 clause 7.4.1
GOING_AWAY: Final = 1001
PROTOCOL_ERROR: Final = 1002
UNSUPPORTED: Final = 1003
NO_STATUS: Final = 1005  # never on the wire: the close frame had no code
ABNORMAL: Final = 1006  # never on the wire: the line ended without a close frame
INVALID_TEXT: Final = 1007
POLICY: Final = 1008
TOO_BIG: Final = 1009
INTERNAL_ERROR: Final = 1011
SERVICE_RESTART: Final = 1012

_CONTINUATION, _TEXT, _BINARY, _CLOSE, _PING, _PONG = 0x0, 0x1, 0x2, 0x8, 0x9, 0xA
_FIN, _RESERVED, _OPCODE, _MASKED, _LENGTH = 0x80, 0x70, 0x0F, 0x80, 0x7F
_ZERO_MASK: Final = b"\0\0\0\0"
_GUID: Final = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_U16 = struct.Struct(">H")
_U64 = struct.Struct(">Q")


class WebSocketViolation(ValueError):
    """The other end broke RFC 6455 or one of our limits: send `render_close(close_code)` and hang up."""

    def __init__(self, close_code: int, detail: str) -> None:
        self.close_code = close_code
        super().__init__(detail)


class UpgradeFailed(ValueError):
    """The HTTP head is no valid WebSocket upgrade. `status`: the answer's HTTP status, or None if it was unreadable."""

    def __init__(self, detail: str, status: int | None = None) -> None:
        self.status = status
        super().__init__(detail)


# --- messages -------------------------------------------------------------------------------------------------------


class Text(msgspec.Struct, frozen=True, gc=False):
    """A whole text message; `data` was checked to be UTF-8."""

    data: bytes

    @property
    def text(self) -> str:
        return self.data.decode()


class Binary(msgspec.Struct, frozen=True, gc=False):
    """A whole binary message."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Ping:
    """Answer it with `render_pong(data)`."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Pong:
    data: bytes


@dataclass(frozen=True, slots=True)
class Close:
    """The other end closes; answer with `render_close(code)` unless it answers ours. Nothing comes after it."""

    code: int  # NO_STATUS if it gave none
    reason: str


Event = Text | Binary | Ping | Pong | Close


# --- reading --------------------------------------------------------------------------------------------------------


class FrameReader:
    """Turns the bytes after the upgrade into messages, however the network cut them.

    A payload is copied once out of the read it came in; only one that spans reads is joined. Memory is bounded by
    `max_message_bytes` plus one read. After a WebSocketViolation the reader is spent.
    """

    def __init__(self, *, is_server: bool, max_message_bytes: int) -> None:
        self._is_server = is_server
        self._max_message_bytes = max_message_bytes
        self._head = b""  # start of a frame header that is not complete yet
        self._frame: _FrameHead | None = None  # the frame whose payload is being collected
        self._parts: list[bytes] = []
        self._missing_bytes = 0
        self._message_opcode = _CONTINUATION  # of the fragmented message under way; continuation: none
        self._message = bytearray()
        self._fragments = 0
        self._is_closed = False

    def limit(self, max_message_bytes: int) -> None:
        """Another limit for the messages that begin from now on, e.g. a higher one once the peer has authenticated."""
        self._max_message_bytes = max_message_bytes

    def receive(self, data: bytes) -> list[Event]:
        """The messages completed by `data`, in order; raises WebSocketViolation."""
        events: list[Event] = []
        if self._is_closed:
            return events
        position = 0
        if self._frame is not None:
            position = self._collect(data, 0, events)
        elif self._head:
            data, self._head = self._head + data, b""
        while position < len(data) and not self._is_closed:
            head = _parse_frame_head(data, position)
            if head is None:
                self._head = data[position:]
                break
            self._check(head)
            self._frame, self._missing_bytes = head, head.length
            position = self._collect(data, head.payload_at, events)
        return events

    def _collect(self, data: bytes, position: int, events: list[Event]) -> int:
        """Takes payload bytes from `data` at `position`; returns where the next frame starts."""
        assert self._frame is not None
        end = position + self._missing_bytes
        if end > len(data):
            if position < len(data):
                self._parts.append(data[position:])
                self._missing_bytes = end - len(data)
            return len(data)
        payload = data[position:end]
        if self._parts:
            self._parts.append(payload)
            payload = b"".join(self._parts)
            self._parts.clear()
        frame, self._frame = self._frame, None
        if frame.mask is not None and frame.mask != _ZERO_MASK:
            payload = _unmask(payload, frame.mask)
        event = self._control(frame, payload) if frame.is_control else self._message_part(frame, payload)
        if event is not None:
            events.append(event)
        return end

    def _check(self, head: "_FrameHead") -> None:
        if head.reserved:
            raise WebSocketViolation(PROTOCOL_ERROR, "a reserved bit is set though no extension was agreed on")
        if (head.mask is not None) != self._is_server:
            problem = "a client frame without mask" if self._is_server else "a masked server frame"
            raise WebSocketViolation(PROTOCOL_ERROR, problem)
        if head.is_control:
            if head.opcode not in (_CLOSE, _PING, _PONG):
                raise WebSocketViolation(PROTOCOL_ERROR, f"unknown control frame {head.opcode:#x}")
            if not head.is_final or head.length > MAX_CONTROL_BYTES:
                raise WebSocketViolation(PROTOCOL_ERROR, "a control frame is fragmented or longer than 125 bytes")
            return
        if head.opcode not in (_CONTINUATION, _TEXT, _BINARY):
            raise WebSocketViolation(PROTOCOL_ERROR, f"unknown data frame {head.opcode:#x}")
        if (head.opcode == _CONTINUATION) != (self._message_opcode != _CONTINUATION):
            raise WebSocketViolation(PROTOCOL_ERROR, "fragments of a message are out of order")
        if len(self._message) + head.length > self._max_message_bytes:
            raise WebSocketViolation(TOO_BIG, f"a message is longer than {self._max_message_bytes} bytes")

    def _message_part(self, frame: "_FrameHead", payload: bytes) -> Event | None:
        if frame.is_final and frame.opcode != _CONTINUATION:
            return _message(frame.opcode, payload)
        if frame.opcode != _CONTINUATION:
            self._message_opcode = frame.opcode
        self._message += payload
        self._fragments += 1
        if not frame.is_final:
            if self._fragments >= MAX_FRAGMENTS:
                raise WebSocketViolation(POLICY, f"a message comes in more than {MAX_FRAGMENTS} pieces")
            return None
        whole, opcode = bytes(self._message), self._message_opcode
        self._message, self._message_opcode, self._fragments = bytearray(), _CONTINUATION, 0
        return _message(opcode, whole)

    def _control(self, frame: "_FrameHead", payload: bytes) -> Event:
        if frame.opcode == _PING:
            return Ping(payload)
        if frame.opcode == _PONG:
            return Pong(payload)
        self._is_closed = True
        return _parse_close(payload)


class _FrameHead(msgspec.Struct, frozen=True, gc=False):
    """RFC 6455 clause 5.2, decoded."""

    opcode: int
    is_final: bool
    reserved: int
    mask: bytes | None
    length: int
    payload_at: int

    @property
    def is_control(self) -> bool:
        return self.opcode >= _CLOSE


def _parse_frame_head(data: bytes, position: int) -> _FrameHead | None:
    """The frame header at `position`, or None while it is not complete."""
    available = len(data) - position
    if available < 2:
        return None
    first, second = data[position], data[position + 1]
    length = second & _LENGTH
    at = position + 2
    if length == 126:
        if available < 4:
            return None
        (length,) = _U16.unpack_from(data, at)
        at += 2
    elif length == 127:
        if available < 10:
            return None
        (length,) = _U64.unpack_from(data, at)
        if length >> 63:
            raise WebSocketViolation(PROTOCOL_ERROR, "a frame claims a negative length")
        at += 8
    mask = None
    if second & _MASKED:
        mask = data[at : at + 4]
        if len(mask) < 4:
            return None
        at += 4
    return _FrameHead(first & _OPCODE, bool(first & _FIN), first & _RESERVED, mask, length, at)


def _message(opcode: int, payload: bytes) -> Event:
    if opcode == _BINARY:
        return Binary(payload)
    try:
        payload.decode()
    except UnicodeDecodeError as error:
        raise WebSocketViolation(INVALID_TEXT, "a text message is not UTF-8") from error
    return Text(payload)


def _parse_close(payload: bytes) -> Close:
    if not payload:
        return Close(NO_STATUS, "")
    if len(payload) == 1:
        raise WebSocketViolation(PROTOCOL_ERROR, "half a close code")
    (code,) = _U16.unpack_from(payload)
    if not (1000 <= code <= 1014 and code not in (1004, NO_STATUS, ABNORMAL)) and not 3000 <= code <= 4999:
        raise WebSocketViolation(PROTOCOL_ERROR, f"close code {code} must not be sent")
    try:
        return Close(code, payload[2:].decode())
    except UnicodeDecodeError as error:
        raise WebSocketViolation(INVALID_TEXT, "the reason of a close frame is not UTF-8") from error


def _unmask(payload: bytes, mask: bytes) -> bytes:
    """RFC 6455 clause 5.3 as one XOR of two big integers: C speed, no loop over bytes."""
    length = len(payload)
    key = (mask * (length // 4 + 1))[:length]
    return (int.from_bytes(payload, "little") ^ int.from_bytes(key, "little")).to_bytes(length, "little")


# --- writing --------------------------------------------------------------------------------------------------------


def render_binary_header(length: int, *, is_client: bool = False) -> bytes:
    """The header of a whole binary message of `length` bytes; write the payload behind it, without joining."""
    return _render_head(_BINARY, length, is_client)


def render_text(data: bytes, *, is_client: bool = False) -> bytes:
    """A whole text message; `data` is UTF-8."""
    return _render_head(_TEXT, len(data), is_client) + data


def render_ping(data: bytes = b"", *, is_client: bool = False) -> bytes:
    """A ping of at most 125 bytes."""
    return _render_control(_PING, data, is_client)


def render_pong(data: bytes = b"", *, is_client: bool = False) -> bytes:
    """The answer to a ping, with the ping's bytes."""
    return _render_control(_PONG, data, is_client)


def render_close(code: int = NORMAL, reason: str = "", *, is_client: bool = False) -> bytes:
    """A close frame; a long reason is cut. NO_STATUS and ABNORMAL are rendered as a close without code."""
    if code in (NO_STATUS, ABNORMAL):
        return _render_control(_CLOSE, b"", is_client)
    words = reason.encode()[: MAX_CONTROL_BYTES - 2].decode(errors="ignore").encode()
    return _render_control(_CLOSE, _U16.pack(code) + words, is_client)


def _render_control(opcode: int, data: bytes, is_client: bool) -> bytes:
    if len(data) > MAX_CONTROL_BYTES:
        raise ValueError("the payload of a control frame has at most 125 bytes")
    return _render_head(opcode, len(data), is_client) + data


def _render_head(opcode: int, length: int, is_client: bool) -> bytes:
    masked, tail = (_MASKED, _ZERO_MASK) if is_client else (0, b"")
    if length < 126:
        return bytes((_FIN | opcode, masked | length)) + tail
    if length < 65536:
        return bytes((_FIN | opcode, masked | 126)) + _U16.pack(length) + tail
    return bytes((_FIN | opcode, masked | 127)) + _U64.pack(length) + tail


# --- the HTTP upgrade (clause 4) ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class UpgradeRequest:
    """What a server knows of a client that asks for a WebSocket. Header names are lower case."""

    target: str  # path and query as sent
    key: str
    headers: Mapping[str, str]


def new_key() -> str:
    """A fresh `Sec-WebSocket-Key`."""
    return base64.b64encode(os.urandom(16)).decode()


def accept_key(key: str) -> str:
    """The `Sec-WebSocket-Accept` that belongs to a key (clause 4.2.2)."""
    return base64.b64encode(hashlib.sha1(key.encode() + _GUID, usedforsecurity=False).digest()).decode()


def render_upgrade_request(host: str, target: str, key: str, headers: Mapping[str, str] | None = None) -> bytes:
    """A client's HTTP head. Send nothing more before the 101 is there: servers drop what comes early."""
    lines = [
        f"GET {target} HTTP/1.1",
        f"Host: {host}",
        "Upgrade: websocket",
        "Connection: Upgrade",
        f"Sec-WebSocket-Key: {key}",
        "Sec-WebSocket-Version: 13",
        *(f"{name}: {value}" for name, value in (headers or {}).items()),
    ]
    return _render_head_lines(lines)


def render_upgrade_response(key: str, headers: Mapping[str, str] | None = None) -> bytes:
    """A server's `101 Switching Protocols`."""
    lines = [
        "HTTP/1.1 101 Switching Protocols",
        "Upgrade: websocket",
        "Connection: Upgrade",
        f"Sec-WebSocket-Accept: {accept_key(key)}",
        *(f"{name}: {value}" for name, value in (headers or {}).items()),
    ]
    return _render_head_lines(lines)


def parse_upgrade_request(head: bytes) -> UpgradeRequest:
    """A client's head up to and including the empty line; raises UpgradeFailed."""
    request_line, headers = _parse_head(head)
    method, _, rest = request_line.partition(" ")
    target, _, version = rest.rpartition(" ")
    if method != "GET" or version != "HTTP/1.1" or not target.startswith("/"):
        raise UpgradeFailed("an upgrade is a GET with HTTP/1.1")
    _require_upgrade(headers)
    if headers.get("sec-websocket-version") != "13":
        raise UpgradeFailed("only version 13 of the WebSocket protocol is spoken here")
    key = headers.get("sec-websocket-key", "")
    if len(key) != 24 or not key.endswith("=="):
        raise UpgradeFailed("the Sec-WebSocket-Key is not 16 bytes in base64")
    return UpgradeRequest(target, key, headers)


def parse_upgrade_response(head: bytes, key: str) -> Mapping[str, str]:
    """Checks a server's head up to and including the empty line; its headers, or UpgradeFailed with the HTTP status."""
    status_line, headers = _parse_head(head)
    version, _, rest = status_line.partition(" ")
    if not version.startswith("HTTP/1.") or not (rest[:3].isascii() and rest[:3].isdigit()):
        raise UpgradeFailed("the answer is not HTTP")
    status = int(rest[:3])
    if status != 101:
        raise UpgradeFailed(f"the server answered {status} instead of 101", status)
    _require_upgrade(headers)
    if headers.get("sec-websocket-accept") != accept_key(key):
        raise UpgradeFailed("the Sec-WebSocket-Accept does not belong to our key", status)
    if "sec-websocket-extensions" in headers:
        raise UpgradeFailed("the server chose an extension nobody offered", status)
    return headers


def _require_upgrade(headers: Mapping[str, str]) -> None:
    if headers.get("upgrade", "").lower() != "websocket":
        raise UpgradeFailed("the head does not upgrade to websocket")
    if "upgrade" not in [token.strip() for token in headers.get("connection", "").lower().split(",")]:
        raise UpgradeFailed("the Connection header does not say Upgrade")


def _parse_head(head: bytes) -> tuple[str, dict[str, str]]:
    if len(head) > MAX_HEAD_BYTES:
        raise UpgradeFailed(f"an HTTP head is longer than {MAX_HEAD_BYTES} bytes")
    if not head.endswith(b"\r\n\r\n"):
        raise UpgradeFailed("the HTTP head does not end with an empty line")
    first, *lines = head[:-4].decode("latin-1").split("\r\n")
    headers: dict[str, str] = {}
    for line in lines:
        name, colon, value = line.partition(":")
        if not colon or not name or name != name.strip():
            raise UpgradeFailed("a header line of the HTTP head is malformed")
        name, value = name.lower(), value.strip()
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    return first, headers


def _render_head_lines(lines: list[str]) -> bytes:
    if any("\r" in line or "\n" in line for line in lines):
        raise ValueError("a line break in an HTTP head")
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")
