"""The index of recordings: one row per segment. Ids and times only; what was recorded lies in the sealed file."""

from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, ColumnElement, Index, literal_column
from sqlalchemy.orm import Mapped, mapped_column

from incamera.privacy import not_personal, personal
from incamera.recording.model import CONTINUOUS_US, UNKNOWN_US
from incamera.storage.database import Base

_INDEX = personal("B5.record/recording_index")
_PATH = personal("B5.record/segment_path")
_CHANNEL = personal("B5.record/channel_id")


class SegmentRow(Base):
    """See `model.Segment`. Kept in step with the files by `recovery`, deleted with its hour by `erasure`."""

    __tablename__ = "segment"

    id: Mapped[UUID] = mapped_column(primary_key=True, info=_PATH)
    device_id: Mapped[UUID] = mapped_column(info=not_personal("random id of a device"))
    epoch: Mapped[int] = mapped_column(info=not_personal("counts ownership periods of a device"))
    channel_id: Mapped[UUID] = mapped_column(info=_CHANNEL)
    hour: Mapped[int] = mapped_column(info=_INDEX)
    stream: Mapped[str] = mapped_column(info=not_personal("which of a camera's streams"))
    run_id: Mapped[UUID] = mapped_column(info=not_personal("random id of a run"))
    span_id: Mapped[UUID] = mapped_column(info=not_personal("random id of a span"))
    state: Mapped[str] = mapped_column(info=not_personal("whether the file is complete"))
    started_us: Mapped[int] = mapped_column(BigInteger, info=_INDEX)
    ended_us: Mapped[int] = mapped_column(BigInteger, info=_INDEX)
    first_sequence: Mapped[int] = mapped_column(BigInteger, info=not_personal("counts chunks of a span"))
    next_sequence: Mapped[int] = mapped_column(BigInteger, info=not_personal("counts chunks of a span"))
    footer_offset: Mapped[int] = mapped_column(BigInteger, info=not_personal("place in a file"))
    size_bytes: Mapped[int] = mapped_column(BigInteger, info=_INDEX)
    gap_cause: Mapped[str] = mapped_column(info=_INDEX)
    end_cause: Mapped[str | None] = mapped_column(info=_INDEX)
    is_protected: Mapped[bool] = mapped_column(default=False, info=not_personal("whether a full disk spares it"))
    damaged_from_us: Mapped[int | None] = mapped_column(BigInteger, info=not_personal("which bytes no longer open"))
    damaged_to_us: Mapped[int | None] = mapped_column(BigInteger, info=not_personal("which bytes no longer open"))
    missing_us: Mapped[int] = mapped_column(BigInteger, default=UNKNOWN_US, info=_INDEX)


# The timeline is answered from this index alone (measured with a million rows: docs/design/segments.md).
Index(
    "ix_segment_timeline",
    SegmentRow.channel_id,
    SegmentRow.stream,
    SegmentRow.started_us,
    SegmentRow.ended_us,
    SegmentRow.gap_cause,
    SegmentRow.end_cause,
)
# Conditions of partial indexes stand in figures here and in the statements: behind a parameter no planner finds them.
MAY_BEGIN = SegmentRow.missing_us > literal_column(str(CONTINUOUS_US))
IS_OPEN = SegmentRow.state == literal_column("'open'")
IS_EVICTABLE: ColumnElement[Any] = literal_column("state = 'closed' AND NOT is_protected")  # not typed: no "= 1" behind
IS_DAMAGED = SegmentRow.damaged_from_us.is_not(None)


def _index(name: str, *columns: Any, where: Any) -> None:
    Index(name, *columns, sqlite_where=where, postgresql_where=where)


# The few segments that something may be missing before: what a month looks like is read from these.
_index("ix_segment_break", SegmentRow.channel_id, SegmentRow.started_us, SegmentRow.missing_us, where=MAY_BEGIN)
# What retention erases at once is one value of the first four columns: it is found, and dated, from this index alone.
Index(
    "ix_segment_hour",
    SegmentRow.channel_id,
    SegmentRow.hour,
    SegmentRow.device_id,
    SegmentRow.epoch,
    SegmentRow.started_us,
)
Index("ix_segment_epoch", SegmentRow.device_id, SegmentRow.epoch)
Index("ix_segment_span", SegmentRow.span_id, SegmentRow.next_sequence)
_index("ix_segment_open", SegmentRow.state, where=IS_OPEN)
_index("ix_segment_damaged", SegmentRow.channel_id, SegmentRow.damaged_from_us, where=IS_DAMAGED)
# There is no plain index by time: PostgreSQL prefers it to the timeline's for "the first of this channel from ..." and
# then reads a hundred thousand rows of the others (measured: 160 ms instead of 5).
_index("ix_segment_evictable", SegmentRow.started_us, where=IS_EVICTABLE)
