"""A real uvicorn around a SocketServer, and published media, for tests with real sockets."""

import asyncio
import itertools
import socket
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import uvicorn

from incamera.accounts import Actor
from incamera.kit.clock import SystemClock
from incamera.kit.ids import new_id
from incamera.media.cmaf import Packager
from incamera.media.sample import Sample
from incamera.protocol.messages import GapCause, StreamKind
from incamera.streams import Gap, Hub, Publication, Run, SocketServer, StreamKey


async def _no_app(scope: dict, receive: object, send: object) -> None:  # type: ignore[type-arg]
    """An ASGI application that accepts a WebSocket elsewhere and echoes; all HTTP is 404."""
    if scope["type"] == "websocket":
        await receive()  # type: ignore[operator]
        await send({"type": "websocket.accept"})  # type: ignore[operator]
        while (message := await receive())["type"] == "websocket.receive":  # type: ignore[operator]
            await send({"type": "websocket.send", "text": message["text"]})  # type: ignore[operator]
        return
    await send({"type": "http.response.start", "status": 404, "headers": []})  # type: ignore[operator]
    await send({"type": "http.response.body", "body": b""})  # type: ignore[operator]


class Serving:
    """A running server: its port, and how to stop it as SIGTERM does."""

    def __init__(self, server: uvicorn.Server, port: int, task: asyncio.Task[None]) -> None:
        self.port = port
        self._server, self._task = server, task

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def url(self, path: str) -> str:
        return f"ws://127.0.0.1:{self.port}{path}"

    async def stop(self) -> None:
        self._server.should_exit = True
        await self._task


@asynccontextmanager
async def serving(
    sockets: SocketServer, app: object = _no_app, *, tls: ssl.SSLContext | None = None
) -> AsyncIterator[Serving]:
    """uvicorn on a free loopback port, as `incamera.serving.listener` runs it."""
    listening = socket.socket()
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listening.bind(("127.0.0.1", 0))
    config = uvicorn.Config(
        app,  # type: ignore[arg-type]
        http="httptools",
        ws=sockets.protocol_class(),
        lifespan="off",
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=4,
        ssl_context_factory=None if tls is None else lambda _config, _default: tls,
    )
    server = uvicorn.Server(config)
    task = asyncio.create_task(server._serve([listening]))
    while not server.started:  # noqa: ASYNC110 - uvicorn has no event for it
        await asyncio.sleep(0.005)
    running = Serving(server, listening.getsockname()[1], task)
    try:
        yield running
    finally:
        if not task.done():
            await running.stop()


async def eventually(condition: Callable[[], Any]) -> None:
    """Returns when the condition is true; fails after five seconds."""
    async with asyncio.timeout(5):
        while not condition():  # noqa: ASYNC110 - whatever a test waits for
            await asyncio.sleep(0.005)


class LastingSessions:
    """Sessions that go on until a test ends them."""

    def __init__(self) -> None:
        self.ended: set[UUID] = set()

    async def renew(self, actor: Actor) -> Actor | None:
        if actor.session_id in self.ended:
            return None
        return replace(actor, expires_at=actor.expires_at + timedelta(hours=1))


class StreamDouble:
    """Publishes chunks as an edge's uplink would: real `moof`+`mdat` around invented samples."""

    def __init__(self, hub: Hub, key: StreamKey | None = None, *, gop: int = 50, picture_bytes: int = 2000) -> None:
        self.hub = hub
        self.key = key or StreamKey(new_id(), StreamKind.MAIN)
        self.gop, self.picture_bytes = gop, picture_bytes
        self.publication: Publication | None = None
        self._clock = SystemClock()
        self._numbers = itertools.count()
        self._packager = Packager(90_000)

    def begin(self, cause: GapCause = GapCause.STARTED, run_id: UUID | None = None) -> None:
        self._numbers = itertools.count()
        self._packager = Packager(90_000)
        self.publication = self.hub.begin_run(self.key, a_run(cause, run_id))

    def push(self, pictures: int = 1) -> None:
        """Publishes the next pictures; every `gop`-th is a sync sample."""
        assert self.publication is not None
        for number in itertools.islice(self._numbers, pictures):
            is_sync = number % self.gop == 0
            size = self.picture_bytes * (8 if is_sync else 1)
            chunk = self._packager.push(Sample(number * 3600, 0, is_sync, number.to_bytes(4, "big") * (size // 4)))
            self.publication.publish(
                is_sync=is_sync, decode_time=chunk.decode_time, wall_us=self._clock.now_us(), chunk=chunk.data
            )


def a_run(cause: GapCause = GapCause.STARTED, run_id: UUID | None = None) -> Run:
    """A run of 1080p25 H.264."""
    return Run(
        run_id=run_id or new_id(),
        codec="avc1.640028",
        timescale=90_000,
        init_segment=b"init of a test",
        wall_start_us=SystemClock().now_us(),
        decode_start=0,
        width=1920,
        height=1080,
        gap=Gap(cause, None),
    )
