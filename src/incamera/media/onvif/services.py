"""The few operations that we use: what to send, and what the answers mean.

Device service (ONVIF Core clause 8), media service (Media clause 5) and its second edition (Media2 clause 5), which is
where cameras show profiles that send H.265.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, Literal
from urllib.parse import parse_qsl
from xml.sax.saxutils import escape, quoteattr

from incamera.media.http.errors import InvalidHttpUrl
from incamera.media.http.url import HttpUrl
from incamera.media.onvif.xml import Element
from incamera.media.rtsp.errors import InvalidRtspUrl
from incamera.media.rtsp.url import RtspUrl

DEVICE_PATH: Final = "/onvif/device_service"  # Core clause 5.3: the one address that is fixed
_DEVICE: Final = "http://www.onvif.org/ver10/device/wsdl"
_SCHEMA: Final = "http://www.onvif.org/ver10/schema"
_MEDIA: Final[dict[int, str]] = {
    1: "http://www.onvif.org/ver10/media/wsdl",
    2: "http://www.onvif.org/ver20/media/wsdl",
}
_MAX_TOKEN_CHARACTERS: Final = 64  # Core, type ReferenceToken
MAX_PROFILES: Final = 256  # four of each of a recorder's 64 inputs


@dataclass(frozen=True, slots=True)
class Call:
    """One question to one service. `action` names it, as the Content-Type wants it."""

    url: HttpUrl
    action: str
    body: str
    proves_identity: bool = True


@dataclass(frozen=True, slots=True)
class MediaService:
    """Where the media service is, and which edition of it."""

    url: HttpUrl
    edition: Literal[1, 2]


def ask_time(device: HttpUrl) -> Call:
    """GetSystemDateAndTime: the one question that every camera answers before it knows who asks (Core clause 8.3.5)."""
    return _call(device, _DEVICE, "GetSystemDateAndTime", proves_identity=False)


def ask_services(device: HttpUrl) -> Call:
    """GetServices."""
    return _call(device, _DEVICE, "GetServices", "<IncludeCapability>false</IncludeCapability>")


def ask_capabilities(device: HttpUrl) -> Call:
    """GetCapabilities: what there was before GetServices."""
    return _call(device, _DEVICE, "GetCapabilities", "<Category>Media</Category>")


def ask_profiles(media: MediaService) -> Call:
    """GetProfiles."""
    return _call(media.url, _MEDIA[media.edition], "GetProfiles")


def ask_stream_uri(media: MediaService, token: str) -> Call:
    """GetStreamUri of one profile."""
    profile = f"<ProfileToken>{escape(token)}</ProfileToken>"
    if media.edition == 2:
        return _call(media.url, _MEDIA[2], "GetStreamUri", f"<Protocol>RTSP</Protocol>{profile}")
    setup = (
        f"<StreamSetup><Stream xmlns={quoteattr(_SCHEMA)}>RTP-Unicast</Stream>"
        f"<Transport xmlns={quoteattr(_SCHEMA)}><Protocol>RTSP</Protocol></Transport></StreamSetup>"
    )
    return _call(media.url, _MEDIA[1], "GetStreamUri", setup + profile)


def ask_sync_point(media: MediaService, token: str) -> Call:
    """SetSynchronizationPoint: the next picture of each video stream of the profile shall decode alone."""
    profile = f"<ProfileToken>{escape(token)}</ProfileToken>"
    return _call(media.url, _MEDIA[media.edition], "SetSynchronizationPoint", profile)


def parse_time(answer: Element) -> datetime | None:
    """The camera's clock; None if it does not tell UTC, or tells a moment that does not exist."""
    utc = next((it for it in answer.descendants() if it.name == "UTCDateTime"), None)
    if utc is None:
        return None
    fields = [("Date", "Year"), ("Date", "Month"), ("Date", "Day"), ("Time", "Hour"), ("Time", "Minute")]
    texts = [utc.find_text(*path) for path in (*fields, ("Time", "Second"))]
    if not all(text.isascii() and text.isdigit() and len(text) <= 4 for text in texts):
        return None
    year, month, day, hour, minute, second = map(int, texts)
    try:
        return datetime(year, month, day, hour, minute, min(second, 59), tzinfo=UTC)
    except ValueError:
        return None


def parse_services(answer: Element, device: HttpUrl) -> list[MediaService]:
    """The media services that GetServices or GetCapabilities named, the first edition first."""
    found: dict[int, MediaService] = {}
    for service in answer.find_all("Service"):
        namespace = service.find_text("Namespace")
        for edition, wanted in _MEDIA.items():
            if namespace == wanted and edition not in found:
                url = at_home(service.find_text("XAddr"), device)
                found[edition] = MediaService(url, 2 if edition == 2 else 1)
    capability = answer.find("Capabilities", "Media")
    if not found and capability is not None:
        found[1] = MediaService(at_home(capability.find_text("XAddr"), device), 1)
    return [found[edition] for edition in sorted(found)]


def at_home(address: str, device: HttpUrl) -> HttpUrl:
    """An address that a camera named, at the camera's own host: we go nowhere else, whatever it says.

    Cameras behind a router name themselves wrongly; one that was taken over may name somebody else. A port counts only
    together with the right host; https:// is left alone, since nobody vouches for such a certificate.
    """
    try:
        named = HttpUrl.parse(address)
    except InvalidHttpUrl:
        return device
    is_own = named.host == device.host and not named.is_secure
    return HttpUrl(False, device.host, named.port if is_own else device.port, named.target)


def parse_profiles(answer: Element) -> list[str]:
    """The tokens of the profiles, in the camera's order."""
    tokens = [profile.attributes.get("token", "") for profile in answer.find_all("Profiles")]
    return [token for token in tokens if 0 < len(token) <= _MAX_TOKEN_CHARACTERS][:MAX_PROFILES]


def parse_stream_uri(answer: Element) -> str:
    """Path and query of a profile's stream; empty if there is none that we could pull."""
    text = answer.find_text("MediaUri", "Uri") or answer.find_text("Uri")
    try:
        return RtspUrl.parse(text).target
    except InvalidRtspUrl:
        return ""


def is_same_stream(ours: str, theirs: str) -> bool:
    """Whether two paths with queries lead to one stream: cameras add to the address that people know it by.

    `/Streaming/Channels/101` is also `/Streaming/Channels/101?transportmode=unicast&profile=Profile_1`.
    """
    our_path, _, our_query = ours.partition("?")
    their_path, _, their_query = theirs.partition("?")
    if our_path.rstrip("/").lower() != their_path.rstrip("/").lower():
        return False
    ours_set = set(parse_qsl(our_query, keep_blank_values=True, max_num_fields=None))
    theirs_set = set(parse_qsl(their_query, keep_blank_values=True))
    return ours_set <= theirs_set or theirs_set <= ours_set


def _call(url: HttpUrl, namespace: str, name: str, inner: str = "", *, proves_identity: bool = True) -> Call:
    return Call(url, f"{namespace}/{name}", f"<{name} xmlns={quoteattr(namespace)}>{inner}</{name}>", proves_identity)
