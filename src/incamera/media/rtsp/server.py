"""The server's side of one RTSP connection, without I/O: what our simulated cameras speak.

    OPTIONS · DESCRIBE ──► SETUP of each track ──► PLAY ──► Started … TEARDOWN ──► Stopped
    with a gatekeeper every request but OPTIONS needs a password

Media goes over the connection itself (interleaved), or over UDP where the stream is for UDP: each refuses the other
with 461, as real cameras do.
"""

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol
from urllib.parse import urlsplit

from incamera.media.rtsp.authentication import Gatekeeper
from incamera.media.rtsp.messages import Headers, Request, Response, render_response
from incamera.media.rtsp.reader import RtspReader
from incamera.media.rtsp.transport import (
    Channels,
    Ports,
    parse_client_ports,
    parse_transport,
    render_datagram_transport,
    render_transport,
)

SESSION_TIMEOUT_S: Final = 60
_METHODS: Final = "OPTIONS, DESCRIBE, SETUP, PLAY, GET_PARAMETER, SET_PARAMETER, TEARDOWN"
_TRACK: Final = "/track"


class Mount(Protocol):
    """A stream that can be asked for by its path."""

    @property
    def path(self) -> str:
        """Starts with "/"."""
        ...

    @property
    def description(self) -> bytes:
        """SDP whose tracks have the controls track0, track1, …"""
        ...

    @property
    def track_count(self) -> int:
        """How many tracks the description has."""
        ...

    @property
    def is_over_udp(self) -> bool:
        """Whether its packets travel in datagrams, and not over the connection."""
        ...

    def rtp_info(self, track: int) -> str:
        """`seq=…;rtptime=…` of the track's next packet."""
        ...


@dataclass(frozen=True, slots=True)
class Started:
    """The client wants media: send each track's packets on its channels, or to its ports."""

    mount: Mount
    channels: dict[int, Channels | Ports]  # by track


@dataclass(frozen=True, slots=True)
class Stopped:
    """The client has had enough."""


ServerEvent = Started | Stopped


class RtspServerSession:
    """One connection. `find_mount` gets a path without its track; RtspError from `receive` ends the connection.

    `open_ports` gives the ports that datagrams will leave from.
    """

    def __init__(
        self,
        find_mount: Callable[[str], Mount | None],
        gatekeeper: Gatekeeper | None = None,
        name: str = "Incamera simulated camera",
        open_ports: Callable[[], Ports] | None = None,
    ) -> None:
        self._open_ports = open_ports
        self._find_mount = find_mount
        self._gatekeeper = gatekeeper
        self._name = name
        self._reader = RtspReader()
        self._outgoing = bytearray()
        self._session_id = secrets.token_hex(8)
        self._mount: Mount | None = None
        self._channels: dict[int, Channels | Ports] = {}

    def receive(self, data: bytes, arrival_s: float) -> list[ServerEvent]:
        """Takes a read of the socket; the answers wait in `take_outgoing` and go out before any media."""
        events: list[ServerEvent] = []
        for message in self._reader.receive(data, arrival_s):
            if isinstance(message, Request):
                events += self._take(message)
        return events

    def take_outgoing(self) -> bytes:
        """The bytes to send now."""
        data, self._outgoing = bytes(self._outgoing), bytearray()
        return data

    def _take(self, request: Request) -> list[ServerEvent]:
        if self._gatekeeper and request.method != "OPTIONS":
            authorization = request.headers.find("Authorization")
            if not self._gatekeeper.admits(authorization, request.method):
                self._answer(request, 401, ("WWW-Authenticate", self._gatekeeper.challenge()))
                return []
        handlers: dict[str, Callable[[Request], list[ServerEvent]]] = {
            "OPTIONS": self._options,
            "DESCRIBE": self._describe,
            "SETUP": self._set_up,
            "PLAY": self._play,
            "GET_PARAMETER": self._stay_alive,
            "SET_PARAMETER": self._stay_alive,
            "TEARDOWN": self._tear_down,
        }
        handle = handlers.get(request.method)
        if handle is None:
            self._answer(request, 501)
            return []
        return handle(request)

    def _answer(self, request: Request, status: int, *headers: tuple[str, str], body: bytes = b"") -> None:
        cseq = request.headers.find("CSeq") or "0"
        lines = [("CSeq", cseq), ("Server", self._name), *headers]
        self._outgoing += render_response(Response(status, Headers(lines), body))

    def _options(self, request: Request) -> list[ServerEvent]:
        self._answer(request, 200, ("Public", _METHODS))
        return []

    def _describe(self, request: Request) -> list[ServerEvent]:
        path, _ = _split_track(request.url)
        mount = self._find_mount(path)
        if mount is None:
            self._answer(request, 404)
            return []
        base = request.url.rstrip("/") + "/"
        headers = (("Content-Base", base), ("Content-Type", "application/sdp"))
        self._answer(request, 200, *headers, body=mount.description)
        return []

    def _set_up(self, request: Request) -> list[ServerEvent]:
        path, track = _split_track(request.url)
        mount = self._find_mount(path)
        if mount is None or track is None or track >= mount.track_count:
            self._answer(request, 404)
            return []
        if self._mount is not None and self._mount.path != mount.path:
            self._answer(request, 459)  # Aggregate Operation Not Allowed
            return []
        granted = self._grant(mount, track, request.headers.find("Transport") or "")
        if granted is None:
            self._answer(request, 461)
            return []
        self._mount = mount
        self._answer(request, 200, ("Transport", granted), self._session_header())
        return []

    def _grant(self, mount: Mount, track: int, transport: str) -> str | None:
        """Notes where a track goes; the Transport header that says so, or None."""
        if mount.is_over_udp:
            ports = parse_client_ports(transport)
            if ports is None or self._open_ports is None:
                return None
            self._channels[track] = ports
            return render_datagram_transport(ports, self._open_ports())
        channels = parse_transport(transport)
        if channels is None and "TCP" not in transport.upper():
            return None
        channels = channels or Channels(2 * track, 2 * track + 1)
        self._channels[track] = channels
        return render_transport(channels)

    def _play(self, request: Request) -> list[ServerEvent]:
        if self._mount is None or not self._is_ours(request):
            self._answer(request, 455 if self._mount is None else 454)
            return []
        path, _ = _split_track(request.url)
        base = request.url if path == self._mount.path else self._mount.path
        info = ",".join(
            f"url={base.rstrip('/')}{_TRACK}{track};{self._mount.rtp_info(track)}" for track in sorted(self._channels)
        )
        self._answer(request, 200, self._session_header(), ("Range", "npt=now-"), ("RTP-Info", info))
        return [Started(self._mount, dict(self._channels))]

    def _stay_alive(self, request: Request) -> list[ServerEvent]:
        if not self._is_ours(request):
            self._answer(request, 454)
        else:
            self._answer(request, 200, self._session_header())
        return []

    def _tear_down(self, request: Request) -> list[ServerEvent]:
        if not self._is_ours(request):
            self._answer(request, 454)
            return []
        self._answer(request, 200)
        self._mount = None
        self._channels = {}
        return [Stopped()]

    def _is_ours(self, request: Request) -> bool:
        session = request.headers.find("Session")
        return session is None or session.partition(";")[0].strip() == self._session_id

    def _session_header(self) -> tuple[str, str]:
        return ("Session", f"{self._session_id};timeout={SESSION_TIMEOUT_S}")


def _split_track(url: str) -> tuple[str, int | None]:
    """(path of the mount, number of the track) of a request's URL."""
    try:
        path = urlsplit(url).path if "://" in url else url
    except ValueError:
        return "", None
    path = path.rstrip("/")
    mount, separator, number = path.rpartition(_TRACK)
    if separator and number.isascii() and number.isdigit() and len(number) < 4:
        return mount.rstrip("/"), int(number)
    return path, None
