"""Addresses of pictures and services of cameras: http:// and https://."""

from dataclasses import dataclass, replace
from typing import Final, Self
from urllib.parse import quote, unquote, urljoin, urlsplit

from incamera.media.http.errors import InvalidHttpUrl

MAX_URL_CHARACTERS: Final = 2048
_PORTS: Final = {"http": 80, "https": 443}
# What may stand in a request line as it is: reserved and unreserved characters of RFC 3986, and '%'.
_SAFE: Final = "!$%&'()*+,/:;=?@[]~"


@dataclass(frozen=True, slots=True)
class HttpUrl:
    """Where something is. Credentials are taken out of the address: they must never reach a request line or a log."""

    is_secure: bool
    host: str  # without brackets
    port: int
    target: str  # path and query, starts with "/"
    username: str = ""
    password: str = ""

    @classmethod
    def parse(cls, text: str) -> Self:
        """Reads http[s]://[name[:password]@]host[:port][/path]; raises InvalidHttpUrl."""
        text = text.strip()
        if len(text) > MAX_URL_CHARACTERS or not text.isprintable():
            raise InvalidHttpUrl("it is too long or holds characters that no address has")
        try:
            parts = urlsplit(text)
            port = parts.port
        except ValueError as error:
            raise InvalidHttpUrl("its host or port is not one") from error
        if parts.scheme not in _PORTS:
            raise InvalidHttpUrl("it does not start with http:// or https://")
        if not parts.hostname:
            raise InvalidHttpUrl("the host is missing")
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        return cls(
            parts.scheme == "https",
            parts.hostname,
            port or _PORTS[parts.scheme],
            quote(target, safe=_SAFE),
            unquote(parts.username or ""),
            unquote(parts.password or ""),
        )

    @property
    def authority(self) -> str:
        """Host and port as the Host header wants them (RFC 9110 clause 7.2)."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _PORTS[self.scheme] else f"{host}:{self.port}"

    @property
    def scheme(self) -> str:
        return "https" if self.is_secure else "http"

    def __str__(self) -> str:
        """The address without credentials."""
        return f"{self.scheme}://{self.authority}{self.target}"

    def follow(self, location: str) -> "HttpUrl":
        """Where a redirection leads (RFC 9110 clause 10.2.2); raises InvalidHttpUrl.

        The credentials go along to the same host only, and never from https:// to http://.
        """
        if len(location) > MAX_URL_CHARACTERS:
            raise InvalidHttpUrl("it is too long")
        try:
            found = self.parse(urljoin(str(self), location))
        except ValueError as error:
            raise InvalidHttpUrl("its host or port is not one") from error
        is_trusted = found.host == self.host and (found.is_secure or not self.is_secure)
        username, password = (self.username, self.password) if is_trusted else ("", "")
        return replace(found, username=username, password=password)
