"""The Hub: one publisher per stream, any number of subscribers, nobody waits for anybody.

    edge ─► uplink ─► hub.begin_run(key, run) ─► Publication.publish(...) ─► every Subscriber.on_chunk(chunk)
                                                       └► GOP cache: what a newcomer gets at once, from a sync sample on

A chunk is framed for the WebSocket once, when the first viewer needs it, and the same immutable bytes go to all:
WebSocket header, viewer header with a handle that is the same for everyone, chunk. So a viewer costs one `send()`.

`Hub.subscribe` is the only way to chunks; nobody may assume that a stream's camera is connected to this process.
Everything here runs in the event loop.
"""

import asyncio
import dataclasses
import itertools
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Final, Protocol
from uuid import UUID

import structlog

from incamera.kit.clock import Clock
from incamera.media.video.messages import is_gradual
from incamera.protocol.messages import GapCause, StreamKind
from incamera.streams.gop_cache import GOP_CACHE_BYTES, make_cache
from incamera.streams.model import ChannelState, Gap, LiveChunk, Run, StreamKey

log = structlog.get_logger(__name__)

_MDAT_HEADER_BYTES: Final = 8
_SAMPLE_START_BYTES: Final = 16  # a length, and the first message
STALE_AFTER_S: Final = 30.0  # a picture nobody followed up is dropped from memory (B4.live_view promises 60 s)
STALE_CHECK_S: Final = 10.0
WATCH_OFF_DELAY_S: Final = 5.0  # a reload of the page must not stop and start the camera
LONG_GOP_S: Final = 4.0  # a newcomer to a longer one has much to decode: better a fresh sync sample
WANT_SYNC_EVERY_S: Final = 5.0  # per stream, however many come


class Subscriber(Protocol):
    """Hears one stream. Every call must return at once; who raises is dropped.

    Order: `on_state` if known; then, while the stream runs, `on_run` and `on_burst` (the GOP so far, perhaps empty);
    then `on_chunk` for each new chunk. After an empty burst the chunks up to the next sync sample do not decode; the
    camera is asked for one.
    """

    def on_run(self, run: Run) -> None: ...

    def on_burst(self, chunks: Sequence[LiveChunk]) -> None: ...

    def on_chunk(self, chunk: LiveChunk) -> None: ...

    def on_offline(self, cause: GapCause) -> None:
        """The run ended; the next one begins with `on_run`."""
        ...

    def on_state(self, state: ChannelState) -> None: ...


WatchListener = Callable[[StreamKey, bool], None]
ViewersListener = Callable[[UUID, int], None]
SyncListener = Callable[[StreamKey], None]


class Hub:
    """All live streams of this process."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._streams: dict[StreamKey, _Stream] = {}
        self._handles = itertools.count(1)
        self._states: dict[UUID, ChannelState] = {}
        self._viewers: defaultdict[UUID, int] = defaultdict(int)
        self._watch_listeners: list[WatchListener] = []
        self._viewers_listeners: list[ViewersListener] = []
        self._sync_listeners: list[SyncListener] = []
        self._stale_check: asyncio.TimerHandle | None = None

    # --- publishing -------------------------------------------------------------------------------------------------

    def begin_run(self, key: StreamKey, run: Run) -> "Publication":
        """Starts a run. An older publication of this stream falls silent: the newer one wins."""
        if self._stale_check is None:
            self._stale_check = asyncio.get_running_loop().call_later(STALE_CHECK_S, self._check_stale)
        return self._stream(key).begin_run(run)

    def announce_state(self, channel_id: UUID, state: ChannelState) -> None:
        """Tells everyone who watches a stream of this channel, and who will."""
        self._states[channel_id] = state
        for kind in StreamKind:
            stream = self._streams.get(StreamKey(channel_id, kind))
            if stream is not None:
                stream.tell(lambda subscriber: subscriber.on_state(state))

    def find_state(self, channel_id: UUID) -> ChannelState | None:
        """What was last said of a channel."""
        return self._states.get(channel_id)

    def forget_channel(self, channel_id: UUID) -> None:
        """The channel was removed from its edge: what is known of it leaves the memory.

        Streams that somebody publishes or watches stay: the channel may have moved to another edge.
        """
        self._states.pop(channel_id, None)
        for kind in StreamKind:
            stream = self._streams.get(StreamKey(channel_id, kind))
            if stream is not None and stream.is_idle:
                del self._streams[StreamKey(channel_id, kind)]

    def drop_stale(self) -> None:
        """Empties the GOP cache of streams that have stopped without saying so. Runs by itself."""
        oldest = self._clock.monotonic() - STALE_AFTER_S
        for stream in self._streams.values():
            stream.cache.drop_if_older(oldest)

    # --- subscribing ------------------------------------------------------------------------------------------------

    def subscribe(self, key: StreamKey, subscriber: Subscriber, *, is_viewer: bool = True) -> Callable[[], None]:
        """From now on `subscriber` hears this stream, beginning with the GOP so far. What is returned ends that.

        `is_viewer`: a person watches (counted, shown to the owner); a machine's subscription keeps the camera sending
        as well, but does not count.
        """
        stream = self._stream(key)
        stream.add(subscriber)
        if is_viewer:
            self._count_viewer(key, 1)
        if (state := self._states.get(key.channel_id)) is not None:
            subscriber.on_state(state)
        stream.welcome(subscriber)
        is_active = True

        def unsubscribe() -> None:
            nonlocal is_active
            if is_active:
                is_active = False
                stream.remove(subscriber)
                if is_viewer:
                    self._count_viewer(key, -1)

        return unsubscribe

    def want_sync(self, key: StreamKey) -> None:
        """A subscriber has lost its place: asks for a sync sample, if the next one may be far away."""
        if (stream := self._streams.get(key)) is not None:
            stream.want_sync()

    async def chunks(self, key: StreamKey) -> AsyncIterator[Run | LiveChunk]:
        """The same as an iterator, for consumers without a socket: runs, and chunks that decode from the first on.

        A consumer that is more than a GOP cache behind skips to the next sync sample.
        """
        queue = _ChunkQueue()
        unsubscribe = self.subscribe(key, queue, is_viewer=False)
        try:
            while True:
                yield await queue.next()
        finally:
            unsubscribe()

    def handle(self, key: StreamKey) -> int:
        """The stream's number in viewer headers: the same for every viewer, never reused for another stream."""
        return self._stream(key).handle

    # --- who watches ------------------------------------------------------------------------------------------------

    def is_watched(self, key: StreamKey) -> bool:
        """Whether somebody subscribes, or did until WATCH_OFF_DELAY_S ago."""
        stream = self._streams.get(key)
        return stream is not None and stream.is_watched

    def viewer_count(self, channel_id: UUID) -> int:
        """How many people see the channel's picture now."""
        return self._viewers.get(channel_id, 0)

    def on_watch_change(self, listener: WatchListener) -> None:
        """`listener(key, is_watched)`: true at once with the first subscriber, false when nobody came back in time."""
        self._watch_listeners.append(listener)

    def on_viewers_change(self, listener: ViewersListener) -> None:
        """`listener(channel_id, count)` at every change."""
        self._viewers_listeners.append(listener)

    def on_sync_wanted(self, listener: SyncListener) -> None:
        """`listener(key)`: somebody waits for a sync sample that may be far away; at most every WANT_SYNC_EVERY_S."""
        self._sync_listeners.append(listener)

    # --- inside -----------------------------------------------------------------------------------------------------

    def _check_stale(self) -> None:
        self.drop_stale()
        is_busy = any(stream.publication is not None for stream in self._streams.values())
        loop = asyncio.get_running_loop()
        self._stale_check = loop.call_later(STALE_CHECK_S, self._check_stale) if is_busy else None

    def _stream(self, key: StreamKey) -> "_Stream":
        stream = self._streams.get(key)
        if stream is None:
            stream = self._streams[key] = _Stream(
                key, next(self._handles), self._clock, self._tell_watched, self._tell_sync_wanted
            )
        return stream

    def _tell_watched(self, key: StreamKey, is_watched: bool) -> None:
        for listener in self._watch_listeners:
            listener(key, is_watched)

    def _tell_sync_wanted(self, key: StreamKey) -> None:
        for listener in self._sync_listeners:
            listener(key)

    def _count_viewer(self, key: StreamKey, change: int) -> None:
        if key.stream is StreamKind.AUDIO:
            return  # who listens also watches
        self._viewers[key.channel_id] += change
        count = self._viewers[key.channel_id]
        if not count:
            del self._viewers[key.channel_id]
        for listener in self._viewers_listeners:
            listener(key.channel_id, count)


class Publication:
    """One run being published. Silent once a newer run of its stream began."""

    def __init__(self, stream: "_Stream", run: Run) -> None:
        self._stream = stream
        self.run = run

    def publish(self, *, is_sync: bool, decode_time: int, wall_us: int, chunk: bytes) -> None:
        """Gives a chunk to all subscribers. Costs one `on_chunk` each and waits for nobody.

        Chunks before the first sync sample of a run are left out: nothing could decode them. A sync sample that shows
        everything only some pictures later (intra refresh) is none here: browsers do not begin with it.
        """
        if self._stream.publication is self:
            self._stream.publish(is_sync, decode_time, wall_us, chunk)

    def end(self, cause: GapCause) -> None:
        """The run is over."""
        if self._stream.publication is self:
            self._stream.end_run(cause)


class _Stream:
    """One stream: its handle, run, cache and subscribers."""

    def __init__(
        self,
        key: StreamKey,
        handle: int,
        clock: Clock,
        tell_watched: WatchListener,
        tell_sync_wanted: SyncListener,
    ) -> None:
        self.handle = handle
        self.publication: Publication | None = None
        self.cache = make_cache(key.stream)
        self.subscribers: tuple[Subscriber, ...] = ()  # copied on change: publishing iterates while viewers come and go
        self.is_watched = False
        self._key, self._clock = key, clock
        self._tell_watched, self._tell_sync_wanted = tell_watched, tell_sync_wanted
        self._sync_wanted_at = float("-inf")
        self._has_started = False  # a sync sample of this run was seen
        self._last_wall_us: int | None = None
        self._watch_off: asyncio.TimerHandle | None = None

    @property
    def is_idle(self) -> bool:
        return self.publication is None and not self.subscribers and not self.is_watched

    def begin_run(self, run: Run) -> Publication:
        self.cache.begin(run.timescale)
        self._has_started = False
        publication = self.publication = Publication(self, self._with_gap(run))
        self.tell(lambda subscriber: subscriber.on_run(publication.run))
        return publication

    def tell(self, tell: Callable[[Subscriber], None]) -> None:
        """Says something to every subscriber."""
        for subscriber in self.subscribers:
            try:
                tell(subscriber)
            except Exception:  # noqa: BLE001 - see publish
                self._drop(subscriber)

    def _with_gap(self, run: Run) -> Run:
        if run.gap is None or self._last_wall_us is None:
            return run
        seconds = max(0.0, (run.wall_start_us - self._last_wall_us) / 1e6)
        return dataclasses.replace(run, gap=Gap(run.gap.cause, seconds))

    def publish(self, is_sync: bool, decode_time: int, wall_us: int, chunk: bytes) -> None:
        if is_sync and self._is_gradual(chunk):
            is_sync = False
            if self.subscribers and not self._has_started:
                self._ask_for_sync()
        if not self._has_started:
            if not is_sync:
                return
            self._has_started = True
        self._last_wall_us = wall_us
        live = LiveChunk(self.handle, is_sync, decode_time, wall_us, chunk, self._clock.monotonic())
        self.cache.add(live)
        for subscriber in self.subscribers:
            try:
                subscriber.on_chunk(live)
            except Exception:  # noqa: BLE001 - a mistake of one subscriber is nobody else's business
                self._drop(subscriber)

    def end_run(self, cause: GapCause) -> None:
        was_running, self.publication = self.publication is not None, None
        self.cache.clear()
        if was_running:
            self.tell(lambda subscriber: subscriber.on_offline(cause))

    def welcome(self, subscriber: Subscriber) -> None:
        if self.publication is not None:
            subscriber.on_run(self.publication.run)
            subscriber.on_burst(self.cache.chunks)
            self.want_sync()

    def want_sync(self) -> None:
        """Asks for a sync sample when whoever needs one has none to begin with, or one long past."""
        if self._has_started and (not self.cache.chunks or self.cache.duration_s > LONG_GOP_S):
            self._ask_for_sync()

    def _ask_for_sync(self) -> None:
        now_s = self._clock.monotonic()
        if now_s - self._sync_wanted_at >= WANT_SYNC_EVERY_S:
            self._sync_wanted_at = now_s
            self._tell_sync_wanted(self._key)

    def _is_gradual(self, chunk: bytes) -> bool:
        assert self.publication is not None
        sample_at = int.from_bytes(chunk[:4], "big") + _MDAT_HEADER_BYTES  # behind the moof; it has one sample
        return is_gradual(self.publication.run.codec, memoryview(chunk)[sample_at : sample_at + _SAMPLE_START_BYTES])

    def add(self, subscriber: Subscriber) -> None:
        self.subscribers = (*self.subscribers, subscriber)
        if self._watch_off is not None:
            self._watch_off.cancel()
            self._watch_off = None
        if not self.is_watched:
            self.is_watched = True
            self._tell_watched(self._key, True)

    def remove(self, subscriber: Subscriber) -> None:
        self.subscribers = tuple(other for other in self.subscribers if other is not subscriber)
        if not self.subscribers and self._watch_off is None:
            self._watch_off = asyncio.get_running_loop().call_later(WATCH_OFF_DELAY_S, self._nobody_came_back)

    def _drop(self, subscriber: Subscriber) -> None:
        log.exception("hub.subscriber_failed", channel_id=str(self._key.channel_id), stream=self._key.stream.value)
        self.remove(subscriber)

    def _nobody_came_back(self) -> None:
        self._watch_off = None
        self.is_watched = False
        self._tell_watched(self._key, False)


class _ChunkQueue:
    """A subscriber that queues, for `Hub.chunks`: bounded by the size of a GOP cache."""

    def __init__(self) -> None:
        self._items: deque[Run | LiveChunk] = deque()
        self._bytes = 0
        self._needs_sync = True
        self._arrived = asyncio.Event()

    async def next(self) -> Run | LiveChunk:
        while not self._items:
            self._arrived.clear()
            await self._arrived.wait()
        item = self._items.popleft()
        if isinstance(item, LiveChunk):
            self._bytes -= item.size_bytes
        return item

    def on_run(self, run: Run) -> None:
        self._needs_sync = True
        self._put(run)

    def on_burst(self, chunks: Sequence[LiveChunk]) -> None:
        for chunk in chunks:
            self.on_chunk(chunk)

    def on_chunk(self, chunk: LiveChunk) -> None:
        if self._bytes + chunk.size_bytes > GOP_CACHE_BYTES:
            self._skip()
        if self._needs_sync and not chunk.is_sync:
            return
        self._needs_sync = False
        self._bytes += chunk.size_bytes
        self._put(chunk)

    def on_offline(self, cause: GapCause) -> None:
        """The iterator just waits for the next run."""

    def on_state(self, state: ChannelState) -> None:
        """Of no concern to a machine."""

    def _skip(self) -> None:
        self._items = deque(item for item in self._items if isinstance(item, Run))
        self._bytes = 0
        self._needs_sync = True

    def _put(self, item: Run | LiveChunk) -> None:
        self._items.append(item)
        self._arrived.set()
