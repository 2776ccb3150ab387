"""Where a camera is: an `rtsp://` address, taken apart once and never echoed.

People paste addresses with a user name and password inside. Those become fields of their own (and are sealed as
secrets); the address that is kept, shown or sent to an edge carries none. Which networks an edge may dial is the
edge's to decide, after it has resolved the name: the server dials no camera at all (B3-06).
"""

import ipaddress
import re
from dataclasses import dataclass
from typing import Final, Self
from urllib.parse import quote, unquote, urlsplit

from incamera.devices.errors import InvalidAddress

DEFAULT_PORT: Final = 554  # RFC 2326 section 3.2
MAX_CHARACTERS: Final = 1024
_LABEL: Final = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)")
_PATH_SAFE: Final = "/?&=;:@+$,!*'()~%-._[]#"


@dataclass(frozen=True, slots=True)
class RtspAddress:
    """Host, port and path (with query) of one stream; without credentials."""

    host: str  # an IP address without brackets, or a DNS name in ASCII
    port: int
    path: str  # empty, or begins with "/" or "?"

    @property
    def url(self) -> str:
        """The address as an edge dials it."""
        return f"{self.base}{self.path}"

    @property
    def base(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"rtsp://{host}" if self.port == DEFAULT_PORT else f"rtsp://{host}:{self.port}"

    @classmethod
    def of(cls, url: str) -> Self:
        """The address in a URL that this class rendered."""
        return cls._split(url)[0]

    @classmethod
    def _split(cls, url: str) -> tuple[Self, str | None, str | None]:
        try:
            parts = urlsplit(url)
            host, port = parts.hostname or "", parts.port
        except ValueError as error:
            raise InvalidAddress("its host or port cannot be read") from error
        if parts.scheme.lower() != "rtsp":
            raise InvalidAddress("it must begin with rtsp://")
        if parts.fragment:
            raise InvalidAddress("it must not contain #")
        if port == 0:
            raise InvalidAddress("a port is a number from 1 to 65535")
        path = parts.path + (f"?{parts.query}" if parts.query else "")
        address = cls(_check_host(host), port or DEFAULT_PORT, quote(path, safe=_PATH_SAFE))
        return address, _decoded(parts.username), _decoded(parts.password)


@dataclass(frozen=True, slots=True, repr=False)
class Credentials:
    """What a camera asks for. Either may be empty. Not for logs: `repr` shows nothing."""

    username: str
    password: str

    def __repr__(self) -> str:
        return "Credentials(‹secret›)"


@dataclass(frozen=True, slots=True)
class CameraLogin:
    """An address and what to say there."""

    address: RtspAddress
    credentials: Credentials

    @classmethod
    def parse(cls, text: str, username: str | None = None, password: str | None = None) -> Self:
        """Reads what a person typed; the fields go before what is in the address. Raises InvalidAddress."""
        text = text.strip()
        if len(text) > MAX_CHARACTERS:
            raise InvalidAddress(f"it is longer than {MAX_CHARACTERS} characters")
        if any(character.isspace() or ord(character) < 0x20 or ord(character) == 0x7F for character in text):
            raise InvalidAddress("it must not contain spaces or control characters")
        address, inner_username, inner_password = RtspAddress._split(text)
        credentials = Credentials(
            _check_credential(username or inner_username or ""), _check_credential(password or inner_password or "")
        )
        return cls(address, credentials)


def _decoded(text: str | None) -> str | None:
    return None if text is None else unquote(text)


def _check_credential(text: str) -> str:
    # A line break would end a header of the RTSP request that carries it.
    if len(text) > 128 or any(ord(character) < 0x20 or ord(character) == 0x7F for character in text):
        raise InvalidAddress("user name and password have 128 characters at most and no control characters")
    return text


def _check_host(host: str) -> str:
    if not host:
        raise InvalidAddress("it names no host")
    try:
        return str(ipaddress.ip_address(host))
    except ValueError:
        pass
    try:
        name = host.rstrip(".").encode("idna").decode("ascii").lower()
    except UnicodeError as error:
        raise InvalidAddress("its host name cannot exist") from error
    labels = name.split(".")
    if len(name) > 253 or not all(_LABEL.fullmatch(label) for label in labels) or labels[-1].isdigit():
        raise InvalidAddress("its host is neither a name nor an IP address")
    return name
