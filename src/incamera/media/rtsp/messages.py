"""RTSP requests and responses (RFC 2326 clauses 4 to 7): text to value and back, with limits."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final

from incamera.media.rtsp.errors import RtspProtocolError

MAX_HEAD_BYTES: Final = 16 * 1024
MAX_BODY_BYTES: Final = 256 * 1024
_MAX_HEADERS: Final = 128
_RESPONSE: Final = re.compile(r"RTSP/1\.\d (\d{3})(?: ([^\r\n]*))?")
_REQUEST: Final = re.compile(r"([A-Z_]{3,20}) (\S{1,2048}) RTSP/1\.\d")
_NAME: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")

REASONS: Final = {
    200: "OK",
    400: "Bad Request",
    401: "Unauthorized",
    404: "Not Found",
    454: "Session Not Found",
    455: "Method Not Valid in This State",
    459: "Aggregate Operation Not Allowed",
    461: "Unsupported Transport",
    501: "Not Implemented",
    503: "Service Unavailable",
    551: "Option not supported",
}


class Headers:
    """Header lines in their order; names do not care for case and may repeat."""

    __slots__ = ("_lines",)

    def __init__(self, lines: Iterable[tuple[str, str]] = ()) -> None:
        self._lines = tuple(lines)

    def __iter__(self) -> Iterator[tuple[str, str]]:
        return iter(self._lines)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Headers) and self._lines == other._lines

    def __hash__(self) -> int:
        return hash(self._lines)

    def find(self, name: str) -> str | None:
        """The first value of that name."""
        return next(iter(self.find_all(name)), None)

    def find_all(self, name: str) -> list[str]:
        """Every value of that name."""
        wanted = name.lower()
        return [value for key, value in self._lines if key.lower() == wanted]

    def find_number(self, name: str) -> int | None:
        """The first value of that name as a number that is not negative; None if it is none."""
        value = self.find(name)
        return int(value) if value is not None and value.isascii() and value.isdigit() and len(value) < 12 else None


@dataclass(frozen=True, slots=True)
class Response:
    """An answer. `reason` is the peer's own word: never shown, never logged."""

    status_code: int
    headers: Headers = field(default_factory=Headers)
    body: bytes = b""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Request:
    """A request; `url` is as it stood in the line."""

    method: str
    url: str
    headers: Headers = field(default_factory=Headers)
    body: bytes = b""


Message = Request | Response


def parse_head(head: bytes) -> Message:
    """The start line and headers, without the empty line and without a body; raises RtspProtocolError."""
    start_line, *lines = head.decode("utf-8", "replace").replace("\r\n", "\n").strip("\n").split("\n")
    headers = parse_headers(lines)
    if match := _RESPONSE.match(start_line):
        return Response(int(match[1]), headers, reason=match[2] or "")
    if match := _REQUEST.match(start_line):
        return Request(match[1], match[2], headers)
    raise RtspProtocolError("a line is neither a request nor a response")


def parse_headers(lines: list[str]) -> Headers:
    """Header lines without their ends; raises RtspProtocolError when there are too many."""
    if len(lines) > _MAX_HEADERS:
        raise RtspProtocolError("too many header lines")
    parsed: list[tuple[str, str]] = []
    for line in lines:
        if line[:1] in (" ", "\t") and parsed:  # a folded line continues the one before
            name, value = parsed[-1]
            parsed[-1] = (name, f"{value} {line.strip()}")
            continue
        name, colon, value = line.partition(":")
        if colon and _NAME.fullmatch(name.strip()):
            parsed.append((name.strip(), value.strip()))
        # Other lines are skipped: cameras put remarks and halves of header lines there, and mean no harm.
    return Headers(parsed)


def body_bytes(message: Message) -> int:
    """How many bytes of body follow the head; raises RtspProtocolError when that is more than we take."""
    text = message.headers.find("Content-Length")
    if text is None:
        return 0
    size = message.headers.find_number("Content-Length")
    if size is None:
        raise RtspProtocolError("the length of a body is not a number")
    if size > MAX_BODY_BYTES:
        raise RtspProtocolError(f"a body of {size} bytes is too long")
    return size


def render_request(request: Request) -> bytes:
    """The request as bytes; Content-Length is added when there is a body."""
    return _render(f"{request.method} {request.url} RTSP/1.0", request.headers, request.body)


def render_response(response: Response) -> bytes:
    """The response as bytes; Content-Length is added when there is a body."""
    reason = response.reason or REASONS.get(response.status_code, "")
    return _render(f"RTSP/1.0 {response.status_code} {reason}", response.headers, response.body)


def _render(start_line: str, headers: Headers, body: bytes) -> bytes:
    lines = [start_line, *(f"{name}: {value}" for name, value in headers)]
    if body:
        lines.append(f"Content-Length: {len(body)}")
    if any("\r" in line or "\n" in line for line in lines):
        raise RtspProtocolError("a header would break its line")
    return ("\r\n".join(lines) + "\r\n\r\n").encode() + body
