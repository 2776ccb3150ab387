"""What is open right now by right of a ticket, and who ends it when the right ends.

A view stops within five seconds of a revoked grant, an ended session, a changed password or a removed device: the
event stops it at once where it happens in this process, and CHECK_S later at most where it did not (another process
changed the database). Grants with hours end by their own clock.
"""

import asyncio
import itertools
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final, Protocol
from uuid import UUID

import structlog

from incamera.access import Access, GrantRevoked, OwnershipEnded, Permission, recheck
from incamera.accounts import Actor, SessionEnded, SessionId
from incamera.devices import ChannelTurnedOff, DeviceRemoved, SoundTurnedOff
from incamera.kit.clock import Clock
from incamera.kit.events import EventBus
from incamera.live.tickets import Audience
from incamera.privacy import open_session
from incamera.storage.database import Database

log = structlog.get_logger(__name__)

CHECK_S: Final = 4.0
RENEW_S: Final = 120.0  # a picture that is watched counts as use of its session
ACTIVITY: Final = "B4.live_view"


class StopReason(StrEnum):
    """Why a stream was closed from our side; the web app has a sentence for each."""

    REVOKED = "revoked"
    SESSION_ENDED = "session_ended"
    REMOVED = "removed"
    TURNED_OFF = "turned_off"
    SERVER_STOPPING = "server_stopping"


Stop = Callable[[StopReason], None]


class Sessions(Protocol):
    """Of `accounts.AccountService`, what streams that stay open need."""

    async def renew(self, actor: Actor) -> Actor | None: ...


@dataclass(slots=True)
class _View:
    actor: Actor
    access: Access
    stop: Stop
    audience: Audience


class OpenViews:
    """All open views of this process. `run` is the periodic check; events work without it.

    A view counts as use of its session.
    """

    def __init__(self, database: Database, events: EventBus, clock: Clock, sessions: Sessions) -> None:
        self._database, self._clock, self._sessions = database, clock, sessions
        self._renewed_at = clock.monotonic()
        self._views: dict[int, _View] = {}
        self._numbers = itertools.count()
        self._checks: set[asyncio.Task[None]] = set()
        events.subscribe(SessionEnded, self._session_ended)
        events.subscribe(GrantRevoked, self._grant_revoked)
        events.subscribe(OwnershipEnded, self._ownership_ended)
        events.subscribe(DeviceRemoved, self._device_removed)
        events.subscribe(ChannelTurnedOff, self._channel_turned_off)
        events.subscribe(SoundTurnedOff, self._sound_turned_off)

    def add(
        self, actor: Actor, access: Access, stop: Stop, *, audience: Audience = Audience.PLAYBACK
    ) -> Callable[[], None]:
        """Watches over a view: `stop(reason)` is called once, when its right has ended. What is returned forgets it.

        A live view also ends when its channel, or for sound its microphone, is turned off.
        """
        number = next(self._numbers)
        self._views[number] = _View(actor, access, stop, audience)

        def forget() -> None:
            self._views.pop(number, None)

        return forget

    async def run(self) -> None:
        """Looks at everything again every CHECK_S, for as long as the server runs."""
        while True:
            await self._clock.sleep(CHECK_S)
            try:
                if self._clock.monotonic() - self._renewed_at >= RENEW_S:
                    await self.renew_sessions()
                self._end_expired(self._clock.now())
                await self.check(tuple(self._views))
            except Exception as error:  # noqa: BLE001 - a locked database must not end the watch; next time it answers
                log.error("live.check_failed", error=type(error).__name__)

    async def renew_sessions(self) -> None:
        """Counts every view as use of its session; stops those whose session is over."""
        self._renewed_at = self._clock.monotonic()
        actors = {view.actor.session_id: view.actor for view in self._views.values()}
        for session_id, actor in actors.items():
            self._apply_session(session_id, await self._sessions.renew(actor))

    async def check(self, numbers: Iterable[int]) -> None:
        """Asks the door again, once per person and right; stops what it no longer allows."""
        same_right: defaultdict[tuple[UUID, UUID | None, object], list[int]] = defaultdict(list)
        for number in numbers:
            view = self._views.get(number)
            if view is not None:
                same_right[view.actor.account_id, view.access.channel_id, view.access.permission].append(number)
        if not same_right:
            return
        async with open_session(self._database, ACTIVITY, writes=False) as db:
            for alike in same_right.values():
                view = self._views.get(alike[0])
                if view is not None:
                    self._apply(alike, await recheck(db, view.actor, view.access, self._clock))

    # --- inside -----------------------------------------------------------------------------------------------------

    def _apply(self, numbers: Iterable[int], access: Access | None) -> None:
        for number in numbers:
            view = self._views.get(number)
            if view is None:
                continue
            if access is None or access.epoch != view.access.epoch or _looks_less_far_back(access, view.access):
                self._stop(number, StopReason.REVOKED)
            else:
                view.access = access

    def _apply_session(self, session_id: SessionId, renewed: Actor | None) -> None:
        if renewed is None:
            self._stop_all(StopReason.SESSION_ENDED, lambda view: view.actor.session_id == session_id)
            return
        for view in self._views.values():
            if view.actor.session_id == session_id:
                view.actor = renewed

    def _end_expired(self, now: datetime) -> None:
        for number, view in tuple(self._views.items()):
            if view.actor.expires_at <= now:
                self._stop(number, StopReason.SESSION_ENDED)

    def _session_ended(self, event: SessionEnded) -> None:
        self._stop_all(StopReason.SESSION_ENDED, lambda view: view.actor.session_id == event.session_id)

    def _ownership_ended(self, event: OwnershipEnded) -> None:
        self._stop_all(StopReason.REMOVED, lambda view: view.access.device_id == event.device_id)

    def _device_removed(self, event: DeviceRemoved) -> None:
        self._stop_all(StopReason.REMOVED, lambda view: view.access.device_id == event.device_id)

    def _channel_turned_off(self, event: ChannelTurnedOff) -> None:
        self._stop_all(StopReason.TURNED_OFF, lambda view: _is_live_of(view, event.channel_id))

    def _sound_turned_off(self, event: SoundTurnedOff) -> None:
        self._stop_all(
            StopReason.TURNED_OFF,
            lambda view: _is_live_of(view, event.channel_id) and view.access.permission is Permission.LISTEN,
        )

    def _grant_revoked(self, event: GrantRevoked) -> None:
        """Perhaps another grant still allows it: the door decides."""
        numbers = [
            number
            for number, view in self._views.items()
            if (view.access.device_id, view.actor.account_id) == (event.device_id, event.account_id)
        ]
        if numbers:
            task = asyncio.get_running_loop().create_task(self.check(numbers))
            self._checks.add(task)
            task.add_done_callback(self._checks.discard)

    def _stop_all(self, reason: StopReason, concerns: Callable[[_View], bool]) -> None:
        for number, view in tuple(self._views.items()):
            if concerns(view):
                self._stop(number, reason)

    def _stop(self, number: int, reason: StopReason) -> None:
        view = self._views.pop(number, None)
        if view is not None:
            view.stop(reason)


def _looks_less_far_back(access: Access, before: Access) -> bool:
    """Whoever plays back keeps to the limit that was true when it was opened: a narrower one needs a new ticket."""
    return access.look_back is not None and (before.look_back is None or access.look_back < before.look_back)


def _is_live_of(view: _View, channel_id: UUID) -> bool:
    return view.audience is Audience.LIVE and view.access.channel_id == channel_id
