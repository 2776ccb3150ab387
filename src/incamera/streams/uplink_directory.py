"""Which edges are connected here, and how the rest of the server asks them for something."""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

import structlog
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from incamera.kit.clock import Clock
from incamera.protocol import websocket
from incamera.protocol.messages import AnySource, GapCause, Probe, ProbeResult, SnapshotResult, TakeSnapshot
from incamera.streams.connection import SocketRequest, WebSocketConnection
from incamera.streams.errors import EdgeNotConnected
from incamera.streams.hub import Hub
from incamera.streams.interfaces import EdgeAuthenticator, EdgeRegistry, SpanRecorder
from incamera.streams.model import StreamKey
from incamera.streams.uplink import UplinkSocket

log = structlog.get_logger(__name__)

UPLINK_PATH: Final = "/uplink/v1"
PROBE_TIMEOUT_S: Final = 20.0
SNAPSHOT_TIMEOUT_S: Final = 10.0

Bindings = Callable[[SocketRequest], Sequence[bytes]]


@dataclass(frozen=True, slots=True)
class UplinkContext:
    """Everyone an uplink works with.

    `bindings` says which SHA-256 hashes of server certificates a signature on this connection may name: those of our
    certificate (or of the trusted proxy's), and `b""` for plain HTTP on loopback. An edge that was lured to another
    server has signed that one's certificate.
    """

    hub: Hub
    authenticator: EdgeAuthenticator
    registry: EdgeRegistry
    recorder: SpanRecorder
    spool_key: X25519PrivateKey
    bindings: Bindings
    clock: Clock


class UplinkDirectory:
    """The edges connected to this process, and how to ask them for something."""

    def __init__(self, context: UplinkContext) -> None:
        self._context = context
        self._sockets: dict[UUID, UplinkSocket] = {}
        self._presence: defaultdict[UUID, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._farewells: set[asyncio.Task[None]] = set()
        context.hub.on_watch_change(self._watch_changed)
        context.hub.on_sync_wanted(self._want_sync)

    def make_socket(self, connection: WebSocketConnection) -> UplinkSocket:
        """`sockets.add_route(UPLINK_PATH, directory.make_socket, is_for_browsers=False)`."""
        return UplinkSocket(connection, self._context, self)

    def is_connected(self, edge_id: UUID) -> bool:
        return edge_id in self._sockets

    @property
    def edge_count(self) -> int:
        """Connected edges, for the metrics."""
        return len(self._sockets)

    def refresh_desired(self, edge_id: UUID) -> None:
        """Something this edge shall do has changed (committed): asks the registry and sends the whole state anew."""
        socket = self._sockets.get(edge_id)
        if socket is not None:
            socket.refresh_desired()

    def disconnect(self, edge_id: UUID, reason: str) -> None:
        """The edge was removed: its connection closes now and finds no key to come back with."""
        socket = self._sockets.get(edge_id)
        if socket is not None:
            socket.stop(GapCause.TURNED_OFF)
            socket.connection.close(websocket.POLICY, reason)

    async def probe(self, edge_id: UUID, source: AnySource, timeout_s: float = PROBE_TIMEOUT_S) -> ProbeResult:
        """Lets an edge try a camera. Raises EdgeNotConnected, EdgeBusy or EdgeDidNotAnswer."""
        return await self._get(edge_id).ask(lambda at: Probe(request_id=at, source=source), ProbeResult, timeout_s)

    async def snapshot(self, edge_id: UUID, channel_id: UUID, timeout_s: float = SNAPSHOT_TIMEOUT_S) -> SnapshotResult:
        """A fresh picture of a channel. Raises EdgeNotConnected, EdgeBusy or EdgeDidNotAnswer."""
        socket = self._get(edge_id)
        return await socket.ask(
            lambda at: TakeSnapshot(request_id=at, channel_id=channel_id), SnapshotResult, timeout_s
        )

    async def settle(self) -> None:
        """Waits until the registry has heard of every edge that left. Part of a graceful stop."""
        while self._farewells:
            await asyncio.wait(self._farewells)

    # --- for UplinkSocket -------------------------------------------------------------------------------------------

    def attach(self, edge_id: UUID, socket: UplinkSocket) -> None:
        """This connection speaks for the edge from now on."""
        older = self._sockets.get(edge_id)
        self._sockets[edge_id] = socket
        if older is not None:
            log.info("uplink.replaced", edge_id=str(edge_id))
            older.stop(GapCause.LINE_LOST)
            older.connection.close(websocket.POLICY, "a newer connection of this edge took over")

    def detach(self, edge_id: UUID, socket: UplinkSocket) -> bool:
        """This connection is over. False if a newer one has taken over: then the edge is not gone."""
        if self._sockets.get(edge_id) is not socket:
            return False
        del self._sockets[edge_id]
        farewell = asyncio.get_running_loop().create_task(self.tell_presence(edge_id))
        self._farewells.add(farewell)
        farewell.add_done_callback(self._farewells.discard)
        return True

    async def tell_presence(self, edge_id: UUID) -> None:
        """Tells the registry what is true now; calls for one edge never overlap, so the last word is the right one."""
        async with self._presence[edge_id]:
            if self.is_connected(edge_id):
                await self._context.registry.connected(edge_id)
            else:
                await self._context.registry.disconnected(edge_id)

    def _get(self, edge_id: UUID) -> UplinkSocket:
        socket = self._sockets.get(edge_id)
        if socket is None:
            raise EdgeNotConnected
        return socket

    def _watch_changed(self, key: StreamKey, _is_watched: bool) -> None:
        for socket in self._sockets.values():
            socket.watch_changed(key)

    def _want_sync(self, key: StreamKey) -> None:
        for socket in self._sockets.values():
            socket.want_sync(key)
