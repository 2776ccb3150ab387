"""The values of the Hub: which stream, which run, which chunk, which state."""

from dataclasses import dataclass
from typing import Final, Literal, NamedTuple
from uuid import UUID

from incamera.protocol import websocket
from incamera.protocol.frames import VIEWER_HEADER_BYTES, render_viewer_header
from incamera.protocol.messages import CameraFault, CameraState, GapCause, StreamKind


class StreamKey(NamedTuple):
    """One stream of one channel, wherever its media come from."""

    channel_id: UUID
    stream: StreamKind


@dataclass(frozen=True, slots=True)
class Gap:
    """What lies between a run and the one before it."""

    cause: GapCause
    seconds: float | None  # None: there was none before it in this process's memory


@dataclass(frozen=True, slots=True)
class Run:
    """An unbroken stretch of a stream with one init segment: what a player needs before its chunks."""

    run_id: UUID
    codec: str  # RFC 6381
    timescale: int
    init_segment: bytes
    wall_start_us: int
    decode_start: int
    width: int
    height: int
    gap: Gap | None


class LiveChunk:
    """One chunk on its way to the viewers. Holds its bytes once: bare until somebody watches, framed from then on.

    `framed` is `frame` without the question whether it is there yet: empty until somebody asked for `frame`. A thousand
    viewers a picture save a call each.
    """

    __slots__ = ("_chunk", "_handle", "decode_time", "framed", "is_sync", "published_at", "size_bytes", "wall_us")

    def __init__(
        self, handle: int, is_sync: bool, decode_time: int, wall_us: int, chunk: bytes, published_at: float
    ) -> None:
        self._handle, self._chunk, self.framed = handle, chunk, b""
        self.is_sync = is_sync
        self.decode_time = decode_time  # ticks of the run's timescale
        self.wall_us = wall_us
        self.published_at = published_at  # seconds of the Hub's monotonic clock
        self.size_bytes = len(chunk)

    @property
    def frame(self) -> bytes:
        """The whole WebSocket message, ready to write; the same object for every viewer."""
        if not self.framed:
            header = render_viewer_header(self._handle, self.is_sync, self.decode_time, self.wall_us)
            message_header = websocket.render_binary_header(VIEWER_HEADER_BYTES + self.size_bytes)
            self.framed = b"".join((message_header, header, self._chunk))
            self._chunk = b""
        return self.framed

    @property
    def data(self) -> memoryview:
        """The chunk alone: `moof` and `mdat`."""
        if self.framed:
            return memoryview(self.framed)[len(self.framed) - self.size_bytes :]
        return memoryview(self._chunk)


EDGE_OFFLINE: Final = "edge_offline"  # the fault of a camera whose edge is not connected


@dataclass(frozen=True, slots=True)
class ChannelState:
    """What the edge says of a camera, or what follows from its absence."""

    state: CameraState
    fault: CameraFault | Literal["edge_offline"]
    since_us: int
