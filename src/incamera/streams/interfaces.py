"""What `streams` needs from above, as interfaces: `app.py` gives it the implementations (calls go down, facts come up)."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from incamera.protocol.frames import MediaFrame
from incamera.protocol.messages import (
    CameraStatus,
    Desired,
    GapCause,
    SpoolStatus,
    StreamKind,
    StreamOpen,
)


@dataclass(frozen=True, slots=True)
class EdgeIdentity:
    """An edge that proved its key."""

    edge_id: UUID
    public_key: bytes  # Ed25519, raw


class EdgeRefused(Exception):
    """This edge may not connect; `code` and the text go into the `refused` message."""

    def __init__(self, code: str, detail: str, *, is_final: bool) -> None:
        self.code, self.detail, self.is_final = code, detail, is_final
        super().__init__(detail)


class EdgeAuthenticator(Protocol):
    """Implemented by `devices`."""

    async def enrol(self, code: str, public_key: bytes, software: str) -> EdgeIdentity:
        """Spends a one-time code and remembers the key; raises EdgeRefused."""
        ...

    async def find(self, edge_id: UUID) -> EdgeIdentity:
        """The key to check a signature with; raises EdgeRefused for an unknown or removed edge."""
        ...


class EdgeRegistry(Protocol):
    """Implemented by `devices`: what an edge shall do, and what it tells of its cameras."""

    async def desired(self, edge_id: UUID) -> Desired:
        """The whole desired state of this edge, `is_watched` taken from the Hub."""
        ...

    async def connected(self, edge_id: UUID) -> None: ...

    async def disconnected(self, edge_id: UUID) -> None: ...

    async def camera_status(self, edge_id: UUID, status: CameraStatus) -> None: ...

    async def spool_status(self, edge_id: UUID, status: SpoolStatus) -> None: ...

    async def may_send(self, edge_id: UUID, channel_id: UUID, stream: StreamKind, epoch: int) -> str | None:
        """None if this edge may send that stream now, else the reason of a `stream.refuse`."""
        ...


class SpanWriter(Protocol):
    """One span being recorded. Never blocks; `on_durable` (given at opening) tells how far it is on disk."""

    def append(self, frame: MediaFrame) -> None: ...

    def close(self, cause: GapCause) -> None: ...


class SpanRecorder(Protocol):
    """Implemented by `recording`."""

    async def open_span(
        self, opened: StreamOpen, *, on_durable: Callable[[int], None], on_resend: Callable[[int], None]
    ) -> tuple[SpanWriter, int] | str | None:
        """A writer and the next sequence it wants; None if this stream is not recorded; or the reason of a refusal."""
        ...
