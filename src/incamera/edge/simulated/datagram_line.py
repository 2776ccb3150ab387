"""The way from a simulated camera to one client over UDP, as good or bad as its profile says."""

import contextlib
import random
from typing import Final

from incamera.edge.sources.datagrams import bind_pair
from incamera.media.rtsp.transport import Ports

_OVERTAKEN: Final = 0.01  # where anything is lost at all, so many are late by a few packets …
_TWICE: Final = 0.005  # … and so many come again
_LATE_BY: Final = 3


class DatagramLine:
    """Two sockets. Losses are random, but the same each time: a test that fails once fails again."""

    def __init__(self, local_host: str, client_host: str) -> None:
        self._client_host = client_host
        self._rtp, self._rtcp = bind_pair(local_host)
        self.ports = Ports(self._rtp.getsockname()[1], self._rtcp.getsockname()[1])
        self._chance = random.Random(4711)  # noqa: S311  # nothing secret
        self._late: list[tuple[int, bytes]] = []  # (after so many packets, packet)

    def send(self, to: Ports, packets: list[bytes], report: bytes | None, loss: float) -> None:
        """Sends what does not get lost. A full socket buffer loses, too, as a full line does."""
        with contextlib.suppress(OSError):
            if report is not None:
                self._rtcp.sendto(report, (self._client_host, to.rtcp))
            for packet in packets if loss == 0 else self._spoil(packets, loss):
                self._rtp.sendto(packet, (self._client_host, to.rtp))

    def close(self) -> None:
        """Closes the sockets."""
        self._rtp.close()
        self._rtcp.close()

    def _spoil(self, packets: list[bytes], loss: float) -> list[bytes]:
        out: list[bytes] = []
        for packet in packets:
            fate = self._chance.random()
            if fate < loss:
                continue
            if fate < loss + _OVERTAKEN:
                self._late.append((_LATE_BY, packet))
                continue
            out.append(packet)
            if fate > 1 - _TWICE:
                out.append(packet)
            out += (late for after, late in self._late if after == 0)
            self._late = [(after - 1, late) for after, late in self._late if after > 0]
        return out
