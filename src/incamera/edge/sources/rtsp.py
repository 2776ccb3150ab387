"""A camera that speaks RTSP: the thin shell around `media.rtsp` and `media.rtp`.

    data_received ─► RtspClient ─► RtspReader ─► RtpReceiver ─► depacketiser ─► on_unit
                        │ answers                 (one read of the socket, no task switch, no copy of packets)
                        ▼                             ▲
                    open(): Described, Playing        └── TrackDatagrams ◄── datagrams of one track

Media comes over the RTSP connection (TCP). A camera that refuses that is asked a second time, for UDP, and one from
which nothing came is asked for the other the next time. Everything that can go wrong becomes one `CameraFault`; the
words for people are the web app's.
"""

import asyncio
from typing import Final

from incamera.edge.sources.base import ClockPoint, Source, SourceFault, TrackInfo, UnitSink
from incamera.edge.sources.dialling import AddressRefused, DialRanges, NameNotFound, resolve
from incamera.edge.sources.rtsp_connection import RtspConnection
from incamera.kit.clock import Clock
from incamera.media.rtp.reception import INTERVAL_S
from incamera.media.rtsp.authentication import Authenticator, Credentials
from incamera.media.rtsp.client import RtspClient
from incamera.media.rtsp.errors import (
    InvalidRtspUrl,
    NotRtsp,
    PasswordNeeded,
    PasswordRefused,
    Redirected,
    RequestRefused,
    RtspError,
    TransportRefused,
)
from incamera.media.rtsp.tracks import TrackFormat
from incamera.media.rtsp.url import RtspUrl
from incamera.protocol.messages import CameraFault, RtspSource

CONNECT_TIMEOUT_S: Final = 5.0
OPEN_TIMEOUT_S: Final = 10.0  # for the whole conversation up to PLAY
STALL_TIMEOUT_S: Final = 12.0  # without one whole picture
_CHECK_INTERVAL_S: Final = 1.0  # so a stall is noticed within 13 s
_MAX_REDIRECTIONS: Final = 3
_MAX_REMEMBERED: Final = 1024

_FAULT_OF_STATUS: Final = {
    401: CameraFault.REFUSED_PASSWORD,
    403: CameraFault.REFUSED_PASSWORD,
    404: CameraFault.NOT_FOUND,
    410: CameraFault.NOT_FOUND,
    451: CameraFault.NOT_FOUND,  # Parameter Not Understood: how some cameras say that a path is wrong
    453: CameraFault.BUSY,
    454: CameraFault.CLOSED,
    461: CameraFault.PROTOCOL,
    503: CameraFault.BUSY,
}


class TransportMemory:
    """Which addresses to ask for UDP first, for as long as this edge runs. All others are asked for TCP first."""

    def __init__(self) -> None:
        self._over_udp: dict[str, None] = {}

    def take(self, address: str) -> bool:
        """Whether UDP comes first; forgotten with that, until a session has shown it again."""
        is_known = address in self._over_udp
        self._over_udp.pop(address, None)
        return is_known

    def remember(self, address: str, *, over_udp: bool) -> None:
        """What to ask for first the next time."""
        self._over_udp.pop(address, None)
        if over_udp:
            self._over_udp[address] = None
        if len(self._over_udp) > _MAX_REMEMBERED:
            del self._over_udp[next(iter(self._over_udp))]


def rtsp_source(
    source: RtspSource,
    want_audio: bool,
    clock: Clock,
    allowed_ranges: DialRanges,
    memory: TransportMemory | None = None,
) -> Source:
    """The stream at an RTSP address. Without `want_audio` sound is not even asked for: it stays in the camera."""
    return RtspCamera(source, want_audio, clock, allowed_ranges, memory)


class RtspCamera:
    """One connection to one camera. See `Source`."""

    def __init__(
        self,
        source: RtspSource,
        want_audio: bool,
        clock: Clock,
        allowed_ranges: DialRanges,
        memory: TransportMemory | None = None,
        stall_timeout_s: float = STALL_TIMEOUT_S,
    ) -> None:
        self._source = source
        self._want_audio = want_audio
        self._clock = clock
        self._ranges = allowed_ranges
        self._memory = memory or TransportMemory()
        self._stall_timeout_s = stall_timeout_s
        self._connection: RtspConnection | None = None
        self._is_patient = False

    async def open(self) -> tuple[TrackInfo, ...]:
        """See `Source.open`."""
        try:
            async with asyncio.timeout(OPEN_TIMEOUT_S):
                return await self._open()
        except TimeoutError as error:
            raise SourceFault(CameraFault.UNREACHABLE, f"no answer within {OPEN_TIMEOUT_S:.0f} s") from error
        except RtspError as error:
            raise _fault_of(error) from error

    async def _open(self) -> tuple[TrackInfo, ...]:
        try:
            url = RtspUrl.parse(self._source.url)
        except InvalidRtspUrl as error:
            raise SourceFault(CameraFault.NOT_FOUND, error.reason) from error
        username = self._source.username or url.username
        credentials = Credentials(username, self._source.password or url.password) if username else None
        host = url.host
        for _ in range(1 + _MAX_REDIRECTIONS):
            # A password is for the host that its owner named, not for whoever that one sends us to.
            authenticator = Authenticator(credentials) if credentials and url.host == host else None
            try:
                return await self._open_over_any_transport(url, authenticator)
            except Redirected as redirection:
                await self.close()
                url = _follow(redirection)
        raise SourceFault(CameraFault.PROTOCOL, "it sends us from one address to the next")

    async def _open_over_any_transport(
        self, url: RtspUrl, authenticator: Authenticator | None
    ) -> tuple[TrackInfo, ...]:
        over_udp = self._memory.take(self._source.url)
        try:
            return await self._open_at(url, authenticator, over_udp=over_udp)
        except TransportRefused:
            await self._hang_up(authenticator)
        return await self._open_at(url, authenticator, over_udp=not over_udp)

    async def _open_at(
        self, url: RtspUrl, authenticator: Authenticator | None, *, over_udp: bool
    ) -> tuple[TrackInfo, ...]:
        try:
            return await self._converse(url, authenticator, over_udp=over_udp)
        except SourceFault as fault:
            if fault.fault is not CameraFault.CLOSED or authenticator is None or not authenticator.is_asked:
                raise
        # Some cameras hang up once they have asked for a password, and want it over a new connection.
        await self._hang_up(authenticator)
        return await self._converse(url, authenticator, over_udp=over_udp)

    async def _hang_up(self, authenticator: Authenticator | None) -> None:
        """To try again over a new connection."""
        await self.close()
        if authenticator is not None:
            authenticator.reconnected()

    async def _converse(
        self, url: RtspUrl, authenticator: Authenticator | None, *, over_udp: bool
    ) -> tuple[TrackInfo, ...]:
        connection = RtspConnection(RtspClient(url, authenticator), self._clock)
        self._connection = connection
        await self._connect(connection, url)
        tracks = await connection.describe()
        received = _choose_tracks(tracks, self._want_audio)
        await connection.play(received, over_udp=over_udp)
        return tuple(_describe(track, track in received) for track in tracks)

    async def _connect(self, connection: RtspConnection, url: RtspUrl) -> None:
        try:
            addresses = await resolve(url.host, url.port, self._ranges)
        except NameNotFound as error:
            raise SourceFault(CameraFault.NAME_NOT_FOUND, "the host name is unknown") from error
        except AddressRefused as error:
            raise SourceFault(CameraFault.ADDRESS_REFUSED, "the address is outside the allowed ranges") from error
        failure: Exception | None = None
        for host, port in addresses:
            try:
                async with asyncio.timeout(CONNECT_TIMEOUT_S):
                    await asyncio.get_running_loop().create_connection(lambda: connection, host, port)
                return
            except OSError as error:  # TimeoutError is one
                failure = error
        raise SourceFault(CameraFault.UNREACHABLE, f"no connection ({type(failure).__name__})") from failure

    async def play(self, on_unit: UnitSink) -> None:
        """See `Source.play`."""
        connection = self._connection
        if connection is None:
            raise RuntimeError("play before open")
        is_mute = False
        try:
            connection.start_delivery(on_unit)
            await self._watch(connection)
        except SourceFault as fault:
            is_mute = fault.fault is CameraFault.STALLED and not connection.has_delivered
            raise
        except RtspError as error:
            raise _fault_of(error) from error
        finally:
            self._memory.remember(self._source.url, over_udp=connection.is_over_udp is not is_mute)

    async def _watch(self, connection: RtspConnection) -> None:
        """Keeps the session alive until it ends."""
        now_s = self._clock.monotonic()
        keep_alive_at_s, report_at_s = now_s + connection.keep_alive_interval_s, now_s + 1.0
        while True:
            await connection.wait_for_end(_CHECK_INTERVAL_S)
            now_s = self._clock.monotonic()
            if now_s - connection.last_picture_s > self._stall_timeout_s:
                way = "UDP, perhaps a firewall stops it" if connection.is_over_udp else "the connection"
                raise SourceFault(CameraFault.STALLED, f"no picture for {self._stall_timeout_s:.0f} s over {way}")
            connection.set_pace(is_patient=self._is_patient)
            if now_s >= keep_alive_at_s:
                connection.keep_alive()
                keep_alive_at_s = now_s + connection.keep_alive_interval_s
            if now_s >= report_at_s:
                connection.report()
                report_at_s = now_s + INTERVAL_S

    def set_patient(self, is_patient: bool) -> None:
        """See `PatientSource.set_patient`."""
        self._is_patient = is_patient
        if self._connection is not None:
            self._connection.set_pace(is_patient=False)  # patience begins with the next look at the rate

    def clock_point(self, track: int) -> ClockPoint | None:
        """See `Source.clock_point`."""
        return self._connection.clock_point(track) if self._connection else None

    async def close(self) -> None:
        """See `Source.close`."""
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.close()


def _choose_tracks(tracks: tuple[TrackFormat, ...], want_audio: bool) -> list[TrackFormat]:
    """The first picture we can take, and the first sound if it is wanted; raises SourceFault without a picture."""
    pictures = [track for track in tracks if track.kind == "video"]
    if not pictures:
        raise SourceFault(CameraFault.NO_VIDEO, "the description has no video track")
    supported = [track for track in pictures if track.is_supported]
    if not supported:
        raise SourceFault(CameraFault.UNSUPPORTED_CODEC, f"it sends {pictures[0].codec[:20]}")
    sounds = [track for track in tracks if track.kind == "audio" and track.is_supported]
    return supported[:1] + (sounds[:1] if want_audio else [])


def _describe(track: TrackFormat, is_received: bool) -> TrackInfo:
    return TrackInfo(
        track.kind,
        track.codec,
        track.clock_rate,
        track.channels,
        track.parameter_sets,
        track.config,
        is_received,
    )


def _fault_of(error: RtspError) -> SourceFault:
    """What an error of the protocol means to the owner of a camera."""
    match error:
        case PasswordNeeded():
            return SourceFault(CameraFault.NEEDS_PASSWORD, "it asks for a password")
        case PasswordRefused():
            return SourceFault(CameraFault.REFUSED_PASSWORD, "it refused the password")
        case NotRtsp():
            return SourceFault(CameraFault.NOT_RTSP, "the answer is not RTSP")
        case TransportRefused():
            return SourceFault(CameraFault.PROTOCOL, "it sends neither over our connection nor over UDP to us alone")
        case RequestRefused():
            fault = _FAULT_OF_STATUS.get(error.status_code, CameraFault.PROTOCOL)
            return SourceFault(fault, f"{error.method} was answered with {error.status_code}")
        case _:
            return SourceFault(CameraFault.PROTOCOL, str(error))


def _follow(redirection: Redirected) -> RtspUrl:
    """Where a camera sends us; raises SourceFault. Whether that may be dialled is decided as for any address."""
    try:
        return RtspUrl.parse(redirection.location)
    except InvalidRtspUrl as error:
        raise SourceFault(CameraFault.PROTOCOL, "it sends us to an address that is none") from error
