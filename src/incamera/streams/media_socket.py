"""The base of every socket under `/media/`: JSON in both directions, chunks out, and the rule for slow viewers.

To serve a new kind of media socket, subclass MediaSocket, override `on_message` (one JSON object from the page) and
`on_close`, and register a factory at start:

    class PlaybackSocket(MediaSocket):
        def on_message(self, message: dict[str, object]) -> None: ...

    sockets.add_route("/media/playback", lambda connection: PlaybackSocket(connection, archive, tickets))

Callbacks are synchronous and return at once; longer work goes into `self.connection.start(coroutine)`, which ends with
the connection. Call `self.connection.admit()` once a valid ticket was shown: until then the socket lives ADMISSION_S.
Push with `send_json` and, for media that waits for the viewer (playback), `send_chunk` followed by
`await self.connection.drained()`; media that waits for nobody (live) goes through `send_live`.
"""

from collections import deque
from collections.abc import Sequence
from typing import Final

import msgspec

from incamera.protocol import websocket
from incamera.streams.connection import SocketHandler, WebSocketConnection

ADMISSION_S: Final = 15.0
MAX_LAG_S: Final = 2.0  # more media than this unsent: the viewer skips to a sync sample

_object_decoder = msgspec.json.Decoder(dict[str, object])


class MediaSocket(SocketHandler):
    """One page's media socket."""

    max_message_bytes = 16 * 1024  # a page sends tickets and positions, nothing longer

    def __init__(self, connection: WebSocketConnection) -> None:
        super().__init__(connection)
        self._transport = connection.transport
        self._write, self._count_unsent = self._transport.write, connection.count_unsent
        self._lag = LagMeter()

    # --- to override ------------------------------------------------------------------------------------------------

    def on_message(self, message: dict[str, object]) -> None:
        """One JSON object, never a ping. Raise WebSocketViolation(POLICY, ...) for what no page of ours would say."""
        raise NotImplementedError

    # --- to call ----------------------------------------------------------------------------------------------------

    def send_json(self, message: object) -> None:
        """A text message: a dict or a msgspec struct."""
        self.connection.send_json(message)

    def send_chunk(self, viewer_header: bytes, chunk: bytes) -> None:
        """One binary message: `protocol.frames.render_viewer_header(...)` and the chunk."""
        self.connection.send_binary(viewer_header, chunk)

    def send_live(self, frame: bytes, now: float) -> bool:
        """Sends a ready-made frame that was published at `now`, unless this viewer lags by more than MAX_LAG_S.

        False: nothing was sent. The caller then leaves out everything up to a sync sample that `send_live` takes.
        """
        if not self.connection.is_open:
            return True
        unsent = self._count_unsent()
        if unsent and self._lag.note(unsent, len(frame), now) > MAX_LAG_S:
            return False
        self._write(frame)
        return True

    def has_caught_up(self, now: float) -> bool:
        """Whether a viewer that skipped may join again: what it was sent is nearly all gone."""
        return self._lag.lag_s(self.connection.unsent_bytes, now) < MAX_LAG_S / 2

    def send_burst(self, frames: Sequence[bytes]) -> None:
        """Sends the GOP so far to one who joins. It does not count as lag, however slow the line."""
        if self.connection.is_open:
            self._lag.exempt(self._count_unsent(), sum(map(len, frames)))
            self._transport.writelines(frames)

    # --- SocketHandler ----------------------------------------------------------------------------------------------

    def on_open(self) -> None:
        self.connection.expect_admission(ADMISSION_S)

    def on_text(self, data: bytes) -> None:
        try:
            message = _object_decoder.decode(data)
        except (msgspec.MsgspecError, RecursionError) as error:
            raise websocket.WebSocketViolation(websocket.POLICY, "messages are JSON objects") from error
        match message:
            case {"ping": int()}:  # pages cannot see the pings of the protocol; silence may be a line that is gone
                if not self.connection.unsent_bytes:  # else what waits is the answer, and a page that asks on and
                    self.send_json({"type": "pong"})  # on without reading fills no memory
            case _:
                self.on_message(message)


class LagMeter:
    """How long the oldest unsent live frame has been waiting.

    Holds (size, time) of what was written while something was still unsent; what has left is recognised by the
    transport's count of unsent bytes. On the usual path, nothing unsent, it is not even asked. A join burst is in the
    ledger without a time: it never counts itself, only the live frames stuck behind it do.
    """

    __slots__ = ("_bytes", "_waiting")

    def __init__(self) -> None:
        self._waiting: deque[tuple[int, float | None]] = deque()
        self._bytes = 0

    def note(self, unsent_bytes: int, size: int, now: float) -> float:
        """Counts a frame about to be written behind `unsent_bytes`; returns the lag in seconds without it."""
        lag_s = self.lag_s(unsent_bytes, now)
        if lag_s <= MAX_LAG_S:
            self._append(size, now)
        return lag_s

    def exempt(self, unsent_bytes: int, size: int) -> None:
        """Counts a burst about to be written behind `unsent_bytes`."""
        self._forget_sent(unsent_bytes)
        self._append(size, None)

    def lag_s(self, unsent_bytes: int, now: float) -> float:
        """Age of the oldest live frame among the last `unsent_bytes`."""
        self._forget_sent(unsent_bytes)
        return next((now - written_at for _, written_at in self._waiting if written_at is not None), 0.0)

    def _append(self, size: int, written_at: float | None) -> None:
        self._waiting.append((size, written_at))
        self._bytes += size

    def _forget_sent(self, unsent_bytes: int) -> None:
        waiting = self._waiting
        while waiting and (not unsent_bytes or self._bytes - waiting[0][0] >= unsent_bytes):
            self._bytes -= waiting.popleft()[0]
