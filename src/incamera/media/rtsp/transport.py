"""The Transport and Session headers (RFC 2326 clauses 12.39 and 12.37)."""

import re
from dataclasses import dataclass
from typing import Final

from incamera.media.rtsp.errors import RtspProtocolError

DEFAULT_SESSION_TIMEOUT_S: Final = 60
_INTERLEAVED: Final = re.compile(r"interleaved\s*=\s*(\d{1,3})(?:\s*-\s*(\d{1,3}))?", re.IGNORECASE)
_SESSION_ID: Final = re.compile(r"[^\s;,]{1,256}")
_TIMEOUT: Final = re.compile(r";\s*timeout\s*=\s*(\d{1,9})", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Channels:
    """The interleaved channels of one track."""

    rtp: int
    rtcp: int


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


def parse_session(value: str) -> SessionHeader:
    """Reads `id[;timeout=seconds]`; raises RtspProtocolError."""
    match = _SESSION_ID.match(value.strip())
    if match is None:
        raise RtspProtocolError("its session has no name")
    timeout = _TIMEOUT.search(value)
    timeout_s = int(timeout[1]) if timeout else DEFAULT_SESSION_TIMEOUT_S
    return SessionHeader(match[0], timeout_s or DEFAULT_SESSION_TIMEOUT_S)
