"""Ownership and grants. Ids and times only: whatever has words in it lives, sealed, in the feature it belongs to."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import JSON, ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from incamera.privacy import not_personal, personal
from incamera.storage.database import Base, UtcDateTime


class GuardedDeviceRow(Base):
    """A device as far as the doors need to know it. `time_zone` is a copy that `devices` keeps right."""

    __tablename__ = "guarded_device"

    device_id: Mapped[UUID] = mapped_column(primary_key=True, info=not_personal("random id of a device"))
    time_zone: Mapped[str] = mapped_column(info=personal("B3.device_add/time_zone"))
    is_suspended: Mapped[bool] = mapped_column(default=False, info=not_personal("whether nothing may flow just now"))


class GuardedChannelRow(Base):
    """Which device a channel belongs to."""

    __tablename__ = "guarded_channel"

    channel_id: Mapped[UUID] = mapped_column(primary_key=True, info=not_personal("random id of a channel"))
    device_id: Mapped[UUID] = mapped_column(
        ForeignKey("guarded_device.device_id", ondelete="CASCADE"),
        index=True,
        info=not_personal("random id of a device"),
    )


class OwnershipRow(Base):
    """One period of a device in one account. Epochs of a device count from 1 and never come back."""

    __tablename__ = "ownership"
    __table_args__ = (Index("ix_ownership_account", "account_id", "ended_at"), Index("ix_ownership_ended", "ended_at"))

    device_id: Mapped[UUID] = mapped_column(
        ForeignKey("guarded_device.device_id", ondelete="CASCADE"),
        primary_key=True,
        info=personal("B3.device_add/ownership"),
    )
    epoch: Mapped[int] = mapped_column(primary_key=True, info=personal("B3.device_add/ownership"))
    account_id: Mapped[UUID] = mapped_column(ForeignKey("account.id"), info=personal("B3.device_add/ownership"))
    started_at: Mapped[datetime] = mapped_column(UtcDateTime, info=personal("B3.device_add/ownership"))
    ended_at: Mapped[datetime | None] = mapped_column(UtcDateTime, info=personal("B3.device_add/ownership"))


class GrantRow(Base):
    """What an owner allowed another account. `last_valid_at`, the clock of retention, is its end as far as known."""

    __tablename__ = "access_grant"
    __table_args__ = (Index("ix_access_grant_door", "device_id", "grantee_id"),)

    id: Mapped[UUID] = mapped_column(primary_key=True, info=not_personal("random id of a grant"))
    device_id: Mapped[UUID] = mapped_column(
        ForeignKey("guarded_device.device_id", ondelete="CASCADE"), info=personal("B9.share/grant")
    )
    epoch: Mapped[int] = mapped_column(info=personal("B9.share/grant"))
    grantee_id: Mapped[UUID] = mapped_column(ForeignKey("account.id"), index=True, info=personal("B9.share/grant"))
    permissions: Mapped[list[str]] = mapped_column(JSON, info=personal("B9.share/grant"))
    channels: Mapped[list[str] | None] = mapped_column(JSON(none_as_null=True), info=personal("B9.share/grant"))
    weekdays: Mapped[list[int] | None] = mapped_column(JSON(none_as_null=True), info=personal("B9.share/grant"))
    from_minute: Mapped[int | None] = mapped_column(info=personal("B9.share/grant"))
    to_minute: Mapped[int | None] = mapped_column(info=personal("B9.share/grant"))
    starts_at: Mapped[datetime] = mapped_column(UtcDateTime, info=personal("B9.share/grant"))
    ends_at: Mapped[datetime | None] = mapped_column(UtcDateTime, info=personal("B9.share/grant"))
    look_back_s: Mapped[int | None] = mapped_column(info=personal("B9.share/grant"))
    is_revoked: Mapped[bool] = mapped_column(default=False, info=personal("B9.share/grant"))
    last_valid_at: Mapped[datetime] = mapped_column(UtcDateTime, index=True, info=personal("B9.share/grant"))
