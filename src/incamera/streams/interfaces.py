"""What `streams` needs from above, as interfaces.

`app.py` gives `streams` the implementations: calls go down, facts come up.
"""

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
    """An edge and the key it proves itself with."""

    edge_id: UUID
    public_key: bytes  # Ed25519, raw


class EdgeRefused(Exception):
    """This edge may not connect; `code` and the text go into the `refused` message."""

    def __init__(self, code: str, detail: str, *, is_final: bool) -> None:
        self.code, self.detail, self.is_final = code, detail, is_final
        super().__init__(detail)


class EdgeAuthenticator(Protocol):
    """Implemented by `devices`. `streams` has checked the signature before `enrol` and checks it after `find`."""

    async def enrol(self, code: str, public_key: bytes, software: str) -> EdgeIdentity:
        """Spends a one-time code and remembers the key; raises EdgeRefused."""
        ...

    async def find(self, edge_id: UUID) -> EdgeIdentity:
        """The key to check a signature with; raises EdgeRefused for an unknown or removed edge."""
        ...


class EdgeRegistry(Protocol):
    """Implemented by `devices`: what an edge shall do, and what it tells of its cameras.

    One call at a time per edge, in the order things happened. `desired` is asked after `connected` and whenever
    `UplinkDirectory.refresh_desired` was called; `is_watched` and `version` in the answer are overwritten by `streams`,
    which knows better.
    """

    async def desired(self, edge_id: UUID) -> Desired: ...

    async def connected(self, edge_id: UUID) -> None: ...

    async def disconnected(self, edge_id: UUID) -> None: ...

    async def camera_status(self, edge_id: UUID, status: CameraStatus) -> None: ...

    async def spool_status(self, edge_id: UUID, status: SpoolStatus) -> None: ...

    async def may_send(self, edge_id: UUID, channel_id: UUID, stream: StreamKind, epoch: int) -> str | None:
        """None if this edge may send that stream now, else the reason of a `stream.refuse`."""
        ...


class SpanWriter(Protocol):
    """One span being recorded. Never blocks and never raises; used from the event loop only.

    Frames come in the order the edge sent them. A frame whose sequence is not the next wanted one is the writer's to
    judge: an earlier one it has already; a later one means that it dropped something and asked for it by `on_resend`.
    """

    def append(self, frame: MediaFrame) -> None: ...

    def close(self, cause: GapCause) -> None:
        """No further frame will come on this connection: the span ended, or the line did (`GapCause.LINE_LOST`)."""
        ...


class SpanRecorder(Protocol):
    """Implemented by `recording`."""

    async def open_span(
        self, opened: StreamOpen, *, on_durable: Callable[[int], None], on_resend: Callable[[int], None]
    ) -> tuple[SpanWriter, int] | str | None:
        """A writer and the next sequence it wants; None if this stream is not recorded; or the reason of a refusal.

        `on_durable(sequence)` and `on_resend(sequence)` are called in the event loop, also after `close`.
        """
        ...
