"""Who looked at which recordings, for the owner to see. The viewer's address is not kept here at all."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from incamera.privacy import not_personal, personal
from incamera.storage.database import Base, UtcDateTime


class PlaybackSessionRow(Base):
    """One stretch of looking back at one channel. `last_seen_at`, the clock of retention, moves on while it lasts."""

    __tablename__ = "playback_session"
    __table_args__ = (Index("ix_playback_session_channel", "channel_id", "started_at"),)

    id: Mapped[UUID] = mapped_column(primary_key=True, info=not_personal("random row id"))
    account_id: Mapped[UUID] = mapped_column(
        ForeignKey("account.id", ondelete="CASCADE"), index=True, info=personal("B5.playback/viewing_log")
    )
    channel_id: Mapped[UUID] = mapped_column(info=personal("B5.playback/viewing_log"))
    started_at: Mapped[datetime] = mapped_column(UtcDateTime, info=personal("B5.playback/viewing_log"))
    last_seen_at: Mapped[datetime] = mapped_column(UtcDateTime, index=True, info=personal("B5.playback/viewing_log"))
