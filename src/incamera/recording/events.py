"""What happened to recordings, for those above."""

from dataclasses import dataclass
from uuid import UUID

from incamera.protocol.messages import StreamKind


@dataclass(frozen=True, slots=True)
class RecordingDamaged:
    """A stretch of a recording was found altered or missing. Wall times in microseconds."""

    channel_id: UUID
    stream: StreamKind
    from_us: int
    to_us: int
