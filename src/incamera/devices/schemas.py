"""Wire types of devices and edges."""

from base64 import b64encode
from datetime import datetime
from typing import Annotated, Literal, Self
from uuid import UUID

from pydantic import AfterValidator, BaseModel, Field, SecretStr

from incamera.access import Permission
from incamera.devices.edges import Invitation
from incamera.devices.model import MAX_CHANNELS, Condition, DeviceKind, Edge, Placement, PrivacyCard, render_keep
from incamera.devices.recorders import FoundStream
from incamera.devices.service import ShownChannel, ShownDevice, picture_of
from incamera.devices.viewings import NamedViewing
from incamera.kit.names import NAME_PATTERN, parse_name
from incamera.privacy import RequestBody, personal_field
from incamera.protocol.messages import ProbeResult, StreamMode
from incamera.storage.volume import VolumeState

Name = Annotated[
    str,
    Field(
        min_length=1,
        max_length=64,
        description="1 to 64 characters of any script; no control or direction characters.",
        json_schema_extra=personal_field("B7.name_cover/name", pattern=NAME_PATTERN),
    ),
    AfterValidator(parse_name),
]
Address = Annotated[
    str,
    Field(
        min_length=1,
        max_length=1024,
        description=(
            "rtsp://, http:// or https:// (JPEGs), file:NAME or device:NAME of what the edge was given. "
            "A user name and password inside it are taken out and kept sealed."
        ),
        examples=["rtsp://192.168.1.20/stream1", "http://192.168.1.20/video.mjpg", "file:yard/monday.mp4"],
        # Said here, checked by CameraLogin: its errors tell a person what is wrong with the address.
        json_schema_extra=personal_field(
            "B6.activate_config/device_ip", pattern="^((rtsp|https?)://[^\\s#]+|file:.+|device:[^\\s/]+)$"
        ),
    ),
]
Username = Annotated[
    SecretStr,
    Field(
        max_length=128,
        description="User name on the camera. Never returned.",
        json_schema_extra=personal_field("B3.device_add/device_username"),
    ),
]
Password = Annotated[
    SecretStr,
    Field(
        max_length=128,
        description="Password on the camera. Never returned.",
        json_schema_extra=personal_field("B3.device_add/device_password"),
    ),
]
Certificate = Annotated[
    str,
    Field(
        max_length=95,
        description="SHA-256 of the certificate that the owner accepts for https://, in hexadecimal.",
        json_schema_extra=personal_field("B6.activate_config/configuration", pattern="^[0-9A-Fa-f:]{64,95}$"),
    ),
]
TimeZone = Annotated[
    str,
    Field(
        max_length=64,
        description="IANA time zone of the place where the device stands.",
        examples=["Europe/Paris"],
        json_schema_extra=personal_field("B3.device_add/time_zone"),
    ),
]


class PrivacyCardBody(RequestBody):
    """What the owner states about the people a camera sees. Captured is nothing without it."""

    purpose: Annotated[
        str,
        Field(
            min_length=1,
            max_length=300,
            description="What the camera is for, in the owner's words.",
            json_schema_extra=personal_field("B0.people_in_view/privacy_card", pattern=NAME_PATTERN),
        ),
        AfterValidator(parse_name),
    ]
    placement: Placement
    sees_public_space: bool = Field(description="It sees a street, a shared corridor or a neighbour's ground.")
    staff_informed: bool | None = Field(None, description="People who work there were told; null: nobody works there.")
    sound: bool = Field(False, description="It may hear as well.")

    def card(self) -> PrivacyCard:
        return PrivacyCard(self.purpose, self.placement, self.sees_public_space, self.staff_informed, self.sound)

    @classmethod
    def of(cls, card: PrivacyCard) -> Self:
        return cls(
            purpose=card.purpose,
            placement=card.placement,
            sees_public_space=card.sees_public_space,
            staff_informed=card.staff_informed,
            sound=card.sound,
        )


class SourceBody(RequestBody):
    """Where a camera is and what to say there."""

    address: Address
    sub_address: Address | None = Field(None, description="A smaller encoding of the same picture.")
    username: Username | None = None
    password: Password | None = None
    certificate: Certificate | None = None


class ProbeBody(RequestBody):
    address: Address
    username: Username | None = None
    password: Password | None = None
    certificate: Certificate | None = None
    edge_id: UUID | None = Field(None, description="Which edge tries; without it a connected one is chosen.")


class ProbeView(BaseModel):
    """What a camera offers, and a test picture as the proof."""

    fault: Literal["none"] = "none"
    video_codec: str
    audio_codec: str = Field(description="Empty if the camera offers no sound.")
    width: int
    height: int
    picture: str | None = Field(
        description="A data: URL of a JPEG, or null when only the picture could not be decoded.",
        json_schema_extra=personal_field("B6.activate_config/test_picture"),
    )

    @classmethod
    def of(cls, result: ProbeResult) -> Self:
        picture = picture_of(result)
        return cls(
            video_codec=result.video_codec,
            audio_codec=result.audio_codec,
            width=result.width,
            height=result.height,
            picture=None if picture is None else f"data:image/jpeg;base64,{b64encode(picture).decode()}",
        )


class FindStreamsBody(ProbeBody):
    """One stream that is known, such as that of a recorder's first input."""

    first: int = Field(1, ge=1, le=MAX_CHANNELS, description="The first input to try.")
    count: int = Field(0, ge=0, le=MAX_CHANNELS, description="How many inputs; 0: just that of the address.")


class FoundStreamView(BaseModel):
    """One input, fit to become a channel if its `fault` is `none`."""

    number: int
    address: str = Field(json_schema_extra=personal_field("B6.activate_config/device_ip"))
    sub_address: str | None = Field(
        description="A smaller encoding, by the brand's rule; it was there at the input that was given.",
        json_schema_extra=personal_field("B6.activate_config/device_ip"),
    )
    fault: str = Field(description="`none`, a camera fault, or `not_tried`: ask again from this number.")
    video_codec: str
    audio_codec: str
    width: int
    height: int

    @classmethod
    def of(cls, found: FoundStream) -> Self:
        result = found.result
        return cls(
            number=found.number,
            address=found.main.url,
            sub_address=None if found.sub is None else found.sub.url,
            fault=str(found.fault),
            video_codec=result.video_codec if result else "",
            audio_codec=result.audio_codec if result else "",
            width=result.width if result else 0,
            height=result.height if result else 0,
        )


class FoundStreams(BaseModel):
    brand: str = Field(description="Whose way of writing addresses this is; empty if unknown.")
    items: list[FoundStreamView]
    next: str | None = Field(None, description="Always null: a device's inputs fit on one page.")


class NewChannelBody(SourceBody):
    name: Name


class AddDeviceBody(RequestBody):
    """A camera or doorbell has one channel; a recorder one per input."""

    kind: DeviceKind
    name: Name
    time_zone: TimeZone
    edge_id: UUID | None = Field(None, description="The edge beside it; without it a connected one is chosen.")
    channels: list[NewChannelBody] = Field(min_length=1, max_length=MAX_CHANNELS)
    privacy_card: PrivacyCardBody | None = Field(None, description="Needed unless `mode` is `off`.")
    mode: StreamMode = Field(StreamMode.OFF, description="`record` only if the owner chose it.")
    sound: bool = False
    model: Annotated[str, Field(max_length=64), AfterValidator(parse_name)] | None = None
    serial: Annotated[str, Field(max_length=64), AfterValidator(parse_name)] | None = None


class DeviceChange(RequestBody):
    """Only the fields that are present change."""

    name: Name | None = None
    time_zone: TimeZone | None = None
    edge_id: UUID | None = None


class ChannelChange(RequestBody):
    """Only the fields that are present change. `mode` and `sound` need the privacy card."""

    name: Name | None = None
    mode: StreamMode | None = None
    sound: bool | None = None
    keep: Annotated[str, Field(max_length=8, description="P7D, PT6H ...", examples=["P7D"])] | None = None


class ConditionView(BaseModel):
    code: Literal["online", "offline", "connecting", "off"]
    fault: str | None = Field(description="Why it does not send: a camera fault, or `edge_offline`; null if it does.")
    since: datetime | None

    @classmethod
    def of(cls, condition: Condition) -> Self:
        fault = str(condition.fault)
        return cls(code=condition.code.value, fault=None if fault == "none" else fault, since=condition.since)


class CoverView(BaseModel):
    url: str
    taken_at: datetime


class ChannelView(BaseModel):
    """One lens or input of a device."""

    id: UUID
    number: int
    name: str = Field(json_schema_extra=personal_field("B7.name_cover/name"))
    mode: StreamMode
    sound: bool
    has_sub: bool
    codec: str | None = Field(description="Of the picture, as the edge told; null until then.")
    audio_codec: str | None = Field(description="What the camera offers, also while sound is off.")
    width: int | None
    height: int | None
    cover: CoverView | None
    keep: str = Field(description="How long recordings are kept (ISO 8601).")
    keep_ceiling: str = Field(description="The longest that may be chosen.")
    watching: int = Field(description="How many people watch it live now.")
    state: ConditionView = Field(json_schema_extra=personal_field("B6.online_status/status"))
    address: str | None = Field(
        description="Host, or name of the file or device; for the owner only.",
        json_schema_extra=personal_field("B6.activate_config/device_ip"),
    )

    @classmethod
    def of(cls, shown: ShownChannel, *, is_owner: bool, may_see_cover: bool) -> Self:
        channel, picture, taken_at = shown.channel, shown.channel.picture, shown.channel.cover_taken_at
        return cls(
            id=channel.id,
            number=channel.number,
            name=channel.name,
            mode=channel.mode,
            sound=channel.sound,
            has_sub=channel.sub_address is not None,
            codec=picture.video_codec or None,
            audio_codec=picture.audio_codec or None,
            width=picture.width or None,
            height=picture.height or None,
            cover=cover_view(channel.id, taken_at) if may_see_cover and taken_at else None,
            keep=render_keep(channel.keep),
            keep_ceiling=render_keep(shown.keep_ceiling),
            watching=shown.watching if is_owner else 0,
            state=ConditionView.of(shown.condition),
            address=channel.address.place if is_owner else None,
        )


def cover_view(channel_id: UUID, taken_at: datetime) -> CoverView:
    """Where a cover is to be had."""
    version = int(taken_at.timestamp() * 1000)  # a new picture has a new address, so that a page asks for it
    return CoverView(url=f"/api/v1/channels/{channel_id}/cover?v={version}", taken_at=taken_at)


class DeviceView(BaseModel):
    """A camera, doorbell or recorder, as the person who asks may see it."""

    id: UUID
    kind: DeviceKind
    name: str = Field(json_schema_extra=personal_field("B7.name_cover/name"))
    model: str | None = Field(json_schema_extra=personal_field("B3.device_add/model"))
    serial: str | None = Field(
        description="For the owner only.", json_schema_extra=personal_field("B3.device_add/device_serial")
    )
    time_zone: str = Field(json_schema_extra=personal_field("B3.device_add/time_zone"))
    address: str | None = Field(
        description="Host, or name of the file or device; for the owner only.",
        json_schema_extra=personal_field("B6.activate_config/device_ip"),
    )
    state: ConditionView = Field(json_schema_extra=personal_field("B6.online_status/status"))
    registered_at: datetime
    privacy_card: PrivacyCardBody | None = Field(json_schema_extra=personal_field("B0.people_in_view/privacy_card"))
    sign_url: str | None = Field(description="Page for the people in view, to print as a QR code.")
    channels: list[ChannelView]
    is_owner: bool
    permissions: list[str] = Field(description="What the person who asks may do here.")
    removed_until: datetime | None = Field(description="Not null: removed, and until then it can be restored.")
    edge_id: UUID | None = Field(description="For the owner only.")

    @classmethod
    def of(cls, shown: ShownDevice) -> Self:
        device, is_owner = shown.device, shown.access.is_owner
        may_see_cover = shown.access.may(Permission.VIEW_RECORDINGS)
        return cls(
            id=device.id,
            kind=device.kind,
            name=device.name,
            model=device.model,
            serial=device.serial if is_owner else None,
            time_zone=device.time_zone,
            address=device.channels[0].address.place if is_owner and device.channels else None,
            state=ConditionView.of(shown.condition),
            registered_at=device.registered_at,
            privacy_card=PrivacyCardBody.of(device.card) if device.card else None,
            sign_url=f"/privacy/camera/{device.sign_code}" if device.sign_code and is_owner else None,
            channels=[
                ChannelView.of(channel, is_owner=is_owner, may_see_cover=may_see_cover) for channel in shown.channels
            ],
            is_owner=is_owner,
            permissions=sorted(shown.access.permissions),
            removed_until=device.removed_until,
            edge_id=device.edge_id if is_owner else None,
        )


class DeviceList(BaseModel):
    items: list[DeviceView]
    next: str | None = Field(description="Cursor of the next page; null at the end.")


class Removed(BaseModel):
    removed_until: datetime = Field(description="Until then `POST .../restore` undoes it.")


class StateList(BaseModel):
    """What was told of a channel over the last day."""

    items: list[ConditionView] = Field(json_schema_extra=personal_field("B6.online_status/status_change"))
    next: str | None = Field(None, description="Always null: a day fits on one page.")


class ViewingView(BaseModel):
    """One look at a camera."""

    id: UUID
    channel_id: UUID
    viewer: str | None = Field(
        description="Nickname or e-mail address; null: a deleted account.",
        json_schema_extra=personal_field("B1a.register/nickname"),
    )
    is_you: bool
    kind: Literal["live", "playback"]
    started_at: datetime
    ended_at: datetime | None = Field(description="null: still looking.")

    @classmethod
    def of(cls, line: NamedViewing) -> Self:
        viewing = line.viewing
        return cls(
            id=viewing.id,
            channel_id=viewing.channel_id,
            viewer=line.viewer,
            is_you=line.is_you,
            kind=viewing.kind,
            started_at=viewing.started_at,
            ended_at=viewing.ended_at,
        )


class ViewingList(BaseModel):
    items: list[ViewingView]
    next: str | None = Field(None, description="Cursor of the following page; null at the end.")


class EdgeView(BaseModel):
    """A program beside cameras."""

    id: UUID
    name: str | None = Field(
        description="null: the local edge.", json_schema_extra=personal_field("B6.activate_config/edge")
    )
    is_local: bool
    online: bool
    last_seen_at: datetime | None
    software: str | None
    created_at: datetime
    backlog_bytes: int | None = Field(description="What waits there for this server; null: not told.")

    @classmethod
    def of(cls, edge: Edge, *, online: bool, backlog_bytes: int | None) -> Self:
        return cls(
            id=edge.id,
            name=edge.name,
            is_local=edge.is_local,
            online=online,
            last_seen_at=edge.last_seen_at,
            software=edge.software,
            created_at=edge.created_at,
            backlog_bytes=backlog_bytes,
        )


class EdgeList(BaseModel):
    items: list[EdgeView]
    next: str | None = Field(None, description="Always null: edges fit on one page.")


class InviteBody(RequestBody):
    name: Annotated[
        str,
        Field(
            min_length=1,
            max_length=64,
            description="What to call the edge.",
            json_schema_extra=personal_field("B6.activate_config/edge", pattern=NAME_PATTERN),
        ),
        AfterValidator(parse_name),
    ]


class InvitationView(BaseModel):
    """A one-time code; it is shown here and never again."""

    edge_id: UUID
    code: str = Field(description="Works once, for 15 minutes.")
    expires_at: datetime
    command: str = Field(description="What to run on the machine beside the cameras.")

    @classmethod
    def of(cls, invitation: Invitation) -> Self:
        return cls(
            edge_id=invitation.edge_id,
            code=invitation.code,
            expires_at=invitation.expires_at,
            command=invitation.command,
        )


class WatchingView(BaseModel):
    """Event `watching`: how many people see a channel live."""

    channel_id: UUID
    watching: int


class VolumeView(BaseModel):
    """Event `volume`: how the disk of the recordings is doing."""

    state: VolumeState


class GoneView(BaseModel):
    """Event `removed`: this device is not there for you any more."""

    id: UUID
