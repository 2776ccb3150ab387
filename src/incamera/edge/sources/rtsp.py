"""A camera that speaks RTSP, over one TCP connection: the thin shell around `media.rtsp` and `media.rtp`.

    data_received ─► RtspClient ─► RtspReader ─► RtpReceiver ─► depacketiser ─► on_unit
                        │ answers                 (one read of the socket, no task switch, no copy of packets)
                        ▼
                    open(): Described, Playing

Everything that can go wrong becomes one `CameraFault`; the words for people are the web app's.
"""

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any, Final, TypeVar, cast

from incamera.edge.sources.base import ClockPoint, Source, SourceFault, TrackInfo, UnitSink
from incamera.edge.sources.dialling import AddressRefused, DialRanges, NameNotFound, resolve
from incamera.kit.clock import Clock
from incamera.media.rtp.errors import InvalidRtpPacket
from incamera.media.rtp.receiver import RtpReceiver
from incamera.media.rtp.rtcp import Goodbye, SenderReport, parse_rtcp
from incamera.media.rtsp.authentication import Authenticator, Credentials
from incamera.media.rtsp.client import Described, Event, Playing, RtspClient, TornDown, TrackSinks
from incamera.media.rtsp.errors import (
    InvalidRtspUrl,
    NotRtsp,
    PasswordNeeded,
    PasswordRefused,
    RequestRefused,
    RtspError,
)
from incamera.media.rtsp.tracks import TrackFormat, describe_tracks, make_depacketiser
from incamera.media.rtsp.url import RtspUrl
from incamera.media.sample import AccessUnit
from incamera.protocol.messages import CameraFault, RtspSource

_Result = TypeVar("_Result")

CONNECT_TIMEOUT_S: Final = 5.0
OPEN_TIMEOUT_S: Final = 10.0  # for the whole conversation up to PLAY
STALL_TIMEOUT_S: Final = 12.0  # without one whole picture
_CHECK_INTERVAL_S: Final = 1.0  # so a stall is noticed within 13 s
_CLOSE_TIMEOUT_S: Final = 1.0
_MAX_UNSENT_BYTES: Final = 256 * 1024  # answers to a camera that sends requests and reads nothing
_MAX_EARLY_BYTES: Final = 16 * 1024 * 1024  # units that come before somebody wants them

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


def rtsp_source(source: RtspSource, want_audio: bool, clock: Clock, allowed_ranges: DialRanges) -> Source:
    """The stream at an RTSP address. Without `want_audio` sound is not even asked for: it stays in the camera."""
    return RtspCamera(source, want_audio, clock, allowed_ranges)


class RtspCamera:
    """One connection to one camera. See `Source`."""

    def __init__(
        self,
        source: RtspSource,
        want_audio: bool,
        clock: Clock,
        allowed_ranges: DialRanges,
        stall_timeout_s: float = STALL_TIMEOUT_S,
    ) -> None:
        self._source = source
        self._want_audio = want_audio
        self._clock = clock
        self._ranges = allowed_ranges
        self._stall_timeout_s = stall_timeout_s
        self._connection: _Connection | None = None

    async def open(self) -> tuple[TrackInfo, ...]:
        """See `Source.open`."""
        try:
            async with asyncio.timeout(OPEN_TIMEOUT_S):
                return await self._open()
        except TimeoutError as error:
            raise SourceFault(CameraFault.UNREACHABLE, f"no answer within {OPEN_TIMEOUT_S:.0f} s") from error

    async def _open(self) -> tuple[TrackInfo, ...]:
        try:
            url = RtspUrl.parse(self._source.url)
        except InvalidRtspUrl as error:
            raise SourceFault(CameraFault.NOT_FOUND, error.reason) from error
        username = self._source.username or url.username
        credentials = Credentials(username, self._source.password or url.password)
        authenticator = Authenticator(credentials) if username else None
        try:
            return await self._converse(url, authenticator)
        except SourceFault as fault:
            if fault.fault is not CameraFault.CLOSED or authenticator is None or not authenticator.is_asked:
                raise
        # Some cameras hang up once they have asked for a password, and want it over a new connection.
        await self.close()
        authenticator.reconnected()
        return await self._converse(url, authenticator)

    async def _converse(self, url: RtspUrl, authenticator: Authenticator | None) -> tuple[TrackInfo, ...]:
        connection = _Connection(RtspClient(url, authenticator), self._clock)
        self._connection = connection
        await self._connect(connection, url)
        tracks = await connection.describe()
        received = _choose_tracks(tracks, self._want_audio)
        await connection.play(received)
        return tuple(_describe(track, track in received) for track in tracks)

    async def _connect(self, connection: "_Connection", url: RtspUrl) -> None:
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
        connection.start_delivery(on_unit)
        keep_alive_at_s = self._clock.monotonic() + connection.keep_alive_interval_s
        while True:
            await connection.wait_for_end(_CHECK_INTERVAL_S)
            now_s = self._clock.monotonic()
            if now_s - connection.last_picture_s > self._stall_timeout_s:
                raise SourceFault(CameraFault.STALLED, f"no picture for {self._stall_timeout_s:.0f} s")
            if now_s >= keep_alive_at_s:
                connection.keep_alive()
                keep_alive_at_s = now_s + connection.keep_alive_interval_s

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
        case RequestRefused():
            fault = _FAULT_OF_STATUS.get(error.status_code, CameraFault.PROTOCOL)
            return SourceFault(fault, f"{error.method} was answered with {error.status_code}")
        case _:
            return SourceFault(CameraFault.PROTOCOL, str(error))


class _Connection(asyncio.Protocol):
    """The socket. Reads go straight into the session; whatever ends it completes `_ended` with a SourceFault."""

    def __init__(self, client: RtspClient, clock: Clock) -> None:
        loop = asyncio.get_running_loop()
        self._client = client
        self._clock = clock
        self._transport: asyncio.Transport | None = None
        self._described: asyncio.Future[Described] = loop.create_future()
        self._playing: asyncio.Future[None] = loop.create_future()
        self._torn_down: asyncio.Future[None] = loop.create_future()
        self._ended: asyncio.Future[Exception] = loop.create_future()
        self._is_closing = False
        self._tracks: tuple[TrackFormat, ...] = ()
        self._receivers: dict[int, RtpReceiver] = {}
        self._on_unit: UnitSink | None = None
        self._early: list[tuple[int, AccessUnit, float]] = []
        self._early_bytes = 0
        self._reports: dict[int, SenderReport] = {}  # that came before the track's first packet
        self._clock_points: dict[int, tuple[int, ClockPoint]] = {}  # (sender, point) by track
        self.last_picture_s = clock.monotonic()

    # --- asyncio.Protocol ---------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The camera took the connection."""
        self._transport = cast("asyncio.Transport", transport)
        self._client.start()
        self._flush()

    def data_received(self, data: bytes) -> None:
        """One read of the socket."""
        try:
            events = self._client.receive(data, self._clock.monotonic())
        except RtspError as error:
            self._end(_fault_of(error))
            return
        except Exception as error:  # noqa: BLE001  # raised by on_unit: it belongs to whoever waits in `play`
            self._end(error)
            return
        if events:
            self._take(events)
        if self._client.has_outgoing:
            self._flush()

    def connection_lost(self, error: Exception | None) -> None:
        """Either side hung up."""
        self._transport = None
        self._end(SourceFault(CameraFault.CLOSED, "the camera closed the connection"))
        if not self._torn_down.done():
            self._torn_down.set_result(None)

    # --- what RtspCamera does with it -----------------------------------------------------------------------------

    @property
    def keep_alive_interval_s(self) -> float:
        """How often the camera wants to hear from us."""
        return self._client.keep_alive_interval_s

    async def describe(self) -> tuple[TrackFormat, ...]:
        """Waits for the description; raises SourceFault."""
        described = await self._wait_unless_ended(self._described)
        self._tracks = describe_tracks(described.description)
        return self._tracks

    async def play(self, received: list[TrackFormat]) -> None:
        """Sets these tracks up and waits until the camera plays; raises SourceFault."""
        self._call_client(lambda: self._client.set_up([self._make_sinks(track) for track in received]))
        await self._wait_unless_ended(self._playing)
        self.last_picture_s = self._clock.monotonic()

    def clock_point(self, number: int) -> ClockPoint | None:
        """The latest report of the sender that the track has now."""
        if number not in self._receivers:
            return None
        self._place_report(number)
        ssrc, point = self._clock_points.get(number, (None, None))
        return point if ssrc == self._receivers[number].ssrc else None

    def start_delivery(self, on_unit: UnitSink) -> None:
        """From now on units go to `on_unit`; first those that came before it."""
        self._on_unit = on_unit
        early, self._early = self._early, []
        for track, unit, arrival_s in early:
            on_unit(track, unit, arrival_s)

    async def wait_for_end(self, timeout_s: float) -> None:
        """Returns after that time, or raises the fault that ended the connection."""
        done, _ = await asyncio.wait([self._ended], timeout=timeout_s)
        if done:
            raise self._ended.result()

    def keep_alive(self) -> None:
        """Sends a sign of life."""
        self._call_client(self._client.keep_alive)

    async def close(self) -> None:
        """Says good-bye, waits a moment for the answer, hangs up."""
        self._is_closing = True
        if self._transport is not None and not self._ended.done():
            with contextlib.suppress(RtspError, TimeoutError):
                self._client.tear_down()
                self._flush()
                if self._client.is_playing:
                    async with asyncio.timeout(_CLOSE_TIMEOUT_S):
                        await asyncio.shield(self._torn_down)
        if self._transport is not None:
            self._transport.abort()
        for future in (self._described, self._playing, self._torn_down, self._ended):
            if not future.done():
                future.cancel()

    # --- inside ---------------------------------------------------------------------------------------------------

    def _make_sinks(self, track: TrackFormat) -> TrackSinks:
        number = self._tracks.index(track)
        is_picture = track.kind == "video"

        def emit(unit: AccessUnit, arrival_s: float) -> None:
            if is_picture:
                self.last_picture_s = arrival_s
            if self._on_unit is not None:
                self._on_unit(number, unit, arrival_s)
            else:
                self._keep_early(number, unit, arrival_s)

        receiver = RtpReceiver(make_depacketiser(track, emit), track.payload_type)
        self._receivers[number] = receiver

        def take_rtcp(data: bytes, start: int, stop: int, arrival_s: float) -> None:
            self._take_rtcp(number, data[start:stop])

        return TrackSinks(track.index, receiver.receive, take_rtcp)

    def _keep_early(self, number: int, unit: AccessUnit, arrival_s: float) -> None:
        """A camera may send faster than its answer to PLAY is read; nothing of the first GOP shall be lost."""
        self._early_bytes += sum(map(len, unit.nal_units))
        if self._early_bytes <= _MAX_EARLY_BYTES:
            self._early.append((number, unit, arrival_s))

    def _take_rtcp(self, number: int, packet: bytes) -> None:
        try:
            reports = parse_rtcp(packet)
        except InvalidRtpPacket:
            return  # it only served to align sound; the picture does not depend on it
        for report in reports:
            if isinstance(report, SenderReport) and report.ntp_time:
                self._reports[number] = report
                self._place_report(number)
            elif isinstance(report, Goodbye) and self._receivers[number].ssrc in report.ssrcs:
                self._end(SourceFault(CameraFault.CLOSED, "the camera ended the stream"))

    def _place_report(self, number: int) -> None:
        """A report may come before the first packet; what it means on our scale is known only after that."""
        report, receiver = self._reports.get(number), self._receivers[number]
        if report is None or report.ssrc != receiver.ssrc:
            return
        time = receiver.find_time(report.timestamp)
        if time is not None:
            self._clock_points[number] = (report.ssrc, ClockPoint(time, report.clock_s))
            del self._reports[number]

    def _take(self, events: list[Event]) -> None:
        for event in events:
            if isinstance(event, Described) and not self._described.done():
                self._described.set_result(event)
            elif isinstance(event, Playing) and not self._playing.done():
                self._playing.set_result(None)
            elif isinstance(event, TornDown):
                self._end(SourceFault(CameraFault.CLOSED, "the camera ended the session"))
                if not self._torn_down.done():
                    self._torn_down.set_result(None)

    async def _wait_unless_ended(self, future: asyncio.Future[_Result]) -> _Result:
        ends: tuple[asyncio.Future[Any], ...] = (future, self._ended)
        await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        if not future.done():
            raise self._ended.result()
        return future.result()

    def _call_client(self, call: Callable[[], None]) -> None:
        try:
            call()
        except RtspError as error:
            self._end(_fault_of(error))
        self._flush()

    def _flush(self) -> None:
        data = self._client.take_outgoing()
        if self._transport is None or not data:
            return
        if self._transport.get_write_buffer_size() > _MAX_UNSENT_BYTES:
            self._end(SourceFault(CameraFault.PROTOCOL, "it asks and asks, and reads no answer"))
        else:
            self._transport.write(data)

    def _end(self, reason: Exception) -> None:
        """The first reason counts; what follows from it does not."""
        if not self._ended.done():
            self._ended.set_result(reason)
            if self._transport is not None and not self._is_closing:
                self._transport.abort()
