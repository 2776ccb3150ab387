"""One RTSP connection with what belongs to it: the socket, its tracks' receivers, the ports they may come in by."""

import asyncio
import contextlib
import secrets
import socket
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final, TypeVar, cast

from incamera.edge.sources.base import ClockPoint, SourceFault, UnitSink
from incamera.edge.sources.datagrams import TrackDatagrams
from incamera.kit.clock import Clock
from incamera.media.rtp.errors import InvalidRtpPacket
from incamera.media.rtp.receiver import RtpReceiver
from incamera.media.rtp.reception import ReceptionReporter
from incamera.media.rtp.rtcp import Goodbye, SenderReport, parse_rtcp, render_goodbye, render_receiver_report
from incamera.media.rtsp.client import DatagramsGranted, Described, Event, Playing, RtspClient, TornDown, TrackSinks
from incamera.media.rtsp.errors import RtspError
from incamera.media.rtsp.tracks import TrackFormat, describe_tracks, make_depacketiser
from incamera.media.sample import AccessUnit
from incamera.protocol.messages import CameraFault

_Result = TypeVar("_Result")

_CLOSE_TIMEOUT_S: Final = 1.0
_MAX_UNSENT_BYTES: Final = 256 * 1024  # answers to a camera that sends requests and reads nothing
_PATIENCE_S: Final = 0.2  # how long media may wait in the kernel while nobody watches
_MOST_AT_ONCE_BYTES: Final = 64 * 1024  # of it; beyond that larger reads cost more per byte, not less
_MAX_EARLY_BYTES: Final = 16 * 1024 * 1024  # units that come before somebody wants them


class RtspConnection(asyncio.Protocol):
    """The socket. Reads go straight into the session; whatever ends it completes `_ended` with what it raises."""

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
        self._reporters: dict[int, ReceptionReporter] = {}
        self._datagrams: dict[int, TrackDatagrams] = {}  # by track, where they come over UDP
        self._ssrc = secrets.randbits(32)
        self._name = secrets.token_urlsafe(12)  # RFC 7022 clause 4.2: says nothing about this edge
        self._on_unit: UnitSink | None = None
        self._early: list[tuple[int, AccessUnit, float]] = []
        self._early_bytes = 0
        self._reports: dict[int, SenderReport] = {}  # that came before the track's first packet
        self._clock_points: dict[int, tuple[int, ClockPoint]] = {}  # (sender, point) by track
        self.last_picture_s = self._playing_since_s = clock.monotonic()
        self._received_bytes = 0
        self._looked_at = (0, self.last_picture_s)  # what had been received by when
        self._low_water_bytes = 1

    # --- asyncio.Protocol ---------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The camera took the connection."""
        self._transport = cast("asyncio.Transport", transport)
        self._client.start()
        self._flush()

    def data_received(self, data: bytes) -> None:
        """One read of the socket."""
        self._received_bytes += len(data)
        try:
            events = self._client.receive(data, self._clock.monotonic())
        except Exception as error:  # noqa: BLE001  # the session's own, or raised by on_unit: whoever waits gets it
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

    @property
    def is_over_udp(self) -> bool:
        """Whether media come in datagrams."""
        return bool(self._datagrams)

    @property
    def has_delivered(self) -> bool:
        """Whether a picture came since the camera said that it plays."""
        return self.last_picture_s != self._playing_since_s

    async def describe(self) -> tuple[TrackFormat, ...]:
        """Waits for the description; raises SourceFault."""
        described = await self._wait_unless_ended(self._described)
        self._tracks = describe_tracks(described.description)
        return self._tracks

    async def play(self, received: list[TrackFormat], *, over_udp: bool) -> None:
        """Sets these tracks up and waits until the camera plays; raises SourceFault or RtspError."""
        sinks = [self._make_sinks(track) for track in received]
        if over_udp:
            sinks = [await self._open_ports(it) for it in sinks]
        self._call_client(lambda: self._client.set_up(sinks))
        await self._wait_unless_ended(self._playing)
        self.last_picture_s = self._playing_since_s = self._clock.monotonic()

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

    def set_pace(self, *, is_patient: bool) -> None:
        """Whether media may come some pictures at a time. To be called about once a second, and when somebody watches.

        The kernel wakes us when as much is there as the camera sends in 0.2 s, as it did since the last call: one read
        instead of five or, from a camera that sends packet by packet, of fifty. When less comes than before the next
        call notices it, and when nothing comes it takes what lies there.
        """
        now_s, received_bytes = self._clock.monotonic(), self._received_bytes
        (before_bytes, before_s), self._looked_at = self._looked_at, (received_bytes, now_s)
        wanted = 1
        if is_patient and not self._datagrams and now_s > before_s:
            rate = (received_bytes - before_bytes) / (now_s - before_s)
            wanted = max(1, min(_MOST_AT_ONCE_BYTES, int(rate * _PATIENCE_S)))
        self._set_low_water(wanted)

    def _set_low_water(self, wanted_bytes: int) -> None:
        """SO_RCVLOWAT (socket(7)); lowering it wakes us if that much is there already."""
        is_close = wanted_bytes > 1 and abs(wanted_bytes - self._low_water_bytes) * 4 < wanted_bytes
        if is_close or wanted_bytes == self._low_water_bytes or self._transport is None:
            return
        connection = self._transport.get_extra_info("socket")
        if connection is not None:
            with contextlib.suppress(OSError):
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, wanted_bytes)
                self._low_water_bytes = wanted_bytes

    def keep_alive(self) -> None:
        """Sends a sign of life."""
        self._call_client(self._client.keep_alive)

    def report(self) -> None:
        """Tells the camera how its stream arrives."""
        now_s = self._clock.monotonic()
        if any(receiver.ssrc == self._ssrc for receiver in self._receivers.values()):
            self._ssrc = secrets.randbits(32)  # the camera took our number: who notices goes (RFC 3550 clause 8.2)
        for number, reporter in self._reporters.items():
            block = reporter.make_block(now_s)
            if block is None:
                continue
            packet = render_receiver_report(self._ssrc, (block,), self._name)
            if number in self._datagrams:
                self._datagrams[number].send_rtcp(packet)
            else:
                self._client.send_rtcp(self._tracks[number].index, packet)
        self._flush()

    async def close(self) -> None:
        """Says good-bye, waits a moment for the answer, hangs up."""
        self._is_closing = True
        self._set_low_water(1)  # the answer to our good-bye comes alone
        if self._transport is not None and not self._ended.done():
            with contextlib.suppress(RtspError, TimeoutError):
                self._client.tear_down()
                self._flush()
                if self._client.is_playing:
                    async with asyncio.timeout(_CLOSE_TIMEOUT_S):
                        await asyncio.shield(self._torn_down)
        if self._transport is not None:
            self._transport.abort()
        for datagrams in self._datagrams.values():
            good_bye = render_goodbye(self._ssrc)
            datagrams.send_rtcp(render_receiver_report(self._ssrc, (), self._name) + good_bye)  # clause 6.6
            datagrams.close()
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

        receiver = RtpReceiver(make_depacketiser(track, emit), track.payload_type, track.clock_rate)
        self._receivers[number] = receiver
        self._reporters[number] = ReceptionReporter(receiver)

        def take_rtcp(data: bytes, start: int, stop: int, arrival_s: float) -> None:
            self._take_rtcp(number, data[start:stop], arrival_s)

        return TrackSinks(track.index, receiver.receive, take_rtcp, rtp_run=receiver.receive_run)

    async def _open_ports(self, sinks: TrackSinks) -> TrackSinks:
        """The same track by UDP."""
        assert self._transport is not None
        local_host = self._transport.get_extra_info("sockname")[0]
        camera_host = self._transport.get_extra_info("peername")[0]
        datagrams = TrackDatagrams(camera_host, sinks.rtp, sinks.rtcp, self._clock, self._end)
        try:
            ports = await datagrams.open(local_host)
        except OSError as error:
            raise SourceFault(CameraFault.UNREACHABLE, "this edge has no UDP ports to receive on") from error
        number = next(i for i, track in enumerate(self._tracks) if track.index == sinks.track)
        self._datagrams[number] = datagrams
        return replace(sinks, ports=ports)

    def _greet(self, granted: DatagramsGranted) -> None:
        for number, datagrams in self._datagrams.items():
            if self._tracks[number].index == granted.track:
                datagrams.greet(granted.server, render_receiver_report(self._ssrc, (), self._name))

    def _keep_early(self, number: int, unit: AccessUnit, arrival_s: float) -> None:
        """A camera may send faster than its answer to PLAY is read; nothing of the first GOP shall be lost."""
        self._early_bytes += sum(map(len, unit.nal_units))
        if self._early_bytes <= _MAX_EARLY_BYTES:
            self._early.append((number, unit, arrival_s))

    def _take_rtcp(self, number: int, packet: bytes, arrival_s: float) -> None:
        try:
            reports = parse_rtcp(packet)
        except InvalidRtpPacket:
            return  # it only served to align sound; the picture does not depend on it
        for report in reports:
            if isinstance(report, SenderReport) and report.ntp_time:
                self._reporters[number].heard(report, arrival_s)
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
            elif isinstance(event, DatagramsGranted):
                self._greet(event)
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
            self._end(error)
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
