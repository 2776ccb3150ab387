"""Devices, their channels, edges. Names, addresses and texts are sealed under the device's epoch key, secrets twice."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey, Index, LargeBinary, String
from sqlalchemy.orm import Mapped, mapped_column

from incamera.privacy import not_personal, personal
from incamera.storage.database import Base, UtcDateTime

_NAME = "B7.name_cover/name"
_CONFIGURATION = "B6.activate_config/configuration"
_CARD = "B0.people_in_view/privacy_card"
_EDGE = "B6.activate_config/edge"


class EdgeRow(Base):
    """A program beside cameras. `account_id` is empty for the local edge of a server that has no owner yet."""

    __tablename__ = "edge"

    id: Mapped[UUID] = mapped_column(primary_key=True, info=not_personal("random id of an edge"))
    account_id: Mapped[UUID | None] = mapped_column(
        ForeignKey("account.id", ondelete="CASCADE"), index=True, info=personal(_EDGE)
    )
    name: Mapped[bytes | None] = mapped_column(LargeBinary, info=personal(_EDGE))
    public_key: Mapped[bytes] = mapped_column(LargeBinary(32), unique=True, info=personal(_EDGE))
    is_local: Mapped[bool] = mapped_column(info=not_personal("whether the server started it"))
    software: Mapped[str] = mapped_column(String(64), info=not_personal("name and version of the edge program"))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, info=personal(_EDGE))
    last_seen_at: Mapped[datetime | None] = mapped_column(UtcDateTime, info=personal(_EDGE))
    removed_at: Mapped[datetime | None] = mapped_column(UtcDateTime, index=True, info=personal(_EDGE))


class EnrolmentCodeRow(Base):
    """A one-time code that lets one edge in."""

    __tablename__ = "edge_enrolment"

    code_hash: Mapped[bytes] = mapped_column(
        LargeBinary(32), primary_key=True, info=personal("B6.activate_config/enrolment_code")
    )
    edge_id: Mapped[UUID] = mapped_column(info=not_personal("random id the edge will have"))
    account_id: Mapped[UUID | None] = mapped_column(
        ForeignKey("account.id", ondelete="CASCADE"), info=personal("B6.activate_config/enrolment_code")
    )
    name: Mapped[bytes | None] = mapped_column(LargeBinary, info=personal("B6.activate_config/enrolment_code"))
    is_local: Mapped[bool] = mapped_column(info=not_personal("whether it is for the edge the server starts"))
    created_at: Mapped[datetime] = mapped_column(
        UtcDateTime, index=True, info=personal("B6.activate_config/enrolment_code")
    )


class DeviceRow(Base):
    __tablename__ = "device"

    id: Mapped[UUID] = mapped_column(
        ForeignKey("guarded_device.device_id"), primary_key=True, info=not_personal("random id of a device")
    )
    epoch: Mapped[int] = mapped_column(info=not_personal("count of ownership periods"))
    edge_id: Mapped[UUID] = mapped_column(ForeignKey("edge.id"), index=True, info=not_personal("random id of an edge"))
    kind: Mapped[str] = mapped_column(String(16), info=personal("B3.device_add/kind"))
    serial: Mapped[bytes | None] = mapped_column(LargeBinary, info=personal("B3.device_add/device_serial"))
    model: Mapped[bytes | None] = mapped_column(LargeBinary, info=personal("B3.device_add/model"))
    time_zone: Mapped[str] = mapped_column(String(64), info=personal("B3.device_add/time_zone"))
    name: Mapped[bytes] = mapped_column(LargeBinary, info=personal(_NAME))
    registered_at: Mapped[datetime] = mapped_column(UtcDateTime, info=personal("B6.activate_config/registered_at"))
    card_purpose: Mapped[bytes | None] = mapped_column(LargeBinary, info=personal(_CARD))
    card_placement: Mapped[str | None] = mapped_column(String(16), info=personal(_CARD))
    card_sees_public_space: Mapped[bool | None] = mapped_column(info=personal(_CARD))
    card_staff_informed: Mapped[bool | None] = mapped_column(info=personal(_CARD))
    card_sound: Mapped[bool | None] = mapped_column(info=personal(_CARD))
    sign_code: Mapped[str | None] = mapped_column(String(32), unique=True, info=personal("B0.people_in_view/sign_code"))
    removed_at: Mapped[datetime | None] = mapped_column(
        UtcDateTime, index=True, info=personal("B6.activate_config/removed_at")
    )


class ChannelRow(Base):
    __tablename__ = "channel"
    __table_args__ = (Index("uq_channel_number", "device_id", "number", unique=True),)

    id: Mapped[UUID] = mapped_column(
        ForeignKey("guarded_channel.channel_id"), primary_key=True, info=not_personal("random id of a channel")
    )
    device_id: Mapped[UUID] = mapped_column(
        ForeignKey("device.id", ondelete="CASCADE"), info=not_personal("random id of a device")
    )
    number: Mapped[int] = mapped_column(info=personal(_CONFIGURATION))
    name: Mapped[bytes] = mapped_column(LargeBinary, info=personal(_NAME))
    mode: Mapped[str] = mapped_column(String(8), info=personal(_CONFIGURATION))
    sound: Mapped[bool] = mapped_column(info=personal(_CONFIGURATION))
    keep_hours: Mapped[int] = mapped_column(info=personal(_CONFIGURATION))
    scheme: Mapped[str] = mapped_column(String(8), info=personal(_CONFIGURATION))
    host: Mapped[bytes] = mapped_column(LargeBinary, info=personal("B6.activate_config/device_ip"))
    port: Mapped[int] = mapped_column(info=personal("B6.activate_config/device_port"))
    path: Mapped[bytes] = mapped_column(LargeBinary, info=personal(_CONFIGURATION))
    sub_scheme: Mapped[str | None] = mapped_column(String(8), info=personal(_CONFIGURATION))
    sub_host: Mapped[bytes | None] = mapped_column(LargeBinary, info=personal("B6.activate_config/device_ip"))
    sub_port: Mapped[int | None] = mapped_column(info=personal("B6.activate_config/device_port"))
    sub_path: Mapped[bytes | None] = mapped_column(LargeBinary, info=personal(_CONFIGURATION))
    certificate: Mapped[str | None] = mapped_column(String(64), info=personal(_CONFIGURATION))
    username: Mapped[bytes | None] = mapped_column(LargeBinary, info=personal("B3.device_add/device_username"))
    password: Mapped[bytes | None] = mapped_column(LargeBinary, info=personal("B3.device_add/device_password"))
    video_codec: Mapped[str] = mapped_column(String(32), default="", info=personal(_CONFIGURATION))
    audio_codec: Mapped[str] = mapped_column(String(32), default="", info=personal(_CONFIGURATION))
    width: Mapped[int] = mapped_column(default=0, info=personal(_CONFIGURATION))
    height: Mapped[int] = mapped_column(default=0, info=personal(_CONFIGURATION))


class ChannelStatusRow(Base):
    """What an edge said last of a camera."""

    __tablename__ = "channel_status"

    channel_id: Mapped[UUID] = mapped_column(
        ForeignKey("channel.id", ondelete="CASCADE"), primary_key=True, info=not_personal("random id of a channel")
    )
    state: Mapped[str] = mapped_column(String(16), info=personal("B6.online_status/status"))
    fault: Mapped[str] = mapped_column(String(32), info=personal("B6.online_status/status"))
    since: Mapped[datetime] = mapped_column(UtcDateTime, info=personal("B6.online_status/status"))


class ChannelStatusChangeRow(Base):
    """The same, over the last day (B6-05)."""

    __tablename__ = "channel_status_change"

    id: Mapped[UUID] = mapped_column(primary_key=True, info=not_personal("random row id"))
    channel_id: Mapped[UUID] = mapped_column(
        ForeignKey("channel.id", ondelete="CASCADE"), index=True, info=not_personal("random id of a channel")
    )
    state: Mapped[str] = mapped_column(String(16), info=personal("B6.online_status/status_change"))
    fault: Mapped[str] = mapped_column(String(32), info=personal("B6.online_status/status_change"))
    at: Mapped[datetime] = mapped_column(UtcDateTime, index=True, info=personal("B6.online_status/status_change"))


class CoverRow(Base):
    """The still picture of a channel, sealed under a key of its own."""

    __tablename__ = "cover"

    channel_id: Mapped[UUID] = mapped_column(
        ForeignKey("channel.id", ondelete="CASCADE"), primary_key=True, info=not_personal("random id of a channel")
    )
    item_id: Mapped[UUID] = mapped_column(unique=True, info=not_personal("random id of the key of this picture"))
    taken_at: Mapped[datetime] = mapped_column(UtcDateTime, index=True, info=personal("B7.name_cover/cover"))
    picture: Mapped[bytes] = mapped_column(LargeBinary, info=personal("B7.name_cover/cover"))


class DeviceChangeRow(Base):
    """That an owner changed something of a device, never from what or to what (B6-03)."""

    __tablename__ = "device_change"

    id: Mapped[UUID] = mapped_column(primary_key=True, info=not_personal("random row id"))
    device_id: Mapped[UUID] = mapped_column(
        ForeignKey("device.id", ondelete="CASCADE"), index=True, info=personal("B8.device_password/change_event")
    )
    field: Mapped[str] = mapped_column(String(32), info=personal("B8.device_password/change_event"))
    at: Mapped[datetime] = mapped_column(UtcDateTime, index=True, info=personal("B8.device_password/change_event"))
