"""The Transport and Session headers (RFC 2326 clauses 12.39 and 12.37)."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from incamera.media.rtsp.errors import RtspProtocolError

DEFAULT_SESSION_TIMEOUT_S: Final = 60
_SERVER_PORTS: Final = re.compile(r"server_port\s*=\s*(\d{1,5})(?:\s*-\s*(\d{1,5}))?", re.IGNORECASE)
_CLIENT_PORTS: Final = re.compile(r"client_port\s*=\s*(\d{1,5})(?:\s*-\s*(\d{1,5}))?", re.IGNORECASE)
_INTERLEAVED: Final = re.compile(r"interleaved\s*=\s*(\d{1,3})(?:\s*-\s*(\d{1,3}))?", re.IGNORECASE)
_SESSION_ID: Final = re.compile(r"[^\s;,]{1,256}")
_TIMEOUT: Final = re.compile(r";\s*timeout\s*=\s*(\d{1,9})", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Channels:
    """The interleaved channels of one track."""

    rtp: int
    rtcp: int


@dataclass(frozen=True, slots=True)
class Ports:
    """The UDP ports of one track at one end: RTP on an even one, RTCP on the next (RFC 3550 clause 11)."""

    rtp: int
    rtcp: int


@dataclass(frozen=True, slots=True)
class DatagramGrant:
    """What a camera said to sending over UDP. `server` is None if it keeps its own ports to itself."""

    server: Ports | None


@dataclass(frozen=True, slots=True)
class SessionHeader:
    """A session's id and after how many seconds of silence the server forgets it."""

    session_id: str
    timeout_s: int


def render_transport(channels: Channels) -> str:
    """What a client asks for, and a server grants: RTP over the RTSP connection."""
    return f"RTP/AVP/TCP;unicast;interleaved={channels.rtp}-{channels.rtcp}"


def parse_transport(value: str) -> Channels | None:
    """The channels of the first TCP transport in a header; None if it names none. Raises RtspProtocolError."""
    for option in value.split(","):
        words = [word.strip().upper() for word in option.split(";")]
        if words[0] != "RTP/AVP/TCP" and "INTERLEAVED" not in option.upper():
            continue
        match = _INTERLEAVED.search(option)
        if match is None:
            return None
        rtp = int(match[1])
        rtcp = int(match[2]) if match[2] else rtp + 1
        if rtp > 255 or rtcp > 255:
            raise RtspProtocolError("it named an interleaved channel above 255")
        return Channels(rtp, rtcp)
    return None


def render_datagram_transport(client: Ports, server: Ports | None = None) -> str:
    """What a client asks for, or with `server` a server grants: RTP over UDP, to one receiver."""
    ports = f"RTP/AVP;unicast;client_port={client.rtp}-{client.rtcp}"
    return ports if server is None else f"{ports};server_port={server.rtp}-{server.rtcp}"


def parse_datagram_transport(value: str) -> DatagramGrant | None:
    """The first UDP transport to one receiver in an answer; None if there is none."""
    for option in _datagram_options(value):
        return DatagramGrant(_parse_ports(_SERVER_PORTS, option))
    return None


def parse_client_ports(value: str) -> Ports | None:
    """Where a client wants its datagrams, as a server reads it; None if it does not."""
    for option in _datagram_options(value):
        if ports := _parse_ports(_CLIENT_PORTS, option):
            return ports
    return None


def _datagram_options(value: str) -> Iterator[str]:
    for option in value.split(","):
        words = [word.strip().upper() for word in option.split(";")]
        if words[0] in ("RTP/AVP", "RTP/AVP/UDP") and "MULTICAST" not in words and "INTERLEAVED" not in option.upper():
            yield option


def _parse_ports(pattern: re.Pattern[str], option: str) -> Ports | None:
    """A pair of ports; a camera that names one only means the next one for RTCP."""
    match = pattern.search(option)
    if match is None:
        return None
    rtp = int(match[1])
    rtcp = int(match[2]) if match[2] else rtp + 1
    return Ports(rtp, rtcp) if 0 < rtp < 65536 and 0 < rtcp < 65536 else None


def parse_session(value: str) -> SessionHeader:
    """Reads `id[;timeout=seconds]`; raises RtspProtocolError."""
    match = _SESSION_ID.match(value.strip())
    if match is None:
        raise RtspProtocolError("its session has no name")
    timeout = _TIMEOUT.search(value)
    timeout_s = int(timeout[1]) if timeout else DEFAULT_SESSION_TIMEOUT_S
    return SessionHeader(match[0], timeout_s or DEFAULT_SESSION_TIMEOUT_S)
