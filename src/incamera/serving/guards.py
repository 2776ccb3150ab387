"""What stands in front of every request, as plain ASGI middlewares.

    client → ProxyAddress → RequestLog → SecurityHeaders → HostGuard → OriginGuard → BodyLimit → Idempotency → routes

They hold no session and decide nothing about accounts: they make sure that what reaches the routes comes from where it
says, from our own pages, and in a size we chose.
"""

import ipaddress
from collections.abc import Iterable, Sequence
from typing import Final
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from incamera.kit.errors import IncameraError
from incamera.serving.problems import respond

IpNetwork = ipaddress.IPv4Network | ipaddress.IPv6Network

MAX_BODY_BYTES: Final = 1024 * 1024
SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})
CONTENT_SECURITY_POLICY: Final = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data: blob:",
        "media-src 'self' blob:",
        "font-src 'self'",
        "connect-src 'self'",
        "worker-src 'self' blob:",
        "manifest-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    )
)
_HEADERS: Final = {
    "content-security-policy": CONTENT_SECURITY_POLICY,
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=(self), payment=(), usb=()",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
}
HSTS: Final = "max-age=31536000"


class ForeignOrigin(IncameraError):
    """A page of another site tried to act in this account's name."""

    status = 403

    def __init__(self) -> None:
        super().__init__("This request comes from another site's page; use the Incamera page itself.")


class JsonExpected(IncameraError):
    status = 415

    def __init__(self) -> None:
        super().__init__("Send the body as JSON with the header Content-Type: application/json.")


class BodyTooLarge(IncameraError):
    status = 413

    def __init__(self) -> None:
        super().__init__(f"The body is larger than {MAX_BODY_BYTES // 1024} KiB, which no request here needs.")


class UnknownHost(IncameraError):
    """The Host header names another site: a page elsewhere may have pointed its own name at this machine."""

    status = 421

    def __init__(self) -> None:
        super().__init__("This server answers under its own name only; open it as http://localhost with its port.")


class NotThroughProxy(IncameraError):
    status = 403

    def __init__(self) -> None:
        super().__init__("This server takes connections from its proxy only; use the proxy's address.")


class ProxyAddress:
    """Believes `X-Forwarded-*` of the trusted proxies, refuses everyone else (this listener speaks plain HTTP)."""

    def __init__(self, app: ASGIApp, proxies: Sequence[IpNetwork]) -> None:
        self._app = app
        self._proxies = proxies

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket") or not self._proxies:
            await self._app(scope, receive, send)
            return
        peer = _address(scope["client"][0] if scope.get("client") else "")
        if peer is None or not (self._is_trusted(peer) or peer.is_loopback):
            await respond(NotThroughProxy())(scope, receive, send)
            return
        if not self._is_trusted(peer):  # this machine's own health check, whose headers prove nothing
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        scope["scheme"] = headers.get("x-forwarded-proto", "https").split(",")[-1].strip()
        client = self._client(headers.getlist("x-forwarded-for"))
        if client is not None:
            scope["client"] = (client, 0)
        await self._app(scope, receive, send)

    def _client(self, forwarded: Iterable[str]) -> str | None:
        # The right-most address that is not one of our proxies: everything to its left was written by the client.
        for part in reversed([part.strip() for line in forwarded for part in line.split(",")]):
            address = _address(part)
            if address is None:
                return None
            if not self._is_trusted(address):
                return str(address)
        return None

    def _is_trusted(self, address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
        return any(address in network for network in self._proxies)


class SecurityHeaders:
    """The headers of every answer. `hsts` only where browsers reach us by TLS."""

    def __init__(self, app: ASGIApp, *, hsts: bool) -> None:
        self._app = app
        self._hsts = hsts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        is_local_name = host_name(Headers(scope=scope).get("host", "")) == "localhost"

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
                # On "localhost" HSTS would lock every other program of this machine out of plain HTTP.
                if self._hsts and not is_local_name:
                    headers.setdefault("strict-transport-security", HSTS)
                if scope["path"].startswith("/api/"):
                    headers.setdefault("cache-control", "no-store")
            await send(message)

        await self._app(scope, receive, send_with_headers)


class HostGuard:
    """Answers under known names only (against DNS rebinding); `names` None: TLS or the proxy vouches for the name."""

    def __init__(self, app: ASGIApp, names: frozenset[str] | None) -> None:
        self._app = app
        self._names = names

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and not self._is_ours(host_name(Headers(scope=scope).get("host", ""))):
            await respond(UnknownHost())(scope, receive, send)
            return
        await self._app(scope, receive, send)

    def _is_ours(self, name: str) -> bool:
        return self._names is None or name in self._names


class OriginGuard:
    """Lets a request that changes something through only from our own pages, or from a program that is no browser.

    Browsers send `Sec-Fetch-Site` (Fetch Metadata) or at least `Origin` (Fetch 3.1) with every such request. Together
    with the JSON content type, which no form can send, and the SameSite cookie, that is the whole CSRF protection.
    """

    def __init__(self, app: ASGIApp, public_url: str | None) -> None:
        self._app = app
        self._public_url = public_url

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["method"] not in SAFE_METHODS:
            headers = Headers(scope=scope)
            if not self._is_own(headers, scope["scheme"]):
                await respond(ForeignOrigin())(scope, receive, send)
                return
            if _has_body(headers) and not _is_json(headers.get("content-type", "")):
                await respond(JsonExpected())(scope, receive, send)
                return
        await self._app(scope, receive, send)

    def _is_own(self, headers: Headers, scheme: str) -> bool:
        site = headers.get("sec-fetch-site")
        if site is not None and site != "same-origin":
            return False
        origin = headers.get("origin")
        if origin is None:
            return True
        own = urlsplit(f"{scheme}://{headers.get('host', '')}")
        given = urlsplit(origin)
        return origin == self._public_url or (given.scheme, given.netloc) == (own.scheme, own.netloc)


class BodyLimit:
    """Refuses a body above the limit, announced or not, before anybody has read it whole."""

    def __init__(self, app: ASGIApp, limit_bytes: int = MAX_BODY_BYTES) -> None:
        self._app = app
        self._limit = limit_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        length = Headers(scope=scope).get("content-length", "0")
        if not length.isascii() or not length.isdigit() or int(length[:16]) > self._limit:
            await respond(BodyTooLarge())(scope, receive, send)
            return
        received = 0

        async def receive_limited() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > self._limit:
                raise BodyTooLarge
            return message

        await self._app(scope, receive_limited, send)


def host_name(host: str) -> str:
    """The name in a Host header, without port and brackets, in lower case."""
    return (urlsplit(f"//{host}").hostname or "") if host and "@" not in host else ""


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        address = ipaddress.ip_address(text.strip().strip("[]"))
    except ValueError:
        return None
    return (address.ipv4_mapped or address) if isinstance(address, ipaddress.IPv6Address) else address


def _has_body(headers: Headers) -> bool:
    return headers.get("content-length", "0") != "0" or "transfer-encoding" in headers


def _is_json(content_type: str) -> bool:
    return content_type.partition(";")[0].strip().lower() == "application/json"
