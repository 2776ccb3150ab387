"""Server-sent events: what changed, told to every page that is open (HTML Living Standard, section 9.2).

    DeviceChanged ... ──► marks the device in each open stream ──► the stream asks the door, then sends what its person
                                                                   may see: `device`, or `removed` when the door is shut
    the disk of the recordings ──► `volume`, to everybody, and to whoever opens a page while it is in trouble

An event only says that something changed; what is sent is read anew, with the eyes of the person who reads it. Many
changes of one device in a moment become one message. A stream that is open counts as use of its session.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from typing import Final, Protocol
from uuid import UUID

from pydantic import BaseModel

from incamera.access import GrantRevoked, NotFound
from incamera.accounts import AccountService, Actor, SessionEnded
from incamera.devices.events import DeviceChanged, DeviceErased, DeviceRemoved
from incamera.devices.processing import DEVICE_ACTIVITIES
from incamera.devices.schemas import DeviceView, GoneView, VolumeView, WatchingView
from incamera.devices.service import DeviceService, ShownDevice
from incamera.kit.clock import Clock
from incamera.kit.events import EventBus
from incamera.privacy import open_session
from incamera.storage.database import Database
from incamera.storage.volume import VolumeState

HEARTBEAT_S: Final = 15.0  # below the idle limit of the usual proxies
RENEW_S: Final = 60.0
GATHER_S: Final = 0.05
MAX_STREAMS: Final = 16  # of one session: more than a browser opens, few enough to leak none
_RETRY_MS: Final = 2000


class Viewers(Protocol):
    """Of `streams.Hub`, what the feed needs."""

    def on_viewers_change(self, listener: Callable[[UUID, int], None]) -> None: ...


class _Stream:
    """One open page: what it must still be told."""

    def __init__(self, actor: Actor, renewed_at: float) -> None:
        self.actor = actor
        self.renewed_at = renewed_at
        self.is_over = False
        self.known: dict[UUID, frozenset[UUID]] = {}  # devices it was told of, with the channels whose viewers it sees
        self.changed: dict[UUID, None] = {}  # in order
        self.watching: dict[UUID, int] = {}
        self.volume: VolumeState | None = None  # to be told
        self.wake = asyncio.Event()

    def know(self, shown: ShownDevice) -> None:
        is_owner = shown.access.is_owner  # who else watches is the owner's to know
        self.known[shown.device.id] = frozenset(it.channel.id for it in shown.channels) if is_owner else frozenset()

    def mark(self, device_id: UUID) -> None:
        self.changed[device_id] = None
        self.wake.set()

    def count(self, channel_id: UUID, watching: int) -> None:
        if any(channel_id in channels for channels in self.known.values()):
            self.watching[channel_id] = watching
            self.wake.set()

    def end(self) -> None:
        self.is_over = True
        self.wake.set()


class DeviceFeed:
    """All event streams of this process. `close` ends them, so that the server can stop."""

    def __init__(
        self,
        *,
        database: Database,
        clock: Clock,
        events: EventBus,
        accounts: AccountService,
        devices: DeviceService,
        viewers: Viewers,
    ) -> None:
        self._database, self._clock = database, clock
        self._accounts, self._devices = accounts, devices
        self._streams: list[_Stream] = []
        self._is_closed = False
        self._volume = VolumeState.WELL
        events.subscribe(DeviceChanged, self._device_changed)
        events.subscribe(DeviceRemoved, self._device_changed)
        events.subscribe(DeviceErased, self._device_changed)
        events.subscribe(GrantRevoked, self._device_changed)
        events.subscribe(SessionEnded, self._session_ended)
        viewers.on_viewers_change(self._viewers_changed)

    @property
    def count(self) -> int:
        """Open streams, for the metrics."""
        return len(self._streams)

    def close(self) -> None:
        """Ends every stream; new ones end at once."""
        self._is_closed = True
        for stream in self._streams:
            stream.end()

    def tell_of_volume(self, state: VolumeState) -> None:
        """The disk of the recordings has another state: every page says so, and so does each that opens later."""
        self._volume = state
        for stream in self._streams:
            stream.volume = state
            stream.wake.set()

    async def follow(self, actor: Actor) -> AsyncIterator[bytes]:
        """The messages of one stream, until its session ends or nobody reads any more."""
        stream = self._open(actor)
        try:
            await self._learn(stream)
            yield f"retry: {_RETRY_MS}\n: following\n\n".encode()
            if self._volume is not VolumeState.WELL:
                yield render_event("volume", VolumeView(state=self._volume))
            while not stream.is_over:
                if not await self._woken(stream):
                    yield b": still here\n\n"
                if not await self._renewed(stream):
                    return
                async for message in self._messages(stream):
                    yield message
        finally:
            with suppress(ValueError):
                self._streams.remove(stream)

    def _open(self, actor: Actor) -> _Stream:
        stream = _Stream(actor, self._clock.monotonic())
        stream.is_over = self._is_closed
        same = [other for other in self._streams if other.actor.session_id == actor.session_id]
        for oldest in same[: max(0, len(same) + 1 - MAX_STREAMS)]:
            oldest.end()
        self._streams.append(stream)
        return stream

    async def _learn(self, stream: _Stream) -> None:
        """What the page has loaded or will load by itself: only changes are told."""
        async with open_session(self._database, *DEVICE_ACTIVITIES, writes=False) as db:
            for shown in await self._devices.devices(db, stream.actor, limit=1_000_000):
                stream.know(shown)

    async def _woken(self, stream: _Stream) -> bool:
        try:
            async with asyncio.timeout(HEARTBEAT_S):
                await stream.wake.wait()
        except TimeoutError:
            return False
        await asyncio.sleep(GATHER_S)
        stream.wake.clear()
        return True

    async def _renewed(self, stream: _Stream) -> bool:
        if stream.is_over:
            return False
        if self._clock.monotonic() - stream.renewed_at < RENEW_S:
            return True
        stream.renewed_at = self._clock.monotonic()
        actor = await self._accounts.renew(stream.actor)
        if actor is not None:
            stream.actor = actor
        return actor is not None

    async def _messages(self, stream: _Stream) -> AsyncIterator[bytes]:
        if stream.volume is not None:
            yield render_event("volume", VolumeView(state=stream.volume))
            stream.volume = None
        changed, stream.changed = stream.changed, {}
        for device_id in changed:
            message = await self._device_message(stream, device_id)
            if message is not None:
                yield message
        watching, stream.watching = stream.watching, {}
        for channel_id, count in watching.items():
            yield render_event("watching", WatchingView(channel_id=channel_id, watching=count))

    async def _device_message(self, stream: _Stream, device_id: UUID) -> bytes | None:
        async with open_session(self._database, *DEVICE_ACTIVITIES, writes=False) as db:
            try:
                shown = await self._devices.show(db, stream.actor, device_id)
            except NotFound:
                shown = None
        if shown is None or shown.device.removed_at is not None:
            was_known = stream.known.pop(device_id, None) is not None
            return render_event("removed", GoneView(id=device_id)) if was_known else None
        stream.know(shown)
        return render_event("device", DeviceView.of(shown))

    def _device_changed(self, event: DeviceChanged | DeviceRemoved | DeviceErased | GrantRevoked) -> None:
        for stream in self._streams:
            stream.mark(event.device_id)

    def _viewers_changed(self, channel_id: UUID, count: int) -> None:
        for stream in self._streams:
            stream.count(channel_id, count)

    def _session_ended(self, event: SessionEnded) -> None:
        for stream in self._streams:
            if stream.actor.session_id == event.session_id:
                stream.end()


def render_event(name: str, data: BaseModel) -> bytes:
    """One message. JSON has no raw line breaks, so the data are one line whatever people call their cameras."""
    return f"event: {name}\ndata: {data.model_dump_json()}\n\n".encode()
