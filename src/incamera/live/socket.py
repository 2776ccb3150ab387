"""`/media/live`: one socket per page, all its tiles.

    page    {"open": TICKET} · {"close": HANDLE} · {"ping": N}
    server  {"type":"opened","ticket":TICKET,"handle":N,"channel":ID,"stream":"main"}, then per stream, in this order:
            {"type":"state","handle":N,"state":"online","fault":"none","since_us":T}     now and at every change
            {"type":"run","handle":N,"run":ID,"codec":…,"init":BASE64,…}                 before the chunks of a run
            binary: viewer header and chunk (`protocol.frames`); first the GOP so far, in one go
            {"type":"stopped","handle":N,"reason":…}                                     closed from our side
            {"type":"error","ticket":TICKET,"code":…,"detail":…}                         nothing was opened
            {"type":"pong"}                                                              the line is there

Nobody waits: a viewer with more than two seconds unsent loses everything up to the next sync sample, and only it does.
"""

import base64
from collections import Counter
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final
from uuid import UUID

import structlog

from incamera.kit.errors import IncameraError
from incamera.live.errors import TooManyStreams
from incamera.live.tickets import Audience, Ticket
from incamera.live.views import StopReason
from incamera.protocol import websocket
from incamera.protocol.messages import GapCause
from incamera.streams import ChannelState, LiveChunk, MediaSocket, Run, StreamKey, WebSocketConnection

if TYPE_CHECKING:
    from incamera.live.service import LiveService

log = structlog.get_logger(__name__)

LIVE_PATH: Final = "/media/live"
MAX_STREAMS: Final = 128  # of one page: 64 tiles with sound
MAX_ECHO: Final = 64  # characters; a ticket has 43


class LiveSocket(MediaSocket):
    """One page's live streams, by handle."""

    def __init__(self, connection: WebSocketConnection, service: "LiveService") -> None:
        super().__init__(connection)
        self._service = service
        self._streams: dict[int, LiveStream] = {}
        self._viewings: dict[UUID, UUID] = {}  # channel → line of the viewing log
        self._open_per_channel: Counter[UUID] = Counter()

    # --- MediaSocket ------------------------------------------------------------------------------------------------

    def on_message(self, message: dict[str, object]) -> None:
        match message:
            case {"open": str(word)}:
                self._open(word)
            case {"ticket": str(word)}:  # the same in the words of general measuring programs
                self._open(word)
            case {"close": int(handle)}:
                self._close(handle)
            case _:
                raise websocket.WebSocketViolation(
                    websocket.POLICY, 'say {"open": TICKET}, {"close": HANDLE} or {"ping": N}'
                )

    def on_shutdown(self) -> None:
        for stream in tuple(self._streams.values()):
            stream.stop(StopReason.SERVER_STOPPING)

    def on_close(self) -> None:
        for handle in tuple(self._streams):
            self._close(handle)

    # --- for LiveStream ---------------------------------------------------------------------------------------------

    def forget(self, stream: "LiveStream") -> None:
        """The stream has ended; the viewing ends with the last one of its channel."""
        del self._streams[stream.handle]
        channel_id = stream.key.channel_id
        self._open_per_channel[channel_id] -= 1
        if not self._open_per_channel[channel_id]:
            self._service.log.end(self._viewings.pop(channel_id))

    def want_sync(self, key: StreamKey) -> None:
        """The page has lost pictures and waits for the next sync sample."""
        self._service.hub.want_sync(key)

    # --- inside -----------------------------------------------------------------------------------------------------

    def _open(self, word: str) -> None:
        try:
            ticket = self._service.tickets.redeem(word, Audience.LIVE)
            if len(self._streams) >= MAX_STREAMS:
                raise TooManyStreams(MAX_STREAMS)
        except IncameraError as error:
            said = word[:MAX_ECHO]  # a stranger who reads nothing must not fill our memory with their own words
            self.send_json({"type": "error", "ticket": said, "code": error.code(), "detail": str(error)})
            return
        self.connection.admit()
        for kind in ticket.streams:
            self._subscribe(word, ticket, StreamKey(ticket.channel_id, kind))

    def _subscribe(self, word: str, ticket: Ticket, key: StreamKey) -> None:
        handle = self._service.hub.handle(key)
        self._close(handle)  # opened twice: the newer ticket counts
        stream = self._streams[handle] = LiveStream(self, key, handle)
        self._open_per_channel[key.channel_id] += 1
        if key.channel_id not in self._viewings:
            address = self.connection.request.client_address
            self._viewings[key.channel_id] = self._service.log.begin(ticket.actor, key.channel_id, address)
        opened = {"type": "opened", "ticket": word, "handle": handle, "channel": key.channel_id, "stream": key.stream}
        self.send_json(opened)
        views = self._service.views
        forget_views = [
            views.add(ticket.actor, access, stream.stop, audience=Audience.LIVE) for access in ticket.accesses
        ]
        stream.begin(self._service.hub.subscribe(key, stream), forget_views)
        log.info("live.started", channel_id=str(key.channel_id), stream=key.stream.value)

    def _close(self, handle: int) -> None:
        stream = self._streams.get(handle)
        if stream is not None:
            stream.end("closed")


class LiveStream:
    """One stream to one page: a Hub subscriber that knows when to leave out what the line cannot carry."""

    def __init__(self, socket: LiveSocket, key: StreamKey, handle: int) -> None:
        self.key, self.handle = key, handle
        self._socket = socket
        self._send_live = socket.send_live
        self._needs_sync = True
        self._undo: list[Callable[[], None]] = []
        self._is_over = False

    def begin(self, unsubscribe: Callable[[], None], forget_views: Sequence[Callable[[], None]]) -> None:
        """What to undo at the end."""
        self._undo = [unsubscribe, *forget_views]
        if self._is_over:  # stopped while the Hub was still greeting us
            self._release()

    def stop(self, reason: StopReason) -> None:
        """Ends it from our side and tells the page why."""
        if not self._is_over:
            self._socket.send_json({"type": "stopped", "handle": self.handle, "reason": reason})
            self.end(reason)

    def end(self, reason: str) -> None:
        """Nothing more is sent."""
        if not self._is_over:
            self._is_over = True
            self._release()
            self._socket.forget(self)
            log.info("live.ended", channel_id=str(self.key.channel_id), stream=self.key.stream.value, reason=reason)

    def _release(self) -> None:
        for undo in self._undo:
            undo()

    # --- Subscriber -------------------------------------------------------------------------------------------------

    def on_run(self, run: Run) -> None:
        self._needs_sync = True
        self._socket.send_json(render_run(run, self.handle))

    def on_burst(self, chunks: Sequence[LiveChunk]) -> None:
        if chunks:
            self._needs_sync = False
            self._socket.send_burst([chunk.frame for chunk in chunks])

    def on_chunk(self, chunk: LiveChunk) -> None:
        if self._needs_sync:
            if not chunk.is_sync or not self._socket.has_caught_up(chunk.published_at):
                return
            self._needs_sync = False
        if not self._send_live(chunk.framed or chunk.frame, chunk.published_at):
            self._needs_sync = True
            self._socket.want_sync(self.key)

    def on_offline(self, cause: GapCause) -> None:
        self._needs_sync = True  # why, the state says; the tile stays open and goes on with the next run

    def on_state(self, state: ChannelState) -> None:
        self._socket.send_json(
            {
                "type": "state",
                "handle": self.handle,
                "state": state.state,
                "fault": state.fault,
                "since_us": state.since_us,
            }
        )


def render_run(run: Run, handle: int) -> dict[str, object]:
    """The message that goes before the chunks of a run; playback sends the same with more in it."""
    gap = None if run.gap is None else {"cause": run.gap.cause, "seconds": run.gap.seconds}
    return {
        "type": "run",
        "handle": handle,
        "run": run.run_id,
        "codec": run.codec,
        "timescale": run.timescale,
        "init": base64.b64encode(run.init_segment).decode(),
        "wall_start_us": run.wall_start_us,
        "decode_start": run.decode_start,
        "width": run.width,
        "height": run.height,
        "gap": gap,
    }
