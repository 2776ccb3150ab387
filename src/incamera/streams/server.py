"""All sockets that do not go through ASGI: which path leads to which handler, and who may connect at all.

uvicorn takes a WebSocket protocol class. Ours reads the request line: a path that was registered here is served by
WebSocketConnection, everything else by uvicorn's own class (why: `docs/decisions/media-sockets-outside-asgi.md`).

    sockets = SocketServer(SocketPolicy())
    sockets.add_route("/media/live", make_live_socket)
    uvicorn.Config(app, ws=sockets.protocol_class())

Three quirks of uvicorn 0.54 shape the code. It calls `data_received` and only then `transport.set_protocol(outer)`, so
an inner swap at once would be undone: we swap in `call_soon` and forward until then. It forgets the connection for its
graceful stop, so ours enters `server_state.connections` itself and has `shutdown()`. And it drops bytes that a client
sends before the 101; our clients wait for it.
"""

import asyncio
import ipaddress
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, ClassVar, Final, cast
from urllib.parse import urlsplit

import msgspec
import structlog
from uvicorn.config import Config
from uvicorn.protocols.websockets.auto import AutoWebSocketsProtocol
from uvicorn.server import ServerState

from incamera.protocol import websocket
from incamera.streams.connection import SocketHandler, SocketRequest, WebSocketConnection

log = structlog.get_logger(__name__)

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
HandlerFactory = Callable[[WebSocketConnection], SocketHandler]

_ALIVE_CHECK_S: Final = 5.0
_DEFAULT_PORTS: Final = {"http": ":80", "https": ":443"}


@dataclass(frozen=True, slots=True)
class SocketPolicy:
    """Who may open how many sockets. Loopback is not counted: a proxy nobody told us of would look like one client."""

    max_connections: int = 20_000
    max_per_address: int = 200  # an IPv6 client counts by its /64
    trusted_proxies: tuple[Network, ...] = ()  # whose X-Forwarded-* headers are believed
    public_url: str | None = None  # an origin that is ours whatever Host a proxy passes on


@dataclass(frozen=True, slots=True)
class _Route:
    factory: HandlerFactory
    is_for_browsers: bool


class _Refused(Exception):
    """The upgrade is answered with an HTTP error instead of 101."""

    def __init__(self, status: HTTPStatus, code: str, detail: str, headers: Mapping[str, str] | None = None) -> None:
        self.status, self.code, self.detail, self.headers = status, code, detail, dict(headers or {})
        super().__init__(detail)


class SocketServer:
    """The routes and the living connections of this process."""

    def __init__(self, policy: SocketPolicy) -> None:
        self._policy = policy
        self._routes: dict[str, _Route] = {}
        self._connections: set[WebSocketConnection] = set()
        self._by_address: Counter[str] = Counter()
        self._by_path: Counter[str] = Counter()
        self._alive_check: asyncio.TimerHandle | None = None

    def add_route(self, path: str, factory: HandlerFactory, *, is_for_browsers: bool = True) -> None:
        """Serves `path` with what `factory` makes. For browsers: the Origin, where sent, must be this very site.

        Otherwise an Origin is refused altogether: a web page has no business there.
        """
        self._routes[path] = _Route(factory, is_for_browsers)

    @property
    def paths(self) -> tuple[str, ...]:
        """Every path served here: what `privacy` compares with the declared routes."""
        return tuple(self._routes)

    def connection_count(self, path: str) -> int:
        """Open connections of one path, for the metrics."""
        return self._by_path[path]

    def protocol_class(self) -> type[asyncio.Protocol]:
        """What `uvicorn.Config(ws=...)` wants."""
        return type("IncameraUpgrade", (_UpgradeProtocol,), {"sockets": self})

    def serves(self, path: str) -> bool:
        return path in self._routes

    def accept(self, head: bytes, transport: asyncio.Transport, state: ServerState) -> asyncio.Protocol:
        """Checks an upgrade and opens it, or answers with an error; the protocol that gets what follows."""
        try:
            return self._open(head, transport, state)
        except _Refused as refusal:
            _answer(transport, refusal)
        except websocket.UpgradeFailed as failure:
            headers = {"Sec-WebSocket-Version": "13"}
            _answer(transport, _Refused(HTTPStatus.UPGRADE_REQUIRED, "upgrade_failed", f"{failure}.", headers))
        return asyncio.Protocol()

    def _open(self, head: bytes, transport: asyncio.Transport, state: ServerState) -> WebSocketConnection:
        self._check_way(transport)
        upgrade = websocket.parse_upgrade_request(head)
        request = self._describe(upgrade, transport)
        route = self._routes[request.path]
        _check_origin(route, request, self._host(upgrade.headers, transport), self._policy.public_url)
        address = _counted_address(request.client_address)
        self._check_limits(address)

        def forget(connection: WebSocketConnection) -> None:
            state.connections.discard(cast("Any", connection))
            self._forget(connection, address)

        connection = WebSocketConnection(request, transport, forget)
        handler = route.factory(connection)
        self._remember(connection, address)
        state.connections.add(cast("Any", connection))  # uvicorn types its own classes; it only calls shutdown()
        connection.open(handler, websocket.render_upgrade_response(upgrade.key))
        return connection

    # --- who is there -----------------------------------------------------------------------------------------------

    def _check_way(self, transport: asyncio.Transport) -> None:
        """Behind a proxy this listener speaks plain HTTP: for the proxy and this machine, for nobody else."""
        address = _parse_address(_peer_address(transport))
        is_here = address is None or address.is_loopback
        if self._policy.trusted_proxies and not is_here and not self._is_trusted(str(address)):
            raise _Refused(
                HTTPStatus.FORBIDDEN,
                "not_through_proxy",
                "This server takes connections from its proxy only; use the proxy's address.",
            )

    def _check_limits(self, address: str | None) -> None:
        if len(self._connections) >= self._policy.max_connections:
            raise _Refused(
                HTTPStatus.SERVICE_UNAVAILABLE,
                "too_many_connections",
                "This server has as many viewers as it can serve; try again in a moment.",
                {"Retry-After": "5"},
            )
        if address is not None and self._by_address[address] >= self._policy.max_per_address:
            raise _Refused(
                HTTPStatus.TOO_MANY_REQUESTS,
                "too_many_connections_from_here",
                "Too many sockets are open from this address; close some and try again.",
                {"Retry-After": "5"},
            )

    def _remember(self, connection: WebSocketConnection, address: str | None) -> None:
        self._connections.add(connection)
        self._by_path[connection.request.path] += 1
        if address is not None:
            self._by_address[address] += 1
        if self._alive_check is None:
            self._alive_check = asyncio.get_running_loop().call_later(_ALIVE_CHECK_S, self._check_alive)

    def _forget(self, connection: WebSocketConnection, address: str | None) -> None:
        self._connections.discard(connection)
        self._by_path[connection.request.path] -= 1
        if address is not None:
            self._by_address[address] -= 1
            if not self._by_address[address]:
                del self._by_address[address]  # addresses of people who left are not kept

    def _check_alive(self) -> None:
        """One timer for all connections, not one each."""
        loop = asyncio.get_running_loop()
        self._alive_check = loop.call_later(_ALIVE_CHECK_S, self._check_alive) if self._connections else None
        for connection in tuple(self._connections):
            connection.check_alive(loop.time())

    # --- what the head says -----------------------------------------------------------------------------------------

    def _describe(self, upgrade: websocket.UpgradeRequest, transport: asyncio.Transport) -> SocketRequest:
        path, _, query = upgrade.target.partition("?")
        peer = _peer_address(transport)
        is_secure = transport.get_extra_info("sslcontext") is not None
        if self._is_trusted(peer):
            forwarded = upgrade.headers.get("x-forwarded-for", "").rpartition(",")[2].strip()
            peer = forwarded or peer
            is_secure = is_secure or upgrade.headers.get("x-forwarded-proto", "").lower() in ("https", "wss")
        return SocketRequest(path, query, upgrade.headers, peer, is_secure)

    def _host(self, headers: Mapping[str, str], transport: asyncio.Transport) -> str:
        host = headers.get("host", "")
        if self._is_trusted(_peer_address(transport)):
            return headers.get("x-forwarded-host", host)
        return host

    def _is_trusted(self, address: str) -> bool:
        parsed = _parse_address(address)
        return parsed is not None and any(parsed in network for network in self._policy.trusted_proxies)


class _UpgradeProtocol(asyncio.Protocol):
    """Stands in until the first bytes, the rebuilt HTTP head, tell where the connection belongs."""

    sockets: ClassVar[SocketServer]

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        self._config, self._state, self._app_state = config, server_state, app_state
        self._loop = _loop or asyncio.get_running_loop()
        self._transport: asyncio.Transport
        self._inner: asyncio.Protocol | None = None
        self._is_lost = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        if self._inner is not None:
            self._inner.data_received(data)
            return
        target = data.split(b" ", 2)[1].decode("latin-1")
        if self.sockets.serves(target.partition("?")[0]):
            self._inner = self.sockets.accept(data, self._transport, self._state)
        else:
            self._inner = self._delegate(data)
        self._loop.call_soon(self._step_aside)

    def eof_received(self) -> bool | None:
        return self._inner.eof_received() if self._inner is not None else None

    def pause_writing(self) -> None:
        if self._inner is not None:
            self._inner.pause_writing()

    def resume_writing(self) -> None:
        if self._inner is not None:
            self._inner.resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        self._is_lost = True
        if self._inner is not None:
            self._inner.connection_lost(exc)

    def _delegate(self, head: bytes) -> asyncio.Protocol:
        if AutoWebSocketsProtocol is None:  # pragma: no cover - websockets is one of our dependencies
            _answer(self._transport, _Refused(HTTPStatus.NOT_FOUND, "not_found", "There is no socket at this address."))
            return asyncio.Protocol()
        protocol = AutoWebSocketsProtocol(
            config=self._config, server_state=self._state, app_state=self._app_state, _loop=self._loop
        )
        protocol.connection_made(self._transport)
        protocol.data_received(head)
        return protocol

    def _step_aside(self) -> None:
        if self._inner is not None and not self._is_lost:
            self._transport.set_protocol(self._inner)


def _check_origin(route: _Route, request: SocketRequest, host: str, public_url: str | None) -> None:
    """Browsers always send an Origin with a WebSocket and no page can forge it (RFC 6455 clause 10.2)."""
    origin = request.headers.get("origin")
    if origin is None:
        return  # not a browser; what it may see, its ticket or key decides
    if not route.is_for_browsers:
        raise _Refused(HTTPStatus.FORBIDDEN, "not_for_browsers", "This address is for edges, not for web pages.")
    if origin == public_url:
        return
    scheme = "https" if request.is_secure else "http"
    parts = urlsplit(origin)
    same_host = _without_default_port(parts.netloc.lower(), scheme) == _without_default_port(host.lower(), scheme)
    if parts.scheme != scheme or not same_host:
        raise _Refused(HTTPStatus.FORBIDDEN, "other_origin", "This socket answers only to the site it belongs to.")


def _without_default_port(host: str, scheme: str) -> str:
    return host.removesuffix(_DEFAULT_PORTS[scheme])


def _peer_address(transport: asyncio.Transport) -> str:
    peer = transport.get_extra_info("peername")
    return str(peer[0]) if isinstance(peer, tuple | list) and peer else ""


def _parse_address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return address.ipv4_mapped or address if isinstance(address, ipaddress.IPv6Address) else address


def _counted_address(text: str) -> str | None:
    """What the limit counts by; None where it does not apply."""
    address = _parse_address(text)
    if address is None or address.is_loopback:
        return None
    if isinstance(address, ipaddress.IPv6Address):
        return str(ipaddress.ip_network((address, 64), strict=False))
    return str(address)


def _answer(transport: asyncio.Transport, refusal: _Refused) -> None:
    log.info("socket.refused", code=refusal.code, status=int(refusal.status))
    body = msgspec.json.encode(
        {
            "type": "about:blank",
            "title": refusal.status.phrase,
            "status": int(refusal.status),
            "code": refusal.code,
            "detail": refusal.detail,
        }
    )
    lines = [
        f"HTTP/1.1 {int(refusal.status)} {refusal.status.phrase}",
        "Content-Type: application/problem+json",
        f"Content-Length: {len(body)}",
        "Connection: close",
        *(f"{name}: {value}" for name, value in refusal.headers.items()),
    ]
    transport.write(("\r\n".join(lines) + "\r\n\r\n").encode("latin-1") + body)
    transport.close()
