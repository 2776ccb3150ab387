"""Addresses of streams, and the control URLs that cameras answer with (RFC 2326 appendix C.1.1, and real life)."""

import re
from dataclasses import dataclass
from typing import Final, Self
from urllib.parse import quote, unquote, urlsplit

from incamera.media.rtsp.errors import InvalidRtspUrl

DEFAULT_PORT: Final = 554
MAX_URL_CHARACTERS: Final = 2048
_HOST_FIRST: Final = re.compile(r"[0-9A-Za-z.\-\[\]:]+:\d+(?:/|$)")
# What may stand in a request line as it is: reserved and unreserved characters of RFC 3986, and '%'.
_SAFE: Final = "!#$%&'()*+,/:;=?@[]~"


@dataclass(frozen=True, slots=True)
class RtspUrl:
    """Where a stream is. Credentials are taken out of the address: they must never reach a request line or a log."""

    host: str  # without brackets
    port: int
    target: str  # path and query as given, starts with "/" or is empty
    username: str = ""
    password: str = ""

    @classmethod
    def parse(cls, text: str) -> Self:
        """Reads rtsp://[name[:password]@]host[:port][/path]; raises InvalidRtspUrl."""
        text = text.strip()
        if len(text) > MAX_URL_CHARACTERS or not text.isprintable():
            raise InvalidRtspUrl("it is too long or holds characters that no address has")
        try:
            parts = urlsplit(text)
            port = parts.port or DEFAULT_PORT
        except ValueError as error:
            raise InvalidRtspUrl("its host or port is not one") from error
        if parts.scheme != "rtsp":
            raise InvalidRtspUrl("it does not start with rtsp://")
        if not parts.hostname:
            raise InvalidRtspUrl("the host is missing")
        target = parts.path + (f"?{parts.query}" if parts.query else "")
        return cls(
            parts.hostname,
            port,
            quote(target, safe=_SAFE),
            unquote(parts.username or ""),
            unquote(parts.password or ""),
        )

    def __str__(self) -> str:
        """The address without credentials, as it goes into request lines."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        port = "" if self.port == DEFAULT_PORT else f":{self.port}"
        return f"rtsp://{host}{port}{self.target}"


def find_base_url(request_url: str, content_base: str | None, content_location: str | None) -> str:
    """What relative control URLs are relative to. Cameras forget the scheme, or give only a path."""
    for text in (content_base, content_location):
        if not text:
            continue
        if text.lower().startswith("rtsp://"):
            return _clean(text)
        if _HOST_FIRST.match(text):
            return _clean(f"rtsp://{text}")
        if text.startswith("/"):
            return _clean("/".join(request_url.split("/")[:3]) + text)
        return resolve_control(request_url, text)
    return request_url


def resolve_control(base: str, control: str | None) -> str:
    """The URL of a track or of the whole session.

    Not by RFC 1808, which would cut the query off `…/realmonitor?channel=1/`: every camera means "appended".
    """
    if control is None or control in ("", "*"):
        return base
    if control.lower().startswith("rtsp://"):
        return _clean(control)
    if control.startswith("?"):
        return _clean(base + control)
    return _clean(f"{base.rstrip('/')}/{control.lstrip('/')}")


def _clean(url: str) -> str:
    """Makes what a peer wrote safe to put into a request line."""
    return quote(url[:MAX_URL_CHARACTERS], safe=_SAFE)
