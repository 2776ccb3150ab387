"""The client's side of one RTSP session, without I/O.

    start() ── OPTIONS ──► DESCRIBE ──► Described ── set_up(tracks) ── SETUP … ──► PLAY ──► Playing ── tear_down()
                 │ 401: the request again, with Authorization            │
                 └ an error here is no harm: many cameras know no OPTIONS  └ keep_alive() now and then

Bytes in by `receive`, bytes out by `take_outgoing`. Media comes over the same connection (interleaved), and its packets
go straight to the sinks of their track; or over UDP, to the ports that the caller opened, and passes this by.
Whatever ends the session is raised as an `RtspError`.
"""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from incamera.media.rtp.packet import PacketSink, RunSink
from incamera.media.rtsp.authentication import Authenticator, parse_challenges
from incamera.media.rtsp.errors import (
    PasswordNeeded,
    PasswordRefused,
    Redirected,
    RequestRefused,
    RtspError,
    RtspProtocolError,
    TransportRefused,
)
from incamera.media.rtsp.messages import Headers, Request, Response, render_request, render_response
from incamera.media.rtsp.reader import RtspReader
from incamera.media.rtsp.sdp import SessionDescription, parse_sdp
from incamera.media.rtsp.transport import (
    Channels,
    Ports,
    parse_datagram_transport,
    parse_session,
    parse_transport,
    render_datagram_transport,
    render_transport,
)
from incamera.media.rtsp.url import RtspUrl, find_base_url, resolve_control

USER_AGENT: Final = "Incamera"
_MAX_ATTEMPTS: Final = 3  # per request: without credentials, with, and once more with a new nonce
_MAX_UNANSWERED: Final = 8
_DOLLAR: Final = 0x24
_INVALID_RANGE: Final = 457
_UNSUPPORTED_TRANSPORT: Final = 461
_REDIRECTIONS: Final = (301, 302, 303, 305, 307, 308)


@dataclass(frozen=True, slots=True)
class Described:
    """The camera said what it has. Next: `set_up`."""

    description: SessionDescription


@dataclass(frozen=True, slots=True)
class Playing:
    """The camera agreed to send."""


@dataclass(frozen=True, slots=True)
class TornDown:
    """The camera took our good-bye, or said its own."""


@dataclass(frozen=True, slots=True)
class DatagramsGranted:
    """The camera will send a track over UDP, from these ports of its own if it named any."""

    track: int
    server: Ports | None


Event = Described | Playing | TornDown | DatagramsGranted


@dataclass(frozen=True, slots=True)
class TrackSinks:
    """Where the packets of a track go. With `ports` they come over UDP to there, else over the connection."""

    track: int  # index into the description's media
    rtp: PacketSink
    rtcp: PacketSink
    ports: Ports | None = None
    rtp_run: RunSink | None = None  # may take interleaved packets that continue one


@dataclass(slots=True)
class _Sent:
    """A request that waits for its answer."""

    method: str
    url: str
    headers: tuple[tuple[str, str], ...]
    handle: Callable[[Response], list[Event]]
    is_optional: bool = False  # an error answer is no reason to give up
    session_id: str | None = None  # another than the one of the connection
    attempts: int = 1


class RtspClient:
    """One session. Any method may raise RtspError; then the session is over."""

    def __init__(self, url: RtspUrl, authenticator: Authenticator | None = None) -> None:
        self._url = str(url)
        self._base_url = self._url
        self._aggregate_url = self._url
        self._authenticator = authenticator
        self._reader = RtspReader()
        self._outgoing = bytearray()
        self._next_cseq = 1
        self._sent: dict[int, _Sent] = {}
        self._description: SessionDescription | None = None
        self._to_set_up: deque[TrackSinks] = deque()
        self._next_channel = 0
        self._rtcp_channels: dict[int, int] = {}  # by track
        self._session_id: str | None = None
        self._further_sessions: dict[str, str] = {}  # URL by id: of tracks for which the camera began another session
        self._session_timeout_s = 60
        self._knows_get_parameter = False
        self.is_playing = False

    @property
    def keep_alive_interval_s(self) -> float:
        """Half the time after which the camera would forget us; at most 30 s, which spares firewalls, too."""
        return max(1.0, min(30.0, self._session_timeout_s / 2))

    def start(self) -> None:
        """Asks the camera what it can do, then what it has."""
        self._send("OPTIONS", self._url, self._take_options, is_optional=True)

    def set_up(self, tracks: Sequence[TrackSinks]) -> None:
        """Asks for these tracks of the description, then for all of them to play."""
        if not tracks:
            raise ValueError("a session needs at least one track")
        self._to_set_up.extend(tracks)
        self._send_set_up()

    def keep_alive(self) -> None:
        """Tells the camera that we are still here. One that never answers this is no worse for it while media flow."""
        for cseq in [cseq for cseq, sent in self._sent.items() if sent.handle == self._take_keep_alive]:
            del self._sent[cseq]
            self._knows_get_parameter = False
        method = "GET_PARAMETER" if self._knows_get_parameter else "OPTIONS"
        self._send(method, self._aggregate_url, self._take_keep_alive, is_optional=True)
        for session_id, url in self._further_sessions.items():
            self._transmit(_Sent(method, url, (), self._take_keep_alive, is_optional=True, session_id=session_id))

    def send_rtcp(self, track: int, packet: bytes) -> None:
        """A report of ours about a track that comes over the connection."""
        channel = self._rtcp_channels.get(track)
        if channel is not None:
            self._outgoing += bytes((_DOLLAR, channel)) + len(packet).to_bytes(2, "big") + packet

    def tear_down(self) -> None:
        """Says good-bye, if there is a session."""
        if self._session_id is not None:
            for session_id, url in self._further_sessions.items():
                self._transmit(_Sent("TEARDOWN", url, (), _take_nothing, is_optional=True, session_id=session_id))
            self._send("TEARDOWN", self._aggregate_url, lambda _: [TornDown()], is_optional=True)

    @property
    def has_outgoing(self) -> bool:
        """Whether `take_outgoing` would give something."""
        return bool(self._outgoing)

    def take_outgoing(self) -> bytes:
        """The bytes to send now; empty when there are none."""
        data, self._outgoing = bytes(self._outgoing), bytearray()
        return data

    def receive(self, data: bytes, arrival_s: float) -> list[Event]:
        """Takes a read of the socket; media goes to the sinks with its arrival (monotonic seconds)."""
        messages = self._reader.receive(data, arrival_s)
        events: list[Event] = []
        for message in messages:
            if isinstance(message, Response):
                events += self._take_response(message)
            else:
                events += self._take_request(message)
        return events

    # --- requests -----------------------------------------------------------------------------------------------

    def _send(
        self,
        method: str,
        url: str,
        handle: Callable[[Response], list[Event]],
        headers: tuple[tuple[str, str], ...] = (),
        is_optional: bool = False,
    ) -> None:
        if len(self._sent) >= _MAX_UNANSWERED:
            raise RtspProtocolError("it does not answer our requests any more")
        self._transmit(_Sent(method, url, headers, handle, is_optional))

    def _transmit(self, sent: _Sent) -> None:
        cseq = self._next_cseq
        self._next_cseq += 1
        lines = [("CSeq", str(cseq)), ("User-Agent", USER_AGENT), *sent.headers]
        if session_id := sent.session_id or self._session_id:
            lines.append(("Session", session_id))
        if self._authenticator and (authorization := self._authenticator.authorise(sent.method, sent.url)):
            lines.append(("Authorization", authorization))
        self._sent[cseq] = sent
        self._outgoing += render_request(Request(sent.method, sent.url, Headers(lines)))

    def _take_request(self, request: Request) -> list[Event]:
        """A camera may ask, too: clause 10 allows it OPTIONS, GET_PARAMETER, SET_PARAMETER, ANNOUNCE, REDIRECT."""
        known = request.method in ("OPTIONS", "GET_PARAMETER", "SET_PARAMETER", "TEARDOWN", "REDIRECT")
        cseq = request.headers.find("CSeq") or "0"
        answer = Response(200 if known else 501, Headers([("CSeq", cseq), ("User-Agent", USER_AGENT)]))
        self._outgoing += render_response(answer)
        # After REDIRECT (clause 10.10) we come back anew, and are sent on from the address that the owner gave us.
        return [TornDown()] if request.method in ("TEARDOWN", "REDIRECT") else []

    # --- answers ------------------------------------------------------------------------------------------------

    def _take_response(self, response: Response) -> list[Event]:
        sent = self._match(response)
        if sent is None or response.status_code < 200:
            return []
        if response.status_code == 401:
            return self._authenticate(sent, response)
        if self._authenticator:
            self._authenticator.accepted()
        if response.status_code == _INVALID_RANGE and any(name == "Range" for name, _ in sent.headers):
            self._send(sent.method, sent.url, sent.handle)  # it only plays from now on, and wants nothing said about it
            return []
        if response.status_code >= 300 and not sent.is_optional:
            raise _refusal(sent.method, response)
        return sent.handle(response)

    def _match(self, response: Response) -> _Sent | None:
        """The request it answers. Cameras that get CSeq wrong answer in order (one request at a time, mostly)."""
        cseq = response.headers.find_number("CSeq")
        if cseq not in self._sent:
            if cseq is not None and cseq < self._next_cseq and len(self._sent) != 1:
                return None
            cseq = next(iter(self._sent), None)
        if cseq is None:
            return None
        if response.status_code < 200:
            return self._sent[cseq]
        return self._sent.pop(cseq)

    def _authenticate(self, sent: _Sent, response: Response) -> list[Event]:
        """Sends the request again with credentials. A locked keep-alive ends nothing as long as media flow."""
        if self._authenticator is None:
            raise PasswordNeeded
        challenges = parse_challenges(response.headers.find_all("WWW-Authenticate"))
        may_retry = sent.attempts < _MAX_ATTEMPTS and bool(challenges)
        if may_retry and self._authenticator.take_challenges(challenges):
            sent.attempts += 1
            self._transmit(sent)
            return []
        if sent.is_optional and self.is_playing:
            return sent.handle(response)
        raise PasswordRefused

    def _take_options(self, response: Response) -> list[Event]:
        public = ",".join(response.headers.find_all("Public")).upper()
        self._knows_get_parameter = "GET_PARAMETER" in public
        self._send("DESCRIBE", self._url, self._take_description, (("Accept", "application/sdp"),))
        return []

    def _take_description(self, response: Response) -> list[Event]:
        headers = response.headers
        self._base_url = find_base_url(self._url, headers.find("Content-Base"), headers.find("Content-Location"))
        self._description = parse_sdp(response.body)
        self._aggregate_url = resolve_control(self._base_url, self._description.control)
        return [Described(self._description)]

    def _send_set_up(self) -> None:
        if self._description is None:
            raise ValueError("set_up before the description")
        sinks = self._to_set_up[0]
        media = self._description.media[sinks.track]
        wanted = Channels(self._next_channel, self._next_channel + 1)
        if sinks.ports is None:
            self._next_channel += 2
        transport = render_transport(wanted) if sinks.ports is None else render_datagram_transport(sinks.ports)
        self._send(
            "SETUP",
            resolve_control(self._base_url, media.control),
            lambda response: self._take_set_up(response, wanted),
            (("Transport", transport),),
        )

    def _take_set_up(self, response: Response, wanted: Channels) -> list[Event]:
        sinks = self._to_set_up.popleft()
        self._take_session(response, sinks.track)
        transport = response.headers.find("Transport")
        events: list[Event] = []
        if sinks.ports is None:
            self._connect_channels(sinks, transport, wanted)
        else:
            events.append(DatagramsGranted(sinks.track, _granted_ports(transport)))
        if self._to_set_up:
            self._send_set_up()
        else:
            for session_id, url in self._further_sessions.items():
                self._transmit(_Sent("PLAY", url, (), _take_nothing, is_optional=True, session_id=session_id))
            self._send("PLAY", self._aggregate_url, self._take_play, (("Range", "npt=0.000-"),))
        return events

    def _connect_channels(self, sinks: TrackSinks, transport: str | None, wanted: Channels) -> None:
        granted = parse_transport(transport) if transport is not None else None
        if transport is not None and granted is None and "TCP" not in transport.upper():
            raise TransportRefused
        # A camera that forgets to say so took what we asked for; so did one that names the same for all tracks.
        channels = granted if granted and granted.rtcp not in self._rtcp_channels.values() else wanted
        self._reader.set_sink(channels.rtp, sinks.rtp, sinks.rtp_run)
        self._reader.set_sink(channels.rtcp, sinks.rtcp)
        self._rtcp_channels[sinks.track] = channels.rtcp

    def _take_session(self, response: Response, track: int) -> None:
        """The first id names the session. A recorder that gives every track its own wants each of them played."""
        value = response.headers.find("Session")
        if value is None or self._description is None:
            return
        session = parse_session(value)
        if self._session_id in (None, session.session_id):
            self._session_id = session.session_id
        else:
            url = resolve_control(self._base_url, self._description.media[track].control)
            self._further_sessions[session.session_id] = url
        self._session_timeout_s = session.timeout_s

    def _take_play(self, response: Response) -> list[Event]:
        self.is_playing = True
        return [Playing()]

    def _take_keep_alive(self, response: Response) -> list[Event]:
        if response.status_code == 454:  # Session Not Found: it forgot us
            return [TornDown()]
        if response.status_code >= 400:
            self._knows_get_parameter = False  # from now on OPTIONS, which every server must answer (clause 10.1)
        return []


def _take_nothing(response: Response) -> list[Event]:
    """Whatever it says."""
    return []


def _refusal(method: str, response: Response) -> RtspError:
    """What an answer of 300 and more means."""
    location = response.headers.find("Location")
    if response.status_code in _REDIRECTIONS and location:
        return Redirected(location)
    if response.status_code == _UNSUPPORTED_TRANSPORT:
        return TransportRefused()
    return RequestRefused(method, response.status_code)


def _granted_ports(transport: str | None) -> Ports | None:
    """The camera's ports; raises TransportRefused where it does not send over UDP to us alone."""
    if transport is None:
        return None
    grant = parse_datagram_transport(transport)
    if grant is None:
        raise TransportRefused
    return grant.server
