"""Where a camera is: an address, taken apart once and never echoed.

    rtsp://192.168.1.20/stream1     a camera that speaks RTSP
    http://192.168.1.20/video.mjpg  one that gives JPEGs over HTTP; https:// too
    file:yard/monday.mp4            a film below the folder that the edge was given
    device:video0                   a USB or built-in camera that the edge was given

People paste addresses with a user name and password inside. Those become fields of their own (and are sealed as
secrets); the address that is kept, shown or sent to an edge carries none. Which networks an edge may dial, which files
and devices it may open, is the edge's to decide: the server dials no camera and opens none (B3-06).
"""

import ipaddress
import re
from dataclasses import dataclass
from typing import Final, Self
from urllib.parse import quote, unquote, urlsplit

from incamera.devices.errors import InvalidAddress
from incamera.protocol.messages import AnySource, DeviceSource, FileSource, HttpSource, RtspSource

MAX_CHARACTERS: Final = 1024
_PORTS: Final = {"rtsp": 554, "http": 80, "https": 443}  # RFC 2326 section 3.2, RFC 9110 section 4.2
_LABEL: Final = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)")
_PATH_SAFE: Final = "/?&=;:@+$,!*'()~%-._[]#"
_LOCAL: Final = re.compile(r"(file|device):(.*)", re.IGNORECASE | re.DOTALL)
_DEVICE: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.:+-]{0,127}")
_MAX_FILE_CHARACTERS: Final = 512
_CERTIFICATE: Final = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class CameraAddress:
    """Where one stream is; without credentials. Files and devices have a path only."""

    scheme: str  # rtsp, http, https, file, device
    host: str  # an IP address without brackets, or a DNS name in ASCII
    port: int
    path: str  # empty, or begins with "/" or "?"; of a file or device its name

    @property
    def url(self) -> str:
        """The address as an edge dials it, and as a person may write it."""
        return f"{self.scheme}:{self.path}" if self.is_local else f"{self.base}{self.path}"

    @property
    def base(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        is_usual = self.port == _PORTS[self.scheme]
        return f"{self.scheme}://{host}" if is_usual else f"{self.scheme}://{host}:{self.port}"

    @property
    def is_local(self) -> bool:
        """Whether it lies on, or is plugged into, the edge's machine: no password guards it."""
        return not self.host

    @property
    def place(self) -> str:
        """What an owner tells cameras apart by: the host, or the name of the file or device."""
        return self.host or self.url

    @classmethod
    def of(cls, url: str) -> Self:
        """The address in a URL that this class rendered."""
        return cls._split(url)[0]

    @classmethod
    def _split(cls, url: str) -> tuple[Self, str | None, str | None]:
        if local := _LOCAL.fullmatch(url):
            return cls._local(local[1].lower(), local[2]), None, None
        try:
            parts = urlsplit(url)
            host, port = parts.hostname or "", parts.port
        except ValueError as error:
            raise InvalidAddress("its host or port cannot be read") from error
        scheme = parts.scheme.lower()
        if scheme not in _PORTS:
            raise InvalidAddress("it must begin with rtsp://, http://, https://, file: or device:")
        if parts.fragment:
            raise InvalidAddress("it must not contain #")
        if port == 0:
            raise InvalidAddress("a port is a number from 1 to 65535")
        path = parts.path + (f"?{parts.query}" if parts.query else "")
        address = cls(scheme, _check_host(host), port or _PORTS[scheme], quote(path, safe=_PATH_SAFE))
        return address, _decoded(parts.username), _decoded(parts.password)

    @classmethod
    def _local(cls, scheme: str, name: str) -> Self:
        if scheme == "device":
            if not _DEVICE.fullmatch(name):
                raise InvalidAddress("a device is named without its folder, such as device:video0")
        elif len(name) > _MAX_FILE_CHARACTERS or any(part in ("", ".", "..") for part in name.split("/")):
            raise InvalidAddress("a file is named below the folder of its edge, such as file:yard/monday.mp4")
        return cls(scheme, "", 0, name)


@dataclass(frozen=True, slots=True, repr=False)
class Credentials:
    """What a camera asks for. Either may be empty. Not for logs: `repr` shows nothing."""

    username: str
    password: str

    def __repr__(self) -> str:
        return "Credentials(‹secret›)"


@dataclass(frozen=True, slots=True)
class CameraLogin:
    """An address and what to say there. `certificate`: SHA-256 of the one that a person accepted, or empty."""

    address: CameraAddress
    credentials: Credentials
    certificate: str = ""

    @classmethod
    def parse(
        cls, text: str, username: str | None = None, password: str | None = None, certificate: str | None = None
    ) -> Self:
        """Reads what a person typed; the fields go before what is in the address. Raises InvalidAddress."""
        text = text.strip()
        if len(text) > MAX_CHARACTERS:
            raise InvalidAddress(f"it is longer than {MAX_CHARACTERS} characters")
        is_file = text[:5].lower() == "file:"  # people have spaces in the names of their films
        if not text.isprintable() or (not is_file and any(character.isspace() for character in text)):
            raise InvalidAddress("it must not contain spaces or control characters")
        address, inner_username, inner_password = CameraAddress._split(text)
        credentials = Credentials(
            _check_credential(username or inner_username or ""), _check_credential(password or inner_password or "")
        )
        return cls(address, credentials, _check_certificate(certificate or ""))


def source_of(address: CameraAddress, credentials: Credentials, certificate: str) -> AnySource:
    """The address as an edge hears it."""
    match address.scheme:
        case "file":
            return FileSource(name=address.path)
        case "device":
            return DeviceSource(device=address.path)
        case "rtsp":
            return RtspSource(url=address.url, username=credentials.username, password=credentials.password)
        case _:
            return HttpSource(
                url=address.url,
                username=credentials.username,
                password=credentials.password,
                certificate=certificate if address.scheme == "https" else "",
            )


def _decoded(text: str | None) -> str | None:
    return None if text is None else unquote(text)


def _check_certificate(text: str) -> str:
    fingerprint = text.replace(":", "").lower()
    if fingerprint and not _CERTIFICATE.fullmatch(fingerprint):
        raise InvalidAddress("the fingerprint of a certificate has 64 hexadecimal digits")
    return fingerprint


def _check_credential(text: str) -> str:
    # A line break would end a header of the request that carries it.
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
