"""What the index knows of a segment, and the pure rules of recording: when a segment closes, what a gap is called."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from typing import Final, Protocol
from uuid import UUID

from incamera.protocol.frames import MediaFrame
from incamera.protocol.messages import GapCause, StreamKind
from incamera.storage.vault import EpochRef, HourRef

SECOND_US: Final = 1_000_000
HOUR_US: Final = 3600 * SECOND_US
SEGMENT_US: Final = 60 * SECOND_US  # closes at the first sync sample after this
LONGEST_SEGMENT_US: Final = 120 * SECOND_US  # closes here in any case
SEGMENT_HOLE_US: Final = 5 * SECOND_US  # more time than this between two chunks: a new segment
CONTINUOUS_US: Final = 2 * SECOND_US  # less than this between two segments is no gap (a run ends at 2 s)
FUTURE_US: Final = 2 * SECOND_US  # wall times further ahead are clamped
UNKNOWN_US: Final = (1 << 62) - 1  # of `missing_us`: nobody knows, so the timeline looks


class SegmentState(StrEnum):
    """`open`: being written, or left behind by a crash and not yet recovered · `closed`: has its footer."""

    OPEN = "open"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True)
class Segment:
    """One row of the index. Times are wall times; `ended_us` is that of the last chunk."""

    id: UUID
    hour: HourRef
    stream: StreamKind
    run_id: UUID
    span_id: UUID
    state: SegmentState
    started_us: int
    ended_us: int
    first_sequence: int
    next_sequence: int  # one behind the last durable chunk
    footer_offset: int  # 0 while open
    size_bytes: int
    gap_cause: GapCause  # why there may be a gap before it
    end_cause: GapCause | None  # why its span ended, if it is the span's last
    is_protected: bool = False
    damaged_us: tuple[int, int] | None = None  # the stretch that no longer opens
    # At most so much is missing just before it in its stream; may be more than is true, never less.
    missing_us: int = UNKNOWN_US

    @property
    def channel_id(self) -> UUID:
        return self.hour.channel_id

    @property
    def records(self) -> int:
        """Record 0 and one per chunk; authenticated by the footer."""
        return 1 + self.next_sequence - self.first_sequence


def segment_path(folder: Path, segment_id: UUID) -> Path:
    """Where a segment lies: the name is its random id and says nothing else."""
    name = segment_id.hex
    return folder / name[:2] / name


def hour_of(wall_us: int) -> int:
    """The UTC hour, counted from the Unix epoch."""
    return wall_us // HOUR_US


@dataclass(frozen=True, slots=True)
class OpenShape:
    """What decides whether a chunk still fits into the open segment."""

    hour: int
    started_us: int
    last_us: int
    next_sequence: int

    def takes(self, frame: MediaFrame, wall_us: int) -> bool:
        """Whole fragments: it closes before a sync sample past 60 s or past its hour, and at 120 s whatever comes.

        What follows the hour's end up to the next sync sample stays under the old hour's key: it dies earlier than it
        must, never later.
        """
        if frame.sequence != self.next_sequence or not 0 <= wall_us - self.started_us < LONGEST_SEGMENT_US:
            return False
        if wall_us - self.last_us > SEGMENT_HOLE_US:
            return False
        is_due = wall_us - self.started_us >= SEGMENT_US or hour_of(wall_us) != self.hour
        return not (is_due and frame.is_sync)


def clamp_wall(wall_us: int, now_us: int) -> int:
    """An edge's clock may be wrong; the future is not recorded."""
    return min(wall_us, now_us + FUTURE_US)


_ENDS_THAT_EXPLAIN: Final = frozenset({GapCause.SERVER_STOPPED, GapCause.DISK_FULL, GapCause.TURNED_OFF})


def cause_of_gap(ended: GapCause | None, begun: GapCause) -> GapCause:
    """The cause to show between two segments: what the server itself knows goes before what the edge supposes.

    A stop of the server alone loses nothing, as an edge keeps what comes meanwhile; unless that did not fit.
    """
    if begun is GapCause.SPOOL_FULL and ended is GapCause.SERVER_STOPPED:
        return begun
    if ended in _ENDS_THAT_EXPLAIN:
        return ended
    return begun


class ChannelRule(Protocol):
    """What the owner wants of a channel, as far as recording needs to know (`devices.RecordingPlan`)."""

    @property
    def device_id(self) -> UUID: ...

    @property
    def epoch(self) -> int: ...

    @property
    def is_recorded(self) -> bool: ...

    @property
    def is_sound_recorded(self) -> bool: ...

    @property
    def keep(self) -> timedelta: ...

    @property
    def epoch_ref(self) -> EpochRef: ...


class KeepRule(Protocol):
    """How long a channel's recordings are kept; `sees_public_space` decides which rule of the notice it falls under."""

    @property
    def keep(self) -> timedelta: ...

    @property
    def sees_public_space(self) -> bool: ...


class ChannelRules(Protocol):
    """Implemented by `devices` (`DevicePlans`)."""

    async def find(self, channel_id: UUID) -> ChannelRule | None:
        """None for a channel that does not exist (any more)."""
        ...

    async def keep(self) -> Mapping[UUID, KeepRule]:
        """How long each channel's recordings are kept, for every channel there is."""
        ...
