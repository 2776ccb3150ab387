"""Who watched what, for the owner to see. The viewer's address is sealed under the viewer's account."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey, Index, LargeBinary
from sqlalchemy.orm import Mapped, mapped_column

from incamera.privacy import not_personal, personal
from incamera.storage.database import Base, UtcDateTime


class LiveSessionRow(Base):
    """One stretch of watching one channel. `last_seen_at`, the clock of retention, moves on while it lasts."""

    __tablename__ = "live_session"
    __table_args__ = (Index("ix_live_session_channel", "channel_id", "started_at"),)

    id: Mapped[UUID] = mapped_column(primary_key=True, info=not_personal("random row id"))
    account_id: Mapped[UUID] = mapped_column(
        ForeignKey("account.id", ondelete="CASCADE"), index=True, info=personal("B4.live_view/viewing_log")
    )
    channel_id: Mapped[UUID] = mapped_column(info=personal("B4.live_view/viewing_log"))
    started_at: Mapped[datetime] = mapped_column(UtcDateTime, info=personal("B4.live_view/viewing_log"))
    last_seen_at: Mapped[datetime] = mapped_column(UtcDateTime, index=True, info=personal("B4.live_view/viewing_log"))
    viewer_ip: Mapped[bytes] = mapped_column(LargeBinary, info=personal("B4.live_view/viewer_ip"))
