"""Asks cameras for a picture that decodes alone, where ONVIF lets one ask (SetSynchronizationPoint).

"Smart codecs" send one every ten seconds, intra refresh none at all, and whoever wants to see or to record needs one.

    ask(source) ─► asked a moment ago, or in vain? ─► nothing
                 └► camera (host, user) ─► port known? ─no─► PORTS, one after the other ─► profile ─► sync point

A camera is a small machine with other things to do, and may belong to somebody who counts failed sign-ins:
one question at a time, at most one sync point per stream in MIN_INTERVAL_S, and what did not work is remembered.
"""

import asyncio
import ipaddress
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

import structlog

from incamera.edge.http_exchange import NobodyAnswers, exchange
from incamera.edge.sources.dialling import DialRanges
from incamera.kit.clock import Clock
from incamera.media.http.errors import HttpError
from incamera.media.onvif.conversation import Catalogue, Profile, find_profile
from incamera.media.onvif.errors import NoSuchProfile, OnvifError, OnvifFault, OnvifRefused
from incamera.media.onvif.services import Call, ask_sync_point, ask_time, parse_time
from incamera.media.onvif.session import OnvifSession
from incamera.media.onvif.xml import MAX_XML_BYTES, Element
from incamera.media.rtsp.authentication import Credentials
from incamera.media.rtsp.errors import InvalidRtspUrl
from incamera.media.rtsp.url import RtspUrl
from incamera.protocol.messages import RtspSource

log = structlog.get_logger(__name__)

# Where the device service listens: most brands; Reolink; Tapo and other TP-Link; the many of Xiongmai; others.
PORTS: Final = (80, 8000, 2020, 8899, 8080)
MIN_INTERVAL_S: Final = 5.0
_BETWEEN_QUESTIONS_S: Final = 0.1
_TRY_AGAIN_S: Final = 600.0  # a camera that did not answer: perhaps it was starting
_MOST_CAMERAS: Final = 1024
_MOST_AT_ONCE: Final = 256  # streams that wait for their camera's turn: two of each of a recorder's inputs, twice
_MOST_FAILURES: Final = 3  # in a row, of a camera that had been found

AskSync = Callable[[object], None]
"""`ask(source)`: where a stream comes from, of whatever kind; only what can be asked is."""


def ask_nobody(_source: object) -> None:
    """For sources that cannot be asked."""


@dataclass(slots=True)
class _Camera:
    """What is known of one camera and one user of it."""

    host: str
    credentials: Credentials | None
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    session: OnvifSession | None = None
    catalogue: Catalogue = field(default_factory=Catalogue)
    profiles: dict[str, Profile] = field(default_factory=dict)  # by path and query of the stream
    hopeless: set[str] = field(default_factory=set)  # streams that no profile leads to
    is_refused: bool = False
    not_before_s: float = float("-inf")
    failures: int = 0


class SyncPoints:
    """One per edge. `ports`: where to look for the device service.

    This machine is not asked: what plays back or passes on a camera's stream here is none, and its other ports belong
    to other programs.
    """

    def __init__(
        self,
        clock: Clock,
        ranges: DialRanges,
        ports: tuple[int, ...] = PORTS,
        *,
        asks_this_machine: bool = False,
    ) -> None:
        self._clock = clock
        self._ranges = ranges
        self._ports = ports
        self._asks_this_machine = asks_this_machine
        self._cameras: dict[tuple[str, str, str], _Camera] = {}
        self._asked_s: dict[str, float] = {}  # by URL of the stream
        self._tasks: set[asyncio.Task[None]] = set()

    def ask(self, source: object) -> None:
        """Wants a sync sample of this stream soon. Never waits, never fails; cheap when it is in vain."""
        if not isinstance(source, RtspSource) or not self._may_ask(source.url):
            return
        try:
            url = RtspUrl.parse(source.url)
        except InvalidRtspUrl:
            return
        if _is_this_machine(url.host) and not self._asks_this_machine:
            return
        if len(self._tasks) >= _MOST_AT_ONCE:
            return
        camera = self._camera(url, source)
        now_s = self._clock.monotonic()
        if camera.is_refused or now_s < camera.not_before_s or url.target in camera.hopeless:
            return
        if len(self._asked_s) >= 2 * _MOST_CAMERAS:
            self._asked_s.clear()
        self._asked_s[source.url] = now_s
        task = asyncio.create_task(self._ask(camera, url.target))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def settle(self) -> None:
        """Waits until nothing is being asked."""
        while self._tasks:
            await asyncio.wait(self._tasks)

    async def close(self) -> None:
        """Lets go of what is under way."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _may_ask(self, url: str) -> bool:
        asked_s = self._asked_s.get(url)
        return asked_s is None or self._clock.monotonic() - asked_s >= MIN_INTERVAL_S

    def _camera(self, url: RtspUrl, source: RtspSource) -> _Camera:
        username, password = source.username or url.username, source.password or url.password
        key = (url.host, username, password)
        if key not in self._cameras:
            if len(self._cameras) >= _MOST_CAMERAS:
                del self._cameras[next(iter(self._cameras))]
            self._cameras[key] = _Camera(url.host, Credentials(username, password) if username else None)
        return self._cameras[key]

    async def _ask(self, camera: _Camera, target: str) -> None:
        async with camera.lock:
            if camera.is_refused or self._clock.monotonic() < camera.not_before_s:
                return  # whoever held the lock has learnt that it is in vain
            try:
                await self._ask_camera(camera, target)
            except OnvifRefused:
                camera.is_refused = True
                log.info("edge.sync_point_refused", says=str(OnvifRefused()))
            except NoSuchProfile:
                if not camera.catalogue.unasked:  # else the search goes on the next time
                    camera.hopeless.add(target)
            except OnvifFault:
                camera.hopeless.add(target)  # it does not know how
            except (NobodyAnswers, HttpError, OnvifError):
                self._failed(camera)
            else:
                camera.failures = 0

    def _failed(self, camera: _Camera) -> None:
        camera.failures += 1
        if camera.session is None or camera.failures >= _MOST_FAILURES:
            camera.session, camera.catalogue = None, Catalogue()
            camera.profiles.clear()
            camera.not_before_s = self._clock.monotonic() + _TRY_AGAIN_S * camera.failures

    async def _ask_camera(self, camera: _Camera, target: str) -> None:
        if camera.session is None:
            camera.session = await self._find_service(camera)
        profile = camera.profiles.get(target)
        if profile is None:
            profile = camera.profiles[target] = await self._find_profile(camera, camera.session, target)
        await self._put(camera.session, ask_sync_point(profile.media, profile.token))

    async def _find_service(self, camera: _Camera) -> OnvifSession:
        """The first port where somebody tells the time; raises NobodyAnswers."""
        for port in self._ports:
            session = OnvifSession(camera.host, port, camera.credentials)
            try:
                camera_time = parse_time(await self._put(session, ask_time(session.device)))
            except OnvifRefused:
                return session  # an ONVIF camera that tells not even the time to strangers
            except (NobodyAnswers, HttpError, OnvifError):
                continue
            if camera_time is not None:
                session.set_clock(camera_time, self._clock.now())
            return session
        raise NobodyAnswers("no device service")

    async def _find_profile(self, camera: _Camera, session: OnvifSession, target: str) -> Profile:
        conversation = find_profile(session.device, camera.catalogue, target)
        try:
            call = next(conversation)
            while True:
                try:
                    answer = await self._put(session, call)
                except OnvifFault as fault:
                    call = conversation.throw(fault)
                else:
                    call = conversation.send(answer)
        except StopIteration as end:
            found: Profile = end.value
            return found

    async def _put(self, session: OnvifSession, call: Call) -> Element:
        """One question; asked a second time where the camera first wants to know who asks."""
        for _ in range(2):
            request = session.render(call, self._clock.now())
            head, body = await exchange(call.url, request, self._ranges, MAX_XML_BYTES)
            answer = session.receive(head, body)
            await self._clock.sleep(_BETWEEN_QUESTIONS_S)
            if answer is not None:
                return answer
        raise OnvifRefused


def _is_this_machine(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower().rstrip(".").rpartition(".")[2] == "localhost"
