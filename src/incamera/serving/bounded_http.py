"""uvicorn's HTTP protocol with limits it lacks: how long and how large a request may be, head and body.

Without them a stranger can hold connections open by sending a request byte by byte, or fill our memory with a header,
or a trailer behind a chunked body, that never ends: the parser keeps it until its end.

    idle ──first byte──► head ──complete──► body ──complete──► answer ──► idle
                           │                  └ BODY_S over, or MAX_BODY_BYTES and not complete: closed
                           └ HEAD_S over, or MAX_HEAD_BYTES and not complete: closed
"""

import asyncio
from typing import Any, Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEAD_S: Final = 15.0
BODY_S: Final = 60.0  # the largest body that a route takes (1 MiB) over a slow line
MAX_HEAD_BYTES: Final = 64 * 1024
MAX_BODY_BYTES: Final = 8 * 1024 * 1024  # on the wire: what `BodyLimit` allows is 6 MiB in chunks of one byte
_TOO_LARGE: Final = b"HTTP/1.1 431 Request Header Fields Too Large\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


class BoundedHttp(HttpToolsProtocol):
    """One connection."""

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._begin_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._end_part()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        # Counted afterwards: a whole head may come together with a long body.
        if self._timer is None:
            return
        self._bytes += len(data)
        if self._bytes > (MAX_HEAD_BYTES if self._is_head else MAX_BODY_BYTES):
            if self._is_head:  # else an answer may have begun
                self.transport.write(_TOO_LARGE)
            self.transport.close()

    def on_message_begin(self) -> None:
        if self._timer is None:
            self._begin_head()
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        self._end_part()
        if not self.parser.should_upgrade():
            self._begin_part(BODY_S, is_head=False)
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        self._end_part()
        super().on_message_complete()

    def _begin_head(self) -> None:
        self._begin_part(HEAD_S, is_head=True)

    def _begin_part(self, limit_s: float, *, is_head: bool) -> None:
        self._bytes, self._is_head = 0, is_head
        self._timer: asyncio.TimerHandle | None = self.loop.call_later(limit_s, self._too_slow)

    def _end_part(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = None

    def _too_slow(self) -> None:
        self._timer = None
        self.transport.close()
