"""Session descriptions (SDP, RFC 8866), as far as a receiver of streams needs them.

Cameras write SDP by hand: attributes with spaces in the wrong places, formats that are no numbers, lines without "=".
So a line that cannot be read is skipped, and only what would mislead us is refused. Everything has a limit.
"""

import re
from dataclasses import dataclass, field
from typing import Final

from incamera.media.rtsp.errors import InvalidSdp

MAX_SDP_BYTES: Final = 64 * 1024
MAX_LINES: Final = 1024
MAX_MEDIA: Final = 32
_MAX_FORMATS: Final = 32
_RTPMAP: Final = re.compile(r"(\d{1,3})\s+([A-Za-z0-9_.+-]+)\s*/\s*(\d{1,9})(?:\s*/\s*(\d{1,3}))?")


@dataclass(frozen=True, slots=True)
class RtpMap:
    """What a payload type means: `encoding` in capitals, ticks per second, channels of sound."""

    encoding: str
    clock_rate: int
    channels: int = 1


# RFC 3551 clause 6: payload types that need no rtpmap. Only those that cameras send.
STATIC_PAYLOAD_TYPES: Final = {
    0: RtpMap("PCMU", 8000),
    3: RtpMap("GSM", 8000),
    8: RtpMap("PCMA", 8000),
    9: RtpMap("G722", 8000),
    10: RtpMap("L16", 44100, 2),
    11: RtpMap("L16", 44100),
    14: RtpMap("MPA", 90000),
    26: RtpMap("JPEG", 90000),
    32: RtpMap("MPV", 90000),
    33: RtpMap("MP2T", 90000),
}


@dataclass(frozen=True, slots=True)
class MediaDescription:
    """One "m=" section: a track that can be set up on its own."""

    kind: str  # video, audio, application, …
    protocol: str
    payload_types: tuple[int, ...]
    rtp_maps: dict[int, RtpMap] = field(default_factory=dict)
    parameters: dict[int, dict[str, str]] = field(default_factory=dict)  # of "a=fmtp:", names in small letters
    control: str | None = None
    direction: str | None = None  # as the camera sees it: sendonly, recvonly, sendrecv, inactive

    @property
    def payload_type(self) -> int | None:
        """The one that will be received: the first offered."""
        return self.payload_types[0] if self.payload_types else None

    @property
    def rtp_map(self) -> RtpMap | None:
        """What that payload type means; None when the camera does not say."""
        if self.payload_type is None:
            return None
        return self.rtp_maps.get(self.payload_type) or STATIC_PAYLOAD_TYPES.get(self.payload_type)

    @property
    def format_parameters(self) -> dict[str, str]:
        """The "fmtp" parameters of that payload type."""
        return self.parameters.get(self.payload_type, {}) if self.payload_type is not None else {}


@dataclass(frozen=True, slots=True)
class SessionDescription:
    """A whole description."""

    media: tuple[MediaDescription, ...]
    control: str | None = None  # of the session: the URL to play all tracks at once
    name: str = ""


def parse_sdp(body: bytes) -> SessionDescription:
    """Reads a description; raises InvalidSdp."""
    if len(body) > MAX_SDP_BYTES:
        raise InvalidSdp(f"it has {len(body)} bytes")
    lines = body.decode("utf-8", "replace").replace("\r", "\n").split("\n")
    if len(lines) > 2 * MAX_LINES:
        raise InvalidSdp("it has too many lines")
    sections: list[list[tuple[str, str]]] = [[]]
    for line in lines:
        if len(line) < 2 or line[1] != "=":
            continue
        if line[0] == "m":
            sections.append([])
            if len(sections) > MAX_MEDIA + 1:
                raise InvalidSdp("it describes too many tracks")
        sections[-1].append((line[0], line[2:].strip()))
    session, *media = sections
    if not media:
        raise InvalidSdp("it describes no track")
    name = next((value for key, value in session if key == "s"), "")
    return SessionDescription(tuple(map(_parse_media, media)), _find_attribute(session, "control"), name)


def _find_attribute(section: list[tuple[str, str]], name: str) -> str | None:
    for key, value in section:
        if key == "a" and value.startswith(f"{name}:"):
            return value[len(name) + 1 :].strip()
    return None


def _parse_media(section: list[tuple[str, str]]) -> MediaDescription:
    """m=<media> <port> <proto> <fmt> …, then its attributes (RFC 8866 clause 5.14)."""
    words = section[0][1].split()
    numbers = [int(word) for word in words[3 : 3 + _MAX_FORMATS] if word.isascii() and word.isdigit() and len(word) < 4]
    rtp_maps: dict[int, RtpMap] = {}
    parameters: dict[int, dict[str, str]] = {}
    direction = None
    for key, value in section[1:]:
        if key != "a":
            continue
        name, _, text = value.partition(":")
        if name == "rtpmap":
            _parse_rtp_map(text, rtp_maps)
        elif name == "fmtp":
            _parse_parameters(text, parameters)
        elif name in ("sendonly", "recvonly", "sendrecv", "inactive"):
            direction = name
    return MediaDescription(
        kind=words[0].lower() if words else "",
        protocol=words[2].upper() if len(words) > 2 else "",
        payload_types=tuple(number for number in numbers if number < 128),
        rtp_maps=rtp_maps,
        parameters=parameters,
        control=_find_attribute(section, "control"),
        direction=direction,
    )


def _parse_rtp_map(text: str, into: dict[int, RtpMap]) -> None:
    """a=rtpmap:<payload type> <encoding>/<clock rate>[/<channels>]; the first one of a payload type counts."""
    match = _RTPMAP.match(text.strip())
    if match and int(match[3]) > 0 and len(into) < _MAX_FORMATS:
        into.setdefault(int(match[1]), RtpMap(match[2].upper(), int(match[3]), int(match[4] or 1)))


def _parse_parameters(text: str, into: dict[int, dict[str, str]]) -> None:
    """a=fmtp:<payload type> name=value; name=value …"""
    number, _, rest = text.strip().partition(" ")
    if not (number.isascii() and number.isdigit() and len(number) < 4) or len(into) >= _MAX_FORMATS:
        return
    pairs = (pair.partition("=") for pair in rest.split(";"))
    into.setdefault(int(number), {name.strip().lower(): value.strip() for name, _, value in pairs if name.strip()})
