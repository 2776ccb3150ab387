"""The RTSP server of the simulated cameras: one port, many mounts, several clients.

async with SimulatedCameras(port=0, cameras=DEMO_CAMERAS) as cameras:
    cameras.url("garden")      # rtsp://127.0.0.1:PORT/garden/main
"""

import asyncio
import contextlib
import threading
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Final, Literal, Self, cast

from incamera.edge.simulated.cameras import DEMO_CAMERAS, SimulatedCamera
from incamera.edge.simulated.datagram_line import DatagramLine
from incamera.edge.simulated.feeds import Anchor
from incamera.edge.simulated.mount import SimulatedMount
from incamera.kit.clock import Clock, SystemClock
from incamera.kit.errors import IncameraError
from incamera.media.rtp.sender import interleave
from incamera.media.rtsp.authentication import Credentials, Gatekeeper
from incamera.media.rtsp.errors import RtspError
from incamera.media.rtsp.server import RtspServerSession, ServerEvent, Started, Stopped
from incamera.media.rtsp.transport import Channels, Ports

MAIN_SIZE: Final = (1280, 720, 25)
SUB_SIZE: Final = (640, 360, 10)
_MAX_UNSENT_BYTES: Final = 8 * 1024 * 1024
_STOP_TIMEOUT_S: Final = 2.0
_REALM: Final = "Incamera simulated camera"


class PortTaken(IncameraError):
    """Somebody else listens there."""

    status = 409

    def __init__(self, port: int) -> None:
        super().__init__(f"Port {port} is taken; choose another one with --port, or 0 for any that is free.")


class SimulatedCameras:
    """All cameras of one process, as an asynchronous context manager. Streams are made only while watched."""

    def __init__(
        self,
        port: int = 0,
        cameras: Sequence[SimulatedCamera] = DEMO_CAMERAS,
        host: str = "127.0.0.1",
        credentials: Credentials | None = None,
        scheme: Literal["digest", "digest-sha256", "basic"] = "digest",
        clock: Clock | None = None,
    ) -> None:
        self._port = port
        self._cameras = tuple(cameras)
        self._host = host
        self._credentials = credentials
        self._scheme = scheme
        self._clock = clock or SystemClock()
        self._mounts: dict[str, SimulatedMount] = {}
        self._connections: set[_Connection] = set()
        self._server: asyncio.Server | None = None
        self._watchman: asyncio.Task[None] | None = None
        self._is_stopping = threading.Event()
        self._artist = threading.Thread(target=self._draw_scenes, name="simulated-artist", daemon=True)

    async def __aenter__(self) -> Self:
        anchor = Anchor(self._clock)
        for camera in self._cameras:
            for stream, size in (("main", MAIN_SIZE), ("sub", SUB_SIZE)):
                mount = SimulatedMount(camera, stream, *size, anchor)
                self._mounts[mount.path] = mount
        loop = asyncio.get_running_loop()
        try:
            self._server = await loop.create_server(lambda: _Connection(self), self._host, self._port)
        except OSError as error:
            raise PortTaken(self._port) from error
        self._port = int(self._server.sockets[0].getsockname()[1])
        self._watchman = asyncio.create_task(self._drop_out())
        self._artist.start()
        return self

    async def __aexit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._is_stopping.set()
        if self._watchman is not None:
            self._watchman.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._watchman
        if self._server is not None:
            self._server.close()
        for connection in list(self._connections):
            connection.hang_up()
        for mount in self._mounts.values():
            mount.close()
        await asyncio.to_thread(self._wait_for_threads)

    @property
    def port(self) -> int:
        """Where it listens."""
        return self._port

    @property
    def urls(self) -> list[str]:
        """The addresses of all streams."""
        return [f"rtsp://{self._host}:{self._port}{path}" for path in self._mounts]

    def url(self, name: str, stream: Literal["main", "sub"] = "main") -> str:
        """The address of one camera's stream."""
        path = f"/{name}/{stream}"
        if path not in self._mounts:
            raise KeyError(path)
        return f"rtsp://{self._host}:{self._port}{path}"

    def drop(self, name: str) -> None:
        """Hangs up on everybody who watches this camera; they may come back at once."""
        for connection in list(self._connections):
            if connection.mount is not None and connection.mount.path.startswith(f"/{name}/"):
                connection.hang_up()

    def find_mount(self, path: str) -> SimulatedMount | None:
        """The stream under a path."""
        return self._mounts.get(path)

    def make_session(self, open_ports: Callable[[], Ports]) -> RtspServerSession:
        """The protocol of a new connection."""
        gatekeeper = Gatekeeper(self._credentials, _REALM, self._scheme) if self._credentials else None
        return RtspServerSession(self.find_mount, gatekeeper, open_ports=open_ports)

    def now_s(self) -> float:
        """Monotonic seconds."""
        return self._clock.monotonic()

    def opened(self, connection: "_Connection") -> None:
        """A client came."""
        self._connections.add(connection)

    def closed(self, connection: "_Connection") -> None:
        """A client went."""
        self._connections.discard(connection)

    def _draw_scenes(self) -> None:
        """One after the other, so that the first viewers do not wait for all of them."""
        for mount in sorted(self._mounts.values(), key=lambda mount: mount.path.endswith("/sub")):
            if self._is_stopping.is_set():
                return
            mount.draw_scene()

    def _wait_for_threads(self) -> None:
        if self._artist.is_alive():
            self._artist.join(_STOP_TIMEOUT_S)
        for mount in self._mounts.values():
            mount.wait(_STOP_TIMEOUT_S)

    async def _drop_out(self) -> None:
        """Hangs up on the viewers of cameras that are away."""
        while True:
            await self._clock.sleep(0.25)
            for connection in list(self._connections):
                if connection.mount is not None and connection.mount.is_away:
                    connection.hang_up()


class _Connection(asyncio.Protocol):
    """One client."""

    def __init__(self, server: SimulatedCameras) -> None:
        self._server = server
        self._session = server.make_session(self._open_ports)
        self._transport: asyncio.Transport | None = None
        self._line: DatagramLine | None = None
        self.mount: SimulatedMount | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client came."""
        self._transport = cast("asyncio.Transport", transport)
        self._server.opened(self)

    def data_received(self, data: bytes) -> None:
        """Requests, and receiver reports that we do not need."""
        try:
            events = self._session.receive(data, self._server.now_s())
        except RtspError:
            self.hang_up()
            return
        if self._transport is not None and (answer := self._session.take_outgoing()):
            self._transport.write(answer)
        for event in events:
            self._take(event)

    def connection_lost(self, error: Exception | None) -> None:
        """The client went."""
        self._transport = None
        self._leave()
        if self._line is not None:
            self._line.close()
        self._server.closed(self)

    def send(self, where: Channels | Ports, packets: list[bytes], report: bytes | None) -> None:
        """See `Viewer.send`."""
        if isinstance(where, Ports):
            if self._line is not None:
                self._line.send(where, packets, report, self.mount.loss if self.mount is not None else 0.0)
            return
        if self._transport is None:
            return
        if self._transport.get_write_buffer_size() > _MAX_UNSENT_BYTES:
            self.hang_up()
        else:
            reports = interleave(where.rtcp, [report]) if report else b""
            self._transport.write(reports + interleave(where.rtp, packets))

    def hang_up(self) -> None:
        """As a camera does that loses its power: without a word."""
        if self._transport is not None:
            self._transport.abort()

    def _take(self, event: ServerEvent) -> None:
        if isinstance(event, Stopped):
            self._leave()
        elif isinstance(event, Started):
            mount = cast("SimulatedMount", event.mount)
            if mount.is_away:
                self.hang_up()
                return
            self.mount = mount
            mount.attach(self, event.channels)

    def _open_ports(self) -> Ports:
        assert self._transport is not None
        if self._line is None:
            local, client = (self._transport.get_extra_info(name)[0] for name in ("sockname", "peername"))
            self._line = DatagramLine(local, client)
        return self._line.ports

    def _leave(self) -> None:
        mount, self.mount = self.mount, None
        if mount is not None:
            mount.detach(self)
