"""Listening: sockets bound before anything else happens, uvicorn inside our loop, and a stop that takes seconds.

Two listeners at most: the one people use, and, where that one speaks TLS or belongs to a proxy, a plain one on loopback
for the local edge's uplink alone (TLS on loopback would cost more than all the rest of the media path).
"""

import asyncio
import contextlib
import errno
import signal
import socket
import ssl
from collections.abc import Iterator, Sequence
from typing import Any, Final

import uvicorn
from starlette.types import ASGIApp

from incamera.kit.errors import IncameraError
from incamera.serving.bounded_http import BoundedHttp

STOP_S: Final = 4.0


class PortTaken(IncameraError):
    status = 500

    def __init__(self, port: int) -> None:
        super().__init__(f"Port {port} is taken by another program; stop it or choose another with --port.")


class AddressUnusable(IncameraError):
    status = 500

    def __init__(self, host: str, port: int, reason: str) -> None:
        super().__init__(f"Cannot listen on {host} port {port}: {reason}.")


def bind(host: str, port: int) -> list[socket.socket]:
    """Listening sockets for `host`; `localhost` means both loopback addresses where the machine has both."""
    addresses = ["127.0.0.1", "::1"] if host == "localhost" else [host]
    first = _bind(addresses[0], port)
    sockets = [first]
    for address in addresses[1:]:
        try:
            sockets.append(_bind(address, first.getsockname()[1]))
        except PortTaken:
            first.close()
            raise
        except AddressUnusable:
            continue  # a machine without IPv6
    return sockets


def _bind(address: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        sock = socket.socket(family, socket.SOCK_STREAM)
    except OSError as error:
        raise AddressUnusable(address, port, error.strerror or "no such family") from error
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if family is socket.AF_INET6:
        # "::" listens for IPv4 as well, as people expect; "::1" is only itself.
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0 if address == "::" else 1)
    try:
        sock.bind((address, port))
        sock.listen(512)
    except OSError as error:
        sock.close()
        if error.errno == errno.EADDRINUSE:
            raise PortTaken(port) from None
        if error.errno == errno.EACCES:
            raise AddressUnusable(address, port, "ports below 1024 need the right to bind them") from None
        raise AddressUnusable(address, port, error.strerror or str(error.errno)) from None
    return sock


class Listener:
    """One uvicorn server on sockets that are bound already."""

    def __init__(
        self,
        app: ASGIApp,
        sockets: Sequence[socket.socket],
        *,
        websockets: type[asyncio.Protocol] | str,
        tls: ssl.SSLContext | None,
    ) -> None:
        options: dict[str, Any] = {} if tls is None else {"ssl_context_factory": lambda _config, _default: tls}
        config = uvicorn.Config(
            app,
            http=BoundedHttp,
            ws=websockets,
            lifespan="off",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            backlog=512,
            timeout_graceful_shutdown=int(STOP_S),
            **options,
        )
        self._server = _Server(config)
        self._sockets = list(sockets)
        self._task: asyncio.Task[None] | None = None

    @property
    def port(self) -> int:
        return int(self._sockets[0].getsockname()[1])

    async def start(self) -> None:
        """Returns when connections are accepted."""
        self._task = asyncio.create_task(self._server.serve(sockets=self._sockets), name="listener")
        while not self._server.started:
            if self._task.done():
                self._task.result()
            await asyncio.sleep(0.01)

    async def stop(self) -> None:
        """No new connections, media sockets get 1001, running requests a few seconds."""
        if self._task is None:
            return
        self._server.should_exit = True
        try:
            async with asyncio.timeout(STOP_S + 2):
                await self._task
        except TimeoutError:
            self._task.cancel()

    async def wait(self) -> None:
        """Returns if the listener ends by itself, which is an error."""
        assert self._task is not None
        await asyncio.shield(self._task)


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield  # we stop the parts in our own order, see StopSignal


class StopSignal:
    """SIGTERM or SIGINT; a second one ends the process at once."""

    def __init__(self) -> None:
        self._event = asyncio.Event()

    def install(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._received, number)

    def _received(self, number: signal.Signals) -> None:
        if self._event.is_set():
            signal.signal(number, signal.SIG_DFL)
            signal.raise_signal(number)
        self._event.set()

    async def wait(self) -> None:
        await self._event.wait()
