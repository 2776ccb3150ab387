"""Which server an edge belongs to, and the code that introduces it there: parsed once, trusted after."""

import ipaddress
import re
from dataclasses import dataclass
from typing import Final, Self
from urllib.parse import urlsplit

from incamera.edge.errors import InvalidEnrolmentCode, InvalidServerAddress, PlainTextRefused

UPLINK_TARGET: Final = "/uplink/v1"

_TLS_BY_SCHEME: Final = {"https": True, "wss": True, "http": False, "ws": False}
_CROCKFORD: Final = re.compile(r"[0-9A-HJKMNP-TV-Z]{10}")
_LOOKALIKES: Final = str.maketrans({"O": "0", "I": "1", "L": "1"})


@dataclass(frozen=True, slots=True)
class ServerAddress:
    """Host and port of a server; without TLS only on this machine."""

    host: str
    port: int
    is_tls: bool

    @classmethod
    def parse(cls, text: str) -> Self:
        """`https://host[:port]`, or `http://localhost:port`; raises InvalidServerAddress or PlainTextRefused."""
        try:
            parts = urlsplit(text.strip())
            is_tls = _TLS_BY_SCHEME[parts.scheme]
            host, port = parts.hostname, parts.port
        except (KeyError, ValueError) as error:
            raise InvalidServerAddress(text) from error
        if not host or parts.username or parts.path not in ("", "/") or parts.query or parts.fragment:
            raise InvalidServerAddress(text)
        if not is_tls and not _is_loopback(host):
            raise PlainTextRefused(host)
        return cls(host, port or (443 if is_tls else 80), is_tls)

    @property
    def host_header(self) -> str:
        name = f"[{self.host}]" if ":" in self.host else self.host
        return f"{name}:{self.port}"

    def __str__(self) -> str:
        return f"{'https' if self.is_tls else 'http'}://{self.host_header}"


@dataclass(frozen=True, slots=True)
class EnrolmentCode:
    """A one-time code; with TLS it also carries the start of the server certificate's SHA-256 (hexadecimal)."""

    secret: str
    fingerprint_prefix: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Forgives case, blanks, missing hyphens and O, I, L for 0, 1, 1; raises InvalidEnrolmentCode."""
        letters = re.sub(r"[\s-]", "", text.upper())
        secret, fingerprint = letters[:10].translate(_LOOKALIKES), letters[10:]
        if not _CROCKFORD.fullmatch(secret):
            raise InvalidEnrolmentCode
        if fingerprint and not re.fullmatch(r"[0-9A-F]{16,64}", fingerprint):
            raise InvalidEnrolmentCode
        return cls(f"{secret[:5]}-{secret[5:]}", fingerprint.lower())


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
