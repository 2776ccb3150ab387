"""Requests as bytes, and answers read as their bytes arrive (RFC 9112), with limits.

┌────────┐ empty line ┌────────┐  as long as Content-Length, the last chunk, or the connection  ┌───────┐
│ status ├──────────► │  body  ├───────────────────────────────────────────────────────────────►│ ended │
│ + head │ ◄─ 1xx ─── └────────┘                                                                └───────┘
└────────┘
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Final

from incamera.media.http.errors import HttpProtocolError, NotHttp
from incamera.media.http.url import HttpUrl
from incamera.media.rtsp.errors import RtspProtocolError
from incamera.media.rtsp.messages import Headers, parse_headers  # RFC 2326 has its headers from HTTP

MAX_HEAD_BYTES: Final = 16 * 1024
_MAX_CHUNK_LINE_BYTES: Final = 256
_STATUS_LINE: Final = re.compile(rb"HTTP/1\.\d +(\d{3})(?: [^\r\n]*)?\r?\n")
_START: Final = b"HTTP/1."
_HEAD_END: Final = re.compile(rb"\r?\n\r?\n")
_CHUNK_SIZE: Final = re.compile(rb"([0-9A-Fa-f]{1,8})[ \t]*(?:;[^\r\n]*)?")


def render_request(
    method: str, url: HttpUrl, headers: Iterable[tuple[str, str]] = (), body: bytes = b"", *, user_agent: str = ""
) -> bytes:
    """A request that asks for one answer and then the end of the connection.

    HTTP/1.1 with `Connection: close`: some cameras answer HTTP/1.0 with a stream that no length or chunk divides, and
    some refuse it.
    """
    lines = [f"{method} {url.target} HTTP/1.1", f"Host: {url.authority}", "Connection: close", "Accept: */*"]
    if user_agent:
        lines.append(f"User-Agent: {user_agent}")
    lines += [f"{name}: {value}" for name, value in headers]
    if body or method == "POST":
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join((*lines, "", "")).encode() + body


@dataclass(frozen=True, slots=True)
class Head:
    """What an answer says before its body."""

    status_code: int
    headers: Headers = field(default_factory=Headers)

    @property
    def content_type(self) -> str:
        """In small letters, without parameters; empty if there is none."""
        return (self.headers.find("Content-Type") or "").partition(";")[0].strip().lower()


class _State(Enum):
    HEAD = auto()
    SIZED = auto()  # Content-Length
    CHUNK_LINE = auto()
    CHUNK = auto()
    CHUNK_END = auto()
    UNTIL_CLOSED = auto()
    ENDED = auto()


class ResponseReader:
    """Reads one answer. `receive` gives the bytes of the body as they arrive; `head` is None until it is complete."""

    def __init__(self) -> None:
        self.head: Head | None = None
        self._buffer = bytearray()
        self._state = _State.HEAD
        self._left = 0  # bytes of the body, or of the chunk, still to come

    @property
    def is_ended(self) -> bool:
        """Whether the whole answer is there."""
        return self._state is _State.ENDED

    def receive(self, data: bytes) -> list[bytes]:
        """More bytes of the peer; the pieces of the body among them. Raises HttpError."""
        if self._state is _State.UNTIL_CLOSED:
            return [data] if data else []
        self._buffer += data
        pieces: list[bytes] = []
        while self._state is not _State.ENDED and self._step(pieces):
            pass
        return pieces

    def end(self) -> None:
        """The peer closed its side; raises HttpProtocolError when it owes us something."""
        if self._state is _State.HEAD:
            raise HttpProtocolError("it closed the connection without an answer")
        if self._state is not _State.UNTIL_CLOSED and self._state is not _State.ENDED:
            raise HttpProtocolError("it closed the connection in the middle of an answer")
        self._state = _State.ENDED

    def _step(self, pieces: list[bytes]) -> bool:
        """One step of the machine; False when it needs more bytes."""
        match self._state:
            case _State.HEAD:
                return self._read_head()
            case _State.SIZED | _State.CHUNK:
                return self._read_sized(pieces)
            case _State.CHUNK_LINE:
                return self._read_chunk_line()
            case _State.CHUNK_END:
                return self._read_chunk_end()
            case _State.UNTIL_CLOSED:
                if self._buffer:
                    pieces.append(self._take(len(self._buffer)))
                return False
            case _:
                return False

    def _read_head(self) -> bool:
        self._check_start()
        end = _HEAD_END.search(self._buffer)
        if end is None or end.end() > MAX_HEAD_BYTES:
            if len(self._buffer) > MAX_HEAD_BYTES:
                raise HttpProtocolError("the head of its answer is too long")
            return False
        status = _STATUS_LINE.match(self._buffer)
        if status is None:
            raise NotHttp
        code = int(status[1])
        text = self._take(end.end())[status.end() :].decode("utf-8", "replace")
        if 100 <= code < 200:
            return True  # the answer comes after it
        try:
            headers = parse_headers(text.replace("\r\n", "\n").strip("\n").split("\n"))
        except RtspProtocolError as error:
            raise HttpProtocolError(error.reason) from error
        self.head = Head(code, headers)
        self._begin_body(self.head)
        return True

    def _check_start(self) -> None:
        """Says at the first foreign byte that this is no HTTP: something else may never send an empty line."""
        start = bytes(self._buffer[: len(_START)])
        if not _START.startswith(start):
            raise NotHttp

    def _begin_body(self, head: Head) -> None:
        encodings = (head.headers.find("Transfer-Encoding") or "").lower()
        lengths = set(head.headers.find_all("Content-Length"))
        if "chunked" in encodings:  # RFC 9112 clause 6.3: goes before any length
            self._state = _State.CHUNK_LINE
        elif head.status_code in (204, 304):
            self._state = _State.ENDED
        elif not lengths or head.content_type.startswith("multipart/"):
            # Cameras give a stream without end the length 0, or the greatest number they know.
            self._state = _State.UNTIL_CLOSED
        else:
            length = head.headers.find_number("Content-Length")
            if length is None or len(lengths) > 1:
                raise HttpProtocolError("the length of its answer is not a number")
            self._left = length
            self._state = _State.SIZED if length else _State.ENDED

    def _read_sized(self, pieces: list[bytes]) -> bool:
        if not self._buffer:
            return False
        piece = self._take(min(self._left, len(self._buffer)))
        self._left -= len(piece)
        pieces.append(piece)
        if self._left == 0:
            self._state = _State.ENDED if self._state is _State.SIZED else _State.CHUNK_END
        return True

    def _read_chunk_line(self) -> bool:
        end = self._buffer.find(b"\n")
        if end < 0 or end > _MAX_CHUNK_LINE_BYTES:
            if len(self._buffer) > _MAX_CHUNK_LINE_BYTES:
                raise HttpProtocolError("a chunk of its answer has no size")
            return False
        size = _CHUNK_SIZE.fullmatch(self._take(end + 1).strip())
        if size is None:
            raise HttpProtocolError("a chunk of its answer has no size")
        self._left = int(size[1], 16)
        self._state = _State.CHUNK if self._left else _State.ENDED  # trailers tell us nothing
        return True

    def _read_chunk_end(self) -> bool:
        end = self._buffer.find(b"\n")
        if end > 1 or (end < 0 and len(self._buffer) > 1):
            raise HttpProtocolError("a chunk of its answer is longer than it says")
        if end < 0:
            return False
        del self._buffer[: end + 1]
        self._state = _State.CHUNK_LINE
        return True

    def _take(self, count: int) -> bytes:
        taken = bytes(self._buffer[:count])
        del self._buffer[:count]
        return taken
