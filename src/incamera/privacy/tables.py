"""Evidence of retention: what each rule did last, and every run that erased something. Nobody's data."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import String
from sqlalchemy.orm import Mapped, mapped_column

from incamera.privacy.marks import not_personal
from incamera.storage.database import Base, UtcDateTime


class RetentionStateRow(Base):
    """The last run of one rule, one row per rule."""

    __tablename__ = "retention_state"

    rule: Mapped[str] = mapped_column(String(64), primary_key=True, info=not_personal("hash of a declared rule"))
    activity: Mapped[str] = mapped_column(String(64), info=not_personal("id of an activity"))
    ran_at: Mapped[datetime] = mapped_column(UtcDateTime, index=True, info=not_personal("when the engine ran"))
    cutoff: Mapped[datetime | None] = mapped_column(UtcDateTime, info=not_personal("what was older had to go"))
    erased: Mapped[int] = mapped_column(info=not_personal("count of the last run"))
    erased_in_all: Mapped[int] = mapped_column(info=not_personal("count since the first run"))
    oldest_at: Mapped[datetime | None] = mapped_column(UtcDateTime, info=not_personal("age of the oldest item left"))
    overdue: Mapped[int] = mapped_column(info=not_personal("count of items past their time"))


class RetentionRunRow(Base):
    """One run that erased something; kept for a year."""

    __tablename__ = "retention_run"

    id: Mapped[UUID] = mapped_column(primary_key=True, info=not_personal("random row id"))
    rule: Mapped[str] = mapped_column(String(64), index=True, info=not_personal("hash of a declared rule"))
    activity: Mapped[str] = mapped_column(String(64), info=not_personal("id of an activity"))
    ran_at: Mapped[datetime] = mapped_column(UtcDateTime, index=True, info=not_personal("when the engine ran"))
    cutoff: Mapped[datetime | None] = mapped_column(UtcDateTime, info=not_personal("what was older had to go"))
    erased: Mapped[int] = mapped_column(info=not_personal("count"))
    oldest_at: Mapped[datetime | None] = mapped_column(UtcDateTime, info=not_personal("age of the oldest item left"))
