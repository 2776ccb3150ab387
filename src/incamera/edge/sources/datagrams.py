"""The two UDP ports of one track: RTP on an even one, RTCP on the next (RFC 3550 clause 11).

Only what comes from the camera's own address counts, from whatever port: cameras send from others than they announce.
Bound to the address that the RTSP connection uses, so that nothing listens on other networks of this machine.
"""

import asyncio
import contextlib
import socket
from collections.abc import Callable
from typing import Any, Final, cast

from incamera.kit.clock import Clock
from incamera.media.rtp.packet import PacketSink, render_header
from incamera.media.rtp.reorder import ReorderBuffer
from incamera.media.rtsp.transport import Ports

_RECEIVE_BUFFER_BYTES: Final = 1024 * 1024  # a sync sample comes at once; the kernel may grant less
_TRIES: Final = 64
_GREETING_PAYLOAD_TYPE: Final = 127  # of nobody: a camera that reads it takes no notice


class NoPortsLeft(OSError):
    """No two neighbouring ports are free."""


class TrackDatagrams:
    """See above. `on_error` gets what a sink raises: there is nobody else to tell."""

    def __init__(
        self, camera_host: str, rtp: PacketSink, rtcp: PacketSink, clock: Clock, on_error: Callable[[Exception], None]
    ) -> None:
        self._camera_host = camera_host
        self._rtcp_sink = rtcp
        self._clock = clock
        self._on_error = on_error
        self._buffer = ReorderBuffer(rtp)
        self._timer: asyncio.TimerHandle | None = None
        self._rtp_end: asyncio.DatagramTransport | None = None
        self._rtcp_end: asyncio.DatagramTransport | None = None
        self._rtcp_address: tuple[Any, ...] | None = None
        self.datagrams_refused = 0  # from other addresses

    async def open(self, local_host: str) -> Ports:
        """Opens the ports; raises OSError."""
        loop = asyncio.get_running_loop()
        rtp, rtcp = bind_pair(local_host)
        ports = Ports(rtp.getsockname()[1], rtcp.getsockname()[1])
        try:
            self._rtp_end, _ = await loop.create_datagram_endpoint(lambda: _Port(self, self._take_rtp), sock=rtp)
            self._rtcp_end, _ = await loop.create_datagram_endpoint(lambda: _Port(self, self._take_rtcp), sock=rtcp)
        except OSError:
            rtcp.close()
            self.close()
            raise
        return ports

    def greet(self, server: Ports | None, report: bytes) -> None:
        """Opens the way through firewalls between us and the ports that the camera named."""
        if server is None or self._rtp_end is None:
            return
        self._rtcp_address = (self._camera_host, server.rtcp)
        self._rtp_end.sendto(render_header(_GREETING_PAYLOAD_TYPE, False, 0, 0, 0), (self._camera_host, server.rtp))
        self.send_rtcp(report)

    def send_rtcp(self, packet: bytes) -> None:
        """Sends a report, once it is known where to."""
        if self._rtcp_end is not None and self._rtcp_address is not None:
            self._rtcp_end.sendto(packet, self._rtcp_address)

    def close(self) -> None:
        """Closes the ports."""
        if self._timer is not None:
            self._timer.cancel()
        for end in (self._rtp_end, self._rtcp_end):
            if end is not None:
                end.abort()
        self._rtp_end = self._rtcp_end = None

    def take(self, data: bytes, address: tuple[Any, ...], sink: Callable[[bytes, tuple[Any, ...]], None]) -> None:
        """One datagram from anybody."""
        if address[0].partition("%")[0] != self._camera_host.partition("%")[0]:
            self.datagrams_refused += 1
            return
        try:
            sink(data, address)
        except Exception as error:  # noqa: BLE001  # raised by the taker of units: it belongs to whoever waits in `play`
            self._on_error(error)

    def _take_rtp(self, data: bytes, address: tuple[Any, ...]) -> None:
        self._buffer.receive(data, self._clock.monotonic())
        if self._timer is None and self._buffer.deadline_s is not None:
            self._set_timer()

    def _take_rtcp(self, data: bytes, address: tuple[Any, ...]) -> None:
        if self._rtcp_address is None:
            self._rtcp_address = address
        self._rtcp_sink(data, 0, len(data), self._clock.monotonic())

    def _set_timer(self) -> None:
        deadline_s = self._buffer.deadline_s
        self._timer = None
        if deadline_s is not None and self._rtp_end is not None:
            delay_s = max(0.001, deadline_s - self._clock.monotonic())
            self._timer = asyncio.get_running_loop().call_later(delay_s, self._expire)

    def _expire(self) -> None:
        try:
            self._buffer.expire(self._clock.monotonic())
        except Exception as error:  # noqa: BLE001  # as in `take`
            self._on_error(error)
        self._set_timer()


class _Port(asyncio.DatagramProtocol):
    """One socket."""

    def __init__(self, owner: TrackDatagrams, sink: Callable[[bytes, tuple[Any, ...]], None]) -> None:
        self._owner = owner
        self._sink = sink

    def datagram_received(self, data: bytes, addr: tuple[Any, ...]) -> None:
        """From anybody."""
        self._owner.take(data, addr, self._sink)

    def error_received(self, exc: Exception) -> None:
        """What we sent was refused, by a camera that wants no reports; what it sends comes all the same."""


def bind_pair(host: str) -> tuple[socket.socket, socket.socket]:
    """Two bound sockets on neighbouring ports, the lower one even; raises OSError."""
    for _ in range(_TRIES):
        with _bind(host, 0) as probe:
            even = cast("int", probe.getsockname()[1]) & ~1
        with contextlib.ExitStack() as stack, contextlib.suppress(OSError):
            lower = stack.enter_context(_bind(host, even))
            upper = stack.enter_context(_bind(host, even + 1))
            stack.pop_all()
            return lower, upper
    raise NoPortsLeft("no two neighbouring UDP ports are free")


def _bind(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    bound = socket.socket(family, socket.SOCK_DGRAM)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER_BYTES)
        bound.setblocking(False)
        bound.bind((host, port))
    except OSError:
        bound.close()
        raise
    return bound
