"""`/media/playback`: looking back at recordings.

    page    {"open": TICKET}
            {"play": {"handle":N, "at_us":T, "speed":1, "request":R}}      from the sync sample at or before T
            {"scrub": {"handle":N, "at_us":T, "request":R}}                one sync sample
            {"position": {"handle":N, "at_us":T}}                          where the viewer is: flow control
            {"pause": {"handle":N}} · {"close": N} · {"ping": 1}
    server  {"type":"opened","ticket":TICKET,"handle":N,"channel":ID,"handles":{"main":N,"audio":M},"from_us":…,…}
            {"type":"run", … as live, "request":R}, binary: viewer header and chunk
            {"type":"gap","from_us":…,"to_us":…,"cause":…,"request":R}     nothing was recorded, or it does not open
            {"type":"scrubbed","request":R,"at_us":…}                      after the one picture
            {"type":"end","request":R}                                     caught up with the last recorded
            {"type":"stopped","handle":N,"reason":…} · {"type":"error", "code":…, "detail":…} · {"type":"pong"}

At most AHEAD_S × speed of media is sent beyond the last reported position; holes do not count. After a `play` it is
FIRST_S until the page reports a position, which it does once the picture is there: the rest must not be in its way.
Above ALL_PICTURES_UP_TO and backwards only sync samples are sent, and no sound.
"""

import asyncio
import base64
import contextlib
import itertools
from collections.abc import Callable, Coroutine, Mapping
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

import structlog

from incamera.access import Permission
from incamera.kit.errors import IncameraError
from incamera.live import MAX_ECHO, Audience, StopReason, Ticket
from incamera.playback.cursor import Cursor, Item, RunBegins
from incamera.playback.errors import RecordingUnreadable, TooManyViews
from incamera.playback.timeline import Hole
from incamera.protocol import websocket
from incamera.protocol.frames import render_viewer_header
from incamera.protocol.messages import GapCause, StreamKind
from incamera.recording import Opening, Picture
from incamera.streams import MediaSocket, WebSocketConnection

if TYPE_CHECKING:
    from incamera.playback.service import PlaybackService

log = structlog.get_logger(__name__)

PLAYBACK_PATH: Final = "/media/playback"
MAX_VIEWS: Final = 16
AHEAD_S: Final = 12.0  # a key jumps ten seconds: what it jumps to is there
FIRST_S: Final = 2.0
SEEN_WITHIN_S: Final = 0.5  # a program that reports no position waits so long, once
ALL_PICTURES_UP_TO: Final = 4.0
FASTEST: Final = 64.0
_END_OF_TIME_US: Final = 253_402_300_800_000_000  # the year 10000, which nothing here can name
_KEY_PICTURES_PER_S: Final = 10  # more than that nobody sees
_WINDOW_US: Final = 1_000_000  # picture and sound are sent in turns of about a second


class PlaybackSocket(MediaSocket):
    """One page's views into the past."""

    def __init__(self, connection: WebSocketConnection, service: "PlaybackService") -> None:
        super().__init__(connection)
        self._service = service
        self._views: dict[int, PlaybackView] = {}  # by each of its handles
        self._handles = itertools.count(1)

    # --- MediaSocket ------------------------------------------------------------------------------------------------

    def on_message(self, message: dict[str, object]) -> None:
        match message:
            case {"open": str(word)}:
                self._open(word)
            case {"play": {"handle": int(handle), "at_us": int(at_us), **wishes}} if _is_moment(at_us):
                speed, request = _speed(wishes.get("speed", 1)), _request(wishes)
                self._with(handle, lambda view: view.play(at_us, speed, request))
            case {"scrub": {"handle": int(handle), "at_us": int(at_us), **wishes}} if _is_moment(at_us):
                request = _request(wishes)
                self._with(handle, lambda view: view.scrub(at_us, request))
            case {"position": {"handle": int(handle), "at_us": int(at_us)}} if _is_moment(at_us):
                self._with(handle, lambda view: view.move(at_us))
            case {"pause": {"handle": int(handle)}}:
                self._with(handle, lambda view: view.pause())
            case {"close": int(handle)}:
                self._with(handle, lambda view: view.end("closed"))
            case _:
                allowed = "say open, play, scrub, position, pause, close or ping"
                raise websocket.WebSocketViolation(websocket.POLICY, allowed)

    def on_shutdown(self) -> None:
        for view in set(self._views.values()):
            view.stop(StopReason.SERVER_STOPPING)

    def on_close(self) -> None:
        for view in set(self._views.values()):
            view.end("closed")

    # --- for PlaybackView -------------------------------------------------------------------------------------------

    def forget(self, view: "PlaybackView") -> None:
        self._views = {handle: other for handle, other in self._views.items() if other is not view}

    # --- inside -----------------------------------------------------------------------------------------------------

    def _open(self, word: str) -> None:
        try:
            ticket = self._service.tickets.redeem(word, Audience.PLAYBACK)
            if len(set(self._views.values())) >= MAX_VIEWS:
                raise TooManyViews(MAX_VIEWS)
        except IncameraError as error:
            said = word[:MAX_ECHO]
            self.send_json({"type": "error", "ticket": said, "code": error.code(), "detail": str(error)})
            return
        self.connection.admit()
        handles = {stream: next(self._handles) for stream in ticket.streams}
        view = PlaybackView(self, self._service, ticket, handles)
        self._views.update(dict.fromkeys(handles.values(), view))
        self.connection.start(view.begin(word))

    def _with(self, handle: int, action: "Callable[[PlaybackView], None]") -> None:
        view = self._views.get(handle)
        if view is not None:  # closed from our side while the message was on its way
            action(view)


class PlaybackView:
    """One channel to one page: a cursor per stream, and at most one thing going on (playing or scrubbing)."""

    def __init__(
        self, socket: PlaybackSocket, service: "PlaybackService", ticket: Ticket, handles: dict[StreamKind, int]
    ) -> None:
        self._socket, self._service, self._ticket, self._handles = socket, service, ticket, handles
        self._cursors = {
            stream: Cursor(service.archive, ticket.channel_id, stream, self._earliest_us) for stream in handles
        }
        self._undo: list[Callable[[], None]] = []
        self._viewing: UUID | None = None
        self._job: asyncio.Task[None] | None = None
        self._is_scrubbing = False
        self._next_scrub: tuple[int, object] | None = None
        self._position_us = 0
        self._is_seen = False  # the page has shown something of what it asked for
        self._holes: list[Hole] = []
        self._moved = asyncio.Event()
        self._is_over = False

    async def begin(self, word: str) -> None:
        """Notes the viewing, then tells the page what there is to see."""
        for access in self._ticket.accesses:
            is_sound_only = access.permission is Permission.LISTEN
            stop = self._stop_sound if is_sound_only else self.stop
            self._undo.append(self._service.views.add(self._ticket.actor, access, stop))
        viewing = await self._service.log.begin(self._ticket.actor, self._ticket.channel_id)
        if self._is_over:  # the page left, or the right ended, while that was written
            self._service.log.end(viewing)
            return
        self._viewing = viewing
        bounds = await self._service.bounds(self._ticket.channel_id)
        oldest_us, newest_us = bounds or (None, None)
        self._socket.send_json(
            {
                "type": "opened",
                "ticket": word,
                "handle": self._first_handle,
                "channel": self._ticket.channel_id,
                "handles": self._handles,
                "from_us": None if oldest_us is None else max(oldest_us, self._earliest_us()),
                "to_us": newest_us,
            }
        )
        log.info("playback.started", channel_id=str(self._ticket.channel_id))

    # --- what the page asks -----------------------------------------------------------------------------------------

    def play(self, at_us: int, speed: float, request: object) -> None:
        self._position_us, self._holes, self._is_seen = at_us, [], False
        self._do(self._play(at_us, speed, request))

    def scrub(self, at_us: int, request: object) -> None:
        """While one is under way only the newest wish is kept: the finger is faster than the disk."""
        if self._is_scrubbing:
            self._next_scrub = at_us, request
        else:
            self._do(self._scrub_until_still(at_us, request))

    def move(self, at_us: int) -> None:
        self._position_us, self._is_seen = at_us, True
        self._moved.set()

    def pause(self) -> None:
        self._cancel()

    # --- ends -------------------------------------------------------------------------------------------------------

    def stop(self, reason: StopReason) -> None:
        """Ends it from our side and tells the page why."""
        if not self._is_over:
            for handle in self._handles.values():
                self._socket.send_json({"type": "stopped", "handle": handle, "reason": reason})
            self.end(reason)

    def end(self, reason: str) -> None:
        """Nothing more is sent."""
        if self._is_over:
            return
        self._is_over = True
        self._cancel()
        for undo in self._undo:
            undo()
        self._socket.forget(self)
        if self._viewing is not None:
            self._service.log.end(self._viewing)
            log.info("playback.ended", channel_id=str(self._ticket.channel_id), reason=reason)

    def _stop_sound(self, reason: StopReason) -> None:
        """The right to listen ended, that to look did not."""
        handle = self._handles.pop(StreamKind.AUDIO, None)
        self._cursors.pop(StreamKind.AUDIO, None)
        if handle is not None and not self._is_over:
            self._socket.send_json({"type": "stopped", "handle": handle, "reason": reason})

    # --- inside -----------------------------------------------------------------------------------------------------

    @property
    def _first_handle(self) -> int:
        return self._handles[self._first_stream]

    @property
    def _first_stream(self) -> StreamKind:
        """The one that leads: a picture if there is one."""
        return next(stream for stream in (StreamKind.MAIN, StreamKind.SUB, StreamKind.AUDIO) if stream in self._handles)

    def _earliest_us(self) -> int:
        """As far back as every right this view needs allows: picture and sound may come by different grants."""
        limits = [access.look_back for access in self._ticket.accesses if access.look_back is not None]
        return self._service.now_us() - round(min(limits).total_seconds() * 1_000_000) if limits else 0

    def _do(self, work: Coroutine[Any, Any, None]) -> None:
        self._cancel()
        self._job = self._socket.connection.start(work)

    def _cancel(self) -> None:
        self._is_scrubbing, self._next_scrub = False, None
        if self._job is not None:
            self._job.cancel()
            self._job = None

    async def _play(self, at_us: int, speed: float, request: object) -> None:
        try:
            if speed > ALL_PICTURES_UP_TO or speed < 0:
                await self._play_sync_samples(at_us, speed, request)
            else:
                await self._play_everything(at_us, speed, request)
        except OSError:
            self._cannot_read(request)
            return
        self._socket.send_json({"type": "end", "request": request})

    async def _play_everything(self, at_us: int, speed: float, request: object) -> None:
        """Picture and sound in turns, whichever is further behind, never further ahead than the viewer needs."""
        first = self._cursors[self._first_stream]
        for cursor in self._cursors.values():
            cursor.forget_run()
        if not await first.seek(at_us):
            return
        begins_us = max(at_us, first.at_us)
        self._skip_to(begins_us)
        # What was asked for goes before sound is even looked for: that is as much work again.
        await self._send(first, await first.read(begins_us), request)
        for cursor in self._others():
            await cursor.seek(begins_us)
        while True:
            cursors = [cursor for cursor in self._cursors.values() if not cursor.is_at_end]
            if not cursors:
                return
            behind = min(cursors, key=lambda cursor: cursor.at_us)
            limit_us = self._limit_us(speed)
            items = await behind.read(min(limit_us, behind.at_us + _WINDOW_US))
            await self._send(behind, items, request)
            if not items and not behind.is_at_end and behind.at_us > limit_us:
                await self._wait_for_viewer()

    async def _play_sync_samples(self, at_us: int, speed: float, request: object) -> None:
        cursor = self._cursors[self._first_stream]
        cursor.forget_run()
        if not await cursor.seek(at_us, jumps_gaps=speed > 0):
            return
        self._skip_to(cursor.at_us)
        step_us = round(speed * 1_000_000 / _KEY_PICTURES_PER_S)
        items = await cursor.current()
        while items or not cursor.is_at_end:
            await self._send(cursor, items, request)
            while not self._is_due(cursor.at_us, speed):
                await self._wait_for_viewer()
            items = await cursor.next_sync(step_us)

    async def _scrub_until_still(self, at_us: int, request: object) -> None:
        self._is_scrubbing = True
        wish: tuple[int, object] | None = (at_us, request)
        while wish is not None:
            self._next_scrub = None
            await self._scrub(*wish)
            wish = self._next_scrub
        self._is_scrubbing = False

    async def _scrub(self, at_us: int, request: object) -> None:
        cursor = self._cursors[self._first_stream]
        shown_us = at_us
        try:
            if await cursor.seek(at_us, jumps_gaps=False):
                items = await cursor.current()
                await self._send(cursor, items, request)
                shown_us = next((item.wall_us for item in items if isinstance(item, Picture)), at_us)
        except OSError:
            self._cannot_read(request)
        self._socket.send_json({"type": "scrubbed", "request": request, "at_us": shown_us})

    def _others(self) -> list[Cursor]:
        return [cursor for stream, cursor in self._cursors.items() if stream is not self._first_stream]

    async def _send(self, cursor: Cursor, items: list[Item], request: object) -> None:
        handle = self._handles.get(cursor.stream)
        if handle is None:
            return
        for item in items:
            if isinstance(item, Picture):
                header = render_viewer_header(handle, item.is_sync, item.decode_time, item.wall_us)
                self._socket.send_chunk(header, item.data)
            elif isinstance(item, RunBegins):
                self._socket.send_json(render_run(item, handle, request))
            elif cursor.stream is self._first_stream:  # holes of the sound alone are silence enough
                self._holes.append(item)
                self._socket.send_json(_render_hole(item, request))
        await self._socket.connection.drained()

    def _budget_us(self, speed: float) -> int:
        """How much media may be sent beyond the position; negative backwards."""
        return round((AHEAD_S if self._is_seen else FIRST_S) * speed * 1_000_000)

    def _limit_us(self, speed: float) -> int:
        """Up to which wall time may be sent: holes cost the viewer no time."""
        at_us, budget_us = self._position_us, self._budget_us(speed)
        for hole in self._holes:
            if hole.to_us > at_us and hole.from_us - at_us <= budget_us:
                budget_us -= max(0, hole.from_us - at_us)
                at_us = hole.to_us
        return at_us + budget_us

    def _skip_to(self, begins_us: int) -> None:
        """Begins later than asked for (a gap, a limit): that costs the viewer no time either."""
        if begins_us > self._position_us:
            self._holes.append(Hole(self._position_us, begins_us, GapCause.EXPIRED))

    def _is_due(self, at_us: int, speed: float) -> bool:
        if speed > 0:
            return at_us <= self._limit_us(speed)
        holes_us = sum(hole.to_us - hole.from_us for hole in self._holes if hole.to_us <= self._position_us)
        return at_us >= self._position_us - holes_us + self._budget_us(speed)

    async def _wait_for_viewer(self) -> None:
        self._moved.clear()
        if self._is_seen:
            await self._moved.wait()
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(SEEN_WITHIN_S):
                await self._moved.wait()
        self._is_seen = True

    def _cannot_read(self, request: object) -> None:
        error = RecordingUnreadable()
        self._socket.send_json({"type": "error", "code": error.code(), "detail": str(error), "request": request})


def render_run(begins: RunBegins, handle: int, request: object) -> dict[str, object]:
    """As on `/media/live`, and the request it answers."""
    opening: Opening = begins.opening
    hole = begins.hole
    gap = None if hole is None else {"cause": hole.cause, "seconds": (hole.to_us - hole.from_us) / 1_000_000}
    return {
        "type": "run",
        "handle": handle,
        "request": request,
        "run": opening.run_id,
        "codec": opening.codec,
        "timescale": opening.timescale,
        "init": base64.b64encode(opening.init_segment).decode(),
        "wall_start_us": opening.run_started_us,
        "decode_start": opening.run_decode_time,
        "width": opening.width,
        "height": opening.height,
        "gap": gap,
    }


def _render_hole(hole: Hole, request: object) -> dict[str, object]:
    return {
        "type": "gap",
        "from_us": hole.from_us,
        "to_us": hole.to_us,
        "cause": hole.cause,
        "request": request,
    }


def _speed(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < abs(value) <= FASTEST:
        raise websocket.WebSocketViolation(websocket.POLICY, f"speed lies between -{FASTEST} and {FASTEST}, not 0")
    return float(value)


def _is_moment(at_us: int) -> bool:
    return 0 <= at_us < _END_OF_TIME_US


def _request(wishes: Mapping[Any, object]) -> int | str | None:
    request = wishes.get("request")
    if (request is not None and not isinstance(request, int | str)) or len(str(request)) > MAX_ECHO:
        raise websocket.WebSocketViolation(websocket.POLICY, "request is a number or a short word")
    return request
