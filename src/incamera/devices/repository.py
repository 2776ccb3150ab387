"""Every query of devices, and where their columns are sealed and opened.

A sealed column is bound to its row and meaning by a context (`channel.name/UUID`): bytes moved to another row or
column do not open.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import delete, func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from incamera.devices.address import CameraAddress, Credentials
from incamera.devices.model import (
    Channel,
    Condition,
    Device,
    DeviceKind,
    Edge,
    Fault,
    KeepPlan,
    Picture,
    Placement,
    PrivacyCard,
    RecordingPlan,
)
from incamera.devices.tables import (
    ChannelRow,
    ChannelStatusChangeRow,
    ChannelStatusRow,
    CoverRow,
    DeviceChangeRow,
    DeviceRow,
    EdgeRow,
    EnrolmentCodeRow,
)
from incamera.kit.ids import new_id
from incamera.protocol.messages import CameraFault, CameraState, StreamMode
from incamera.storage.vault import ScopeKey, Vault


@dataclass(frozen=True, slots=True)
class Secrets:
    """What an edge needs to open a channel, and nobody else."""

    address: CameraAddress
    sub_address: CameraAddress | None
    credentials: Credentials
    certificate: str  # SHA-256 of the one that the owner accepted; empty: none was


@dataclass(frozen=True, slots=True)
class SendingState:
    """Whether media of a channel are wanted."""

    epoch: int
    mode: StreamMode
    sound: bool
    is_removed: bool


@dataclass(frozen=True, slots=True)
class StoredCover:
    item_id: UUID
    taken_at: datetime
    picture: bytes  # sealed


@dataclass(frozen=True, slots=True)
class CoverTurn:
    """A channel as far as its cover is concerned."""

    channel_id: UUID
    device_id: UUID
    epoch: int
    edge_id: UUID
    is_recorded: bool
    is_online: bool
    keep: timedelta
    item_id: UUID | None
    taken_at: datetime | None


@dataclass(frozen=True, slots=True)
class PendingCode:
    """An enrolment code that was just spent, and the edge it makes."""

    edge_id: UUID
    account_id: UUID | None
    name: bytes | None  # sealed as the edge's name
    is_local: bool


# --- devices ----------------------------------------------------------------------------------------------------------


async def add_device(db: AsyncSession, device: Device, key: ScopeKey) -> None:
    """Stores the device alone; its channels follow."""
    db.add(
        DeviceRow(
            id=device.id,
            epoch=device.epoch,
            edge_id=device.edge_id,
            kind=device.kind,
            serial=_seal(key, device.serial, f"device.serial/{device.id}"),
            model=_seal(key, device.model, f"device.model/{device.id}"),
            time_zone=device.time_zone,
            name=key.seal_text(device.name, f"device.name/{device.id}"),
            registered_at=device.registered_at,
            **_card_columns(device.id, device.card, key),
            sign_code=device.sign_code,
            removed_at=None,
        )
    )
    await db.flush()


def _card_columns(device_id: UUID, card: PrivacyCard | None, key: ScopeKey) -> dict[str, object]:
    return {
        "card_purpose": _seal(key, card.purpose if card else None, f"device.card/{device_id}"),
        "card_placement": card.placement if card else None,
        "card_sees_public_space": card.sees_public_space if card else None,
        "card_staff_informed": card.staff_informed if card else None,
        "card_sound": card.sound if card else None,
    }


async def add_channel(db: AsyncSession, device_id: UUID, channel: Channel, key: ScopeKey) -> None:
    """Stores a channel without its secrets; `set_source` gives it those."""
    db.add(
        ChannelRow(
            id=channel.id,
            device_id=device_id,
            number=channel.number,
            name=key.seal_text(channel.name, f"channel.name/{channel.id}"),
            mode=channel.mode,
            sound=channel.sound,
            keep_hours=_hours(channel.keep),
            **_address_columns(channel.id, channel.address, channel.sub_address, key),
        )
    )
    await db.flush()


def _address_columns(
    channel_id: UUID, address: CameraAddress, sub_address: CameraAddress | None, key: ScopeKey
) -> dict[str, object]:
    return {
        "scheme": address.scheme,
        "host": key.seal_text(address.host, f"channel.host/{channel_id}"),
        "port": address.port,
        "path": key.seal_text(address.path, f"channel.path/{channel_id}"),
        "sub_scheme": sub_address.scheme if sub_address else None,
        "sub_host": _seal(key, sub_address.host if sub_address else None, f"channel.sub_host/{channel_id}"),
        "sub_port": sub_address.port if sub_address else None,
        "sub_path": _seal(key, sub_address.path if sub_address else None, f"channel.sub_path/{channel_id}"),
    }


async def set_source(db: AsyncSession, channel_id: UUID, secrets: Secrets, vault: Vault, key: ScopeKey) -> None:
    """Replaces where a channel's camera is and what to say there."""
    given = secrets.credentials
    await db.execute(
        update(ChannelRow)
        .where(ChannelRow.id == channel_id)
        .values(
            **_address_columns(channel_id, secrets.address, secrets.sub_address, key),
            certificate=secrets.certificate or None,
            username=_seal_secret(vault, key, given.username, f"channel.username/{channel_id}"),
            password=_seal_secret(vault, key, given.password, f"channel.password/{channel_id}"),
        )
    )


async def get_secrets(db: AsyncSession, channel_id: UUID, vault: Vault, key: ScopeKey) -> Secrets:
    row = await db.get_one(ChannelRow, channel_id)
    credentials = Credentials(
        _open_secret(vault, key, row.username, f"channel.username/{channel_id}"),
        _open_secret(vault, key, row.password, f"channel.password/{channel_id}"),
    )
    return Secrets(_address(row, key), _sub_address(row, key), credentials, row.certificate or "")


async def find_epoch(db: AsyncSession, device_id: UUID) -> int | None:
    return await db.scalar(select(DeviceRow.epoch).where(DeviceRow.id == device_id))


async def load_devices(db: AsyncSession, device_ids: Sequence[UUID], keys: Mapping[UUID, ScopeKey]) -> list[Device]:
    """These devices with their channels, oldest first; four statements whatever their number."""
    rows = (await db.scalars(select(DeviceRow).where(DeviceRow.id.in_(device_ids)).order_by(DeviceRow.id))).all()
    channels = await _load_channels(db, [row.id for row in rows], keys)
    return [_device(row, channels[row.id], keys[row.id]) for row in rows if row.id in keys]


async def _load_channels(
    db: AsyncSession, device_ids: Sequence[UUID], keys: Mapping[UUID, ScopeKey]
) -> defaultdict[UUID, list[Channel]]:
    statement = select(ChannelRow).where(ChannelRow.device_id.in_(device_ids)).order_by(ChannelRow.number)
    rows = (await db.scalars(statement)).all()
    ids = [row.id for row in rows]
    reported = {
        status.channel_id: _condition(status)
        for status in (await db.scalars(select(ChannelStatusRow).where(ChannelStatusRow.channel_id.in_(ids)))).all()
    }
    covers = dict(
        (await db.execute(select(CoverRow.channel_id, CoverRow.taken_at).where(CoverRow.channel_id.in_(ids)))).all()
    )
    channels: defaultdict[UUID, list[Channel]] = defaultdict(list)
    for row in rows:
        if row.device_id in keys:
            channel = _channel(row, reported.get(row.id), covers.get(row.id), keys[row.device_id])
            channels[row.device_id].append(channel)
    return channels


def _device(row: DeviceRow, channels: Iterable[Channel], key: ScopeKey) -> Device:
    return Device(
        id=row.id,
        kind=DeviceKind(row.kind),
        name=key.open_text(row.name, f"device.name/{row.id}"),
        model=_open(key, row.model, f"device.model/{row.id}"),
        serial=_open(key, row.serial, f"device.serial/{row.id}"),
        time_zone=row.time_zone,
        edge_id=row.edge_id,
        epoch=row.epoch,
        registered_at=row.registered_at,
        card=_card(row, key),
        sign_code=row.sign_code,
        removed_at=row.removed_at,
        channels=tuple(channels),
    )


def _card(row: DeviceRow, key: ScopeKey) -> PrivacyCard | None:
    if row.card_purpose is None or row.card_placement is None:
        return None
    return PrivacyCard(
        purpose=key.open_text(row.card_purpose, f"device.card/{row.id}"),
        placement=Placement(row.card_placement),
        sees_public_space=bool(row.card_sees_public_space),
        staff_informed=row.card_staff_informed,
        sound=bool(row.card_sound),
    )


def _channel(row: ChannelRow, reported: Condition | None, cover_taken_at: datetime | None, key: ScopeKey) -> Channel:
    return Channel(
        id=row.id,
        number=row.number,
        name=key.open_text(row.name, f"channel.name/{row.id}"),
        mode=StreamMode(row.mode),
        sound=row.sound,
        keep=timedelta(hours=row.keep_hours),
        address=_address(row, key),
        sub_address=_sub_address(row, key),
        picture=Picture(row.video_codec, row.audio_codec, row.width, row.height),
        reported=reported,
        cover_taken_at=cover_taken_at,
    )


def _address(row: ChannelRow, key: ScopeKey) -> CameraAddress:
    host = key.open_text(row.host, f"channel.host/{row.id}")
    return CameraAddress(row.scheme, host, row.port, key.open_text(row.path, f"channel.path/{row.id}"))


def _sub_address(row: ChannelRow, key: ScopeKey) -> CameraAddress | None:
    if row.sub_scheme is None or row.sub_host is None or row.sub_port is None or row.sub_path is None:
        return None
    host = key.open_text(row.sub_host, f"channel.sub_host/{row.id}")
    return CameraAddress(row.sub_scheme, host, row.sub_port, key.open_text(row.sub_path, f"channel.sub_path/{row.id}"))


def _condition(row: ChannelStatusRow) -> Condition:
    fault: Fault = CameraFault(row.fault)
    return Condition(CameraState(row.state), fault, row.since)


async def set_device_name(db: AsyncSession, device_id: UUID, name: str, key: ScopeKey) -> None:
    sealed = key.seal_text(name, f"device.name/{device_id}")
    await db.execute(update(DeviceRow).where(DeviceRow.id == device_id).values(name=sealed))


async def set_time_zone(db: AsyncSession, device_id: UUID, time_zone: str) -> None:
    await db.execute(update(DeviceRow).where(DeviceRow.id == device_id).values(time_zone=time_zone))


async def set_edge(db: AsyncSession, device_id: UUID, edge_id: UUID) -> None:
    await db.execute(update(DeviceRow).where(DeviceRow.id == device_id).values(edge_id=edge_id))


async def set_card(db: AsyncSession, device_id: UUID, card: PrivacyCard, sign_code: str, key: ScopeKey) -> None:
    """Replaces the card; a sign that is printed already keeps its code."""
    await db.execute(
        update(DeviceRow)
        .where(DeviceRow.id == device_id)
        .values(**_card_columns(device_id, card, key), sign_code=func.coalesce(DeviceRow.sign_code, sign_code))
    )


async def set_removed_at(db: AsyncSession, device_id: UUID, removed_at: datetime | None) -> None:
    await db.execute(update(DeviceRow).where(DeviceRow.id == device_id).values(removed_at=removed_at))


async def list_removed(db: AsyncSession, removed_before: datetime) -> list[UUID]:
    """Devices whose time to undo is over, the longest removed first."""
    statement = (
        select(DeviceRow.id).where(DeviceRow.removed_at <= removed_before).order_by(DeviceRow.removed_at, DeviceRow.id)
    )
    return list((await db.scalars(statement)).all())


async def oldest_removal(db: AsyncSession) -> datetime | None:
    return await db.scalar(select(func.min(DeviceRow.removed_at)))


async def delete_device(db: AsyncSession, device_id: UUID) -> None:
    """The device and all that hangs on it."""
    await db.execute(delete(DeviceRow).where(DeviceRow.id == device_id))


async def find_by_sign(db: AsyncSession, sign_code: str) -> tuple[UUID, int] | None:
    """Device and epoch of a printed sign, while the device is in use."""
    statement = select(DeviceRow.id, DeviceRow.epoch).where(
        DeviceRow.sign_code == sign_code, DeviceRow.removed_at.is_(None)
    )
    row = (await db.execute(statement)).first()
    return None if row is None else (row[0], row[1])


async def get_edge_of(db: AsyncSession, device_id: UUID) -> UUID:
    return (await db.scalars(select(DeviceRow.edge_id).where(DeviceRow.id == device_id))).one()


async def list_of_edge(db: AsyncSession, edge_id: UUID) -> list[UUID]:
    """Devices an edge looks after; removed ones too, until they are erased."""
    statement = select(DeviceRow.id).where(DeviceRow.edge_id == edge_id).order_by(DeviceRow.id)
    return list((await db.scalars(statement)).all())


async def add_change(db: AsyncSession, device_id: UUID, fields: Iterable[str], now: datetime) -> None:
    db.add_all(DeviceChangeRow(id=new_id(), device_id=device_id, field=field, at=now) for field in fields)
    await db.flush()


# --- channels ---------------------------------------------------------------------------------------------------------


async def list_channel_ids(db: AsyncSession, device_id: UUID) -> tuple[UUID, ...]:
    statement = select(ChannelRow.id).where(ChannelRow.device_id == device_id).order_by(ChannelRow.number)
    return tuple((await db.scalars(statement)).all())


async def find_recording_plan(db: AsyncSession, channel_id: UUID) -> RecordingPlan | None:
    statement = (
        select(
            DeviceRow.id,
            DeviceRow.epoch,
            DeviceRow.removed_at,
            ChannelRow.mode,
            ChannelRow.sound,
            ChannelRow.keep_hours,
        )
        .join(ChannelRow, ChannelRow.device_id == DeviceRow.id)
        .where(ChannelRow.id == channel_id)
    )
    row = (await db.execute(statement)).first()
    if row is None:
        return None
    device_id, epoch, removed_at, mode, sound, keep_hours = row
    is_recorded = removed_at is None and mode == StreamMode.RECORD
    return RecordingPlan(device_id, epoch, is_recorded, is_recorded and sound, timedelta(hours=keep_hours))


async def list_keep_plans(db: AsyncSession) -> dict[UUID, KeepPlan]:
    statement = select(ChannelRow.id, ChannelRow.keep_hours, DeviceRow.card_sees_public_space).join(
        DeviceRow, DeviceRow.id == ChannelRow.device_id
    )
    rows = (await db.execute(statement)).all()
    return {channel_id: KeepPlan(timedelta(hours=hours), bool(public)) for channel_id, hours, public in rows}


async def set_channel_name(db: AsyncSession, channel_id: UUID, name: str, key: ScopeKey) -> None:
    sealed = key.seal_text(name, f"channel.name/{channel_id}")
    await db.execute(update(ChannelRow).where(ChannelRow.id == channel_id).values(name=sealed))


async def set_channel_wishes(
    db: AsyncSession, channel_id: UUID, *, mode: StreamMode, sound: bool, keep: timedelta
) -> None:
    await db.execute(
        update(ChannelRow).where(ChannelRow.id == channel_id).values(mode=mode, sound=sound, keep_hours=_hours(keep))
    )


async def mute(db: AsyncSession, device_id: UUID) -> list[UUID]:
    """Turns sound off everywhere on this device; returns the channels that had it on."""
    statement = (
        update(ChannelRow)
        .where(ChannelRow.device_id == device_id, ChannelRow.sound.is_(True))
        .values(sound=False)
        .returning(ChannelRow.id)
    )
    return list((await db.scalars(statement)).all())


async def cap_keep(db: AsyncSession, device_id: UUID, ceiling: timedelta) -> None:
    """No channel of this device keeps longer than the ceiling from now on."""
    await db.execute(
        update(ChannelRow)
        .where(ChannelRow.device_id == device_id, ChannelRow.keep_hours > _hours(ceiling))
        .values(keep_hours=_hours(ceiling))
    )


def _hours(keep: timedelta) -> int:
    return int(keep.total_seconds()) // 3600


# --- what edges tell --------------------------------------------------------------------------------------------------


async def find_channel_of_edge(db: AsyncSession, channel_id: UUID, edge_id: UUID) -> UUID | None:
    """The device of a channel, if this edge looks after it."""
    statement = (
        select(DeviceRow.id)
        .join(ChannelRow, ChannelRow.device_id == DeviceRow.id)
        .where(ChannelRow.id == channel_id, DeviceRow.edge_id == edge_id)
    )
    return await db.scalar(statement)


async def find_sending_state(db: AsyncSession, channel_id: UUID, edge_id: UUID) -> SendingState | None:
    """Of a channel that this edge looks after."""
    statement = (
        select(DeviceRow.epoch, DeviceRow.removed_at, ChannelRow.mode, ChannelRow.sound)
        .join(ChannelRow, ChannelRow.device_id == DeviceRow.id)
        .where(ChannelRow.id == channel_id, DeviceRow.edge_id == edge_id)
    )
    row = (await db.execute(statement)).first()
    if row is None:
        return None
    epoch, removed_at, mode, sound = row
    return SendingState(epoch, StreamMode(mode), sound, removed_at is not None)


async def find_reported(db: AsyncSession, channel_id: UUID) -> Condition | None:
    row = await db.get(ChannelStatusRow, channel_id)
    return None if row is None else _condition(row)


async def set_reported(db: AsyncSession, channel_id: UUID, condition: Condition, now: datetime) -> None:
    """Replaces the status and remembers the change for a day."""
    row = await db.get(ChannelStatusRow, channel_id)
    since = condition.since or now
    if row is None:
        db.add(ChannelStatusRow(channel_id=channel_id, state=condition.code, fault=condition.fault, since=since))
    else:
        row.state, row.fault, row.since = condition.code, condition.fault, since
    db.add(
        ChannelStatusChangeRow(id=new_id(), channel_id=channel_id, state=condition.code, fault=condition.fault, at=now)
    )
    await db.flush()


async def set_picture(db: AsyncSession, channel_id: UUID, picture: Picture) -> None:
    await db.execute(
        update(ChannelRow)
        .where(ChannelRow.id == channel_id)
        .values(
            video_codec=picture.video_codec,
            audio_codec=picture.audio_codec,
            width=picture.width,
            height=picture.height,
        )
    )


async def list_history(db: AsyncSession, channel_id: UUID, since: datetime) -> list[Condition]:
    """What the edge said of a channel since then, the oldest first."""
    statement = (
        select(ChannelStatusChangeRow)
        .where(ChannelStatusChangeRow.channel_id == channel_id, ChannelStatusChangeRow.at >= since)
        .order_by(ChannelStatusChangeRow.at, ChannelStatusChangeRow.id)
    )
    rows = (await db.scalars(statement)).all()
    return [Condition(CameraState(row.state), CameraFault(row.fault), row.at) for row in rows]


# --- covers -----------------------------------------------------------------------------------------------------------


async def find_cover(db: AsyncSession, channel_id: UUID) -> StoredCover | None:
    row = await db.get(CoverRow, channel_id)
    return None if row is None else StoredCover(row.item_id, row.taken_at, row.picture)


async def put_cover(db: AsyncSession, channel_id: UUID, cover: StoredCover) -> None:
    row = await db.get(CoverRow, channel_id)
    if row is None:
        db.add(CoverRow(channel_id=channel_id, item_id=cover.item_id, taken_at=cover.taken_at, picture=cover.picture))
    else:
        row.item_id, row.taken_at, row.picture = cover.item_id, cover.taken_at, cover.picture
    await db.flush()


async def find_cover_turn(db: AsyncSession, channel_id: UUID) -> CoverTurn | None:
    """None for a channel that does not exist or whose device was removed."""
    rows = (await db.execute(_cover_turns().where(ChannelRow.id == channel_id))).all()
    return _cover_turn(rows[0]) if rows else None


async def list_cover_turns(db: AsyncSession) -> list[CoverTurn]:
    """All channels of devices in use."""
    return [_cover_turn(row) for row in (await db.execute(_cover_turns())).all()]


def _cover_turns() -> Any:  # outer joins: the types of SQLAlchemy know no optional column
    return (
        select(
            ChannelRow.id,
            DeviceRow.id,
            DeviceRow.epoch,
            DeviceRow.edge_id,
            ChannelRow.mode,
            ChannelRow.keep_hours,
            ChannelStatusRow.state,
            CoverRow.item_id,
            CoverRow.taken_at,
        )
        .join(DeviceRow, DeviceRow.id == ChannelRow.device_id)
        .outerjoin(ChannelStatusRow, ChannelStatusRow.channel_id == ChannelRow.id)
        .outerjoin(CoverRow, CoverRow.channel_id == ChannelRow.id)
        .where(DeviceRow.removed_at.is_(None))
    )


def _cover_turn(row: Any) -> CoverTurn:
    channel_id, device_id, epoch, edge_id, mode, keep_hours, state, item_id, taken_at = row
    return CoverTurn(
        channel_id=channel_id,
        device_id=device_id,
        epoch=epoch,
        edge_id=edge_id,
        is_recorded=mode == StreamMode.RECORD,
        is_online=mode != StreamMode.OFF and state == CameraState.ONLINE,
        keep=timedelta(hours=keep_hours),
        item_id=item_id,
        taken_at=taken_at,
    )


async def oldest_cover(db: AsyncSession) -> datetime | None:
    return await db.scalar(select(func.min(CoverRow.taken_at)))


async def delete_cover(db: AsyncSession, channel_id: UUID, item_id: UUID) -> None:
    """Unless a newer one with another key has taken its place."""
    await db.execute(delete(CoverRow).where(CoverRow.channel_id == channel_id, CoverRow.item_id == item_id))


# --- edges ------------------------------------------------------------------------------------------------------------


async def add_code(
    db: AsyncSession,
    code_hash: bytes,
    *,
    edge_id: UUID,
    account_id: UUID | None,
    name: bytes | None,
    is_local: bool,
    now: datetime,
) -> None:
    db.add(
        EnrolmentCodeRow(
            code_hash=code_hash, edge_id=edge_id, account_id=account_id, name=name, is_local=is_local, created_at=now
        )
    )
    await db.flush()


async def delete_local_codes(db: AsyncSession) -> None:
    await db.execute(delete(EnrolmentCodeRow).where(EnrolmentCodeRow.is_local.is_(True)))


async def delete_old_codes(db: AsyncSession, created_before: datetime) -> None:
    await db.execute(delete(EnrolmentCodeRow).where(EnrolmentCodeRow.created_at <= created_before))


async def count_codes(db: AsyncSession, account_id: UUID, created_after: datetime) -> int:
    """Codes of this account that still work."""
    statement = (
        select(func.count())
        .select_from(EnrolmentCodeRow)
        .where(EnrolmentCodeRow.account_id == account_id, EnrolmentCodeRow.created_at > created_after)
    )
    return await db.scalar(statement) or 0


async def spend_code(db: AsyncSession, code_hash: bytes, created_after: datetime) -> PendingCode | None:
    """Exactly one caller gets the code."""
    statement = (
        delete(EnrolmentCodeRow)
        .where(EnrolmentCodeRow.code_hash == code_hash, EnrolmentCodeRow.created_at > created_after)
        .returning(
            EnrolmentCodeRow.edge_id, EnrolmentCodeRow.account_id, EnrolmentCodeRow.name, EnrolmentCodeRow.is_local
        )
    )
    row = (await db.execute(statement)).first()
    return None if row is None else PendingCode(*row)


async def add_edge(
    db: AsyncSession,
    edge: Edge,
    *,
    account_id: UUID | None,
    public_key: bytes,
    name: bytes | None,
) -> None:
    db.add(
        EdgeRow(
            id=edge.id,
            account_id=account_id,
            name=name,
            public_key=public_key,
            is_local=edge.is_local,
            software=edge.software or "",
            created_at=edge.created_at,
            last_seen_at=edge.last_seen_at,
            removed_at=None,
        )
    )
    await db.flush()


async def find_public_key(db: AsyncSession, edge_id: UUID) -> bytes | None:
    """The key of an edge that was not removed."""
    return await db.scalar(select(EdgeRow.public_key).where(EdgeRow.id == edge_id, EdgeRow.removed_at.is_(None)))


async def find_edge_by_key(db: AsyncSession, public_key: bytes) -> UUID | None:
    return await db.scalar(select(EdgeRow.id).where(EdgeRow.public_key == public_key))


async def readmit(db: AsyncSession, edge_id: UUID, account_id: UUID | None, *, is_local: bool) -> UUID | None:
    """An edge enrols again with the key it had: only for whom it was enrolled before."""
    row = await db.get_one(EdgeRow, edge_id)
    if row.account_id != account_id or row.is_local != is_local:
        return None
    row.removed_at = None
    await db.flush()
    return row.id


async def set_public_key(db: AsyncSession, edge_id: UUID, public_key: bytes) -> None:
    await db.execute(update(EdgeRow).where(EdgeRow.id == edge_id).values(public_key=public_key))


async def find_local_edge(db: AsyncSession) -> UUID | None:
    statement = select(EdgeRow.id).where(EdgeRow.is_local.is_(True), EdgeRow.removed_at.is_(None)).order_by(EdgeRow.id)
    return (await db.scalars(statement.limit(1))).first()


async def list_edges(db: AsyncSession, account_id: UUID, key: ScopeKey) -> list[Edge]:
    """Edges this account may use: its own, and the local one. Local first, then by age."""
    statement = (
        select(EdgeRow)
        .where(
            EdgeRow.removed_at.is_(None),
            or_(EdgeRow.account_id == account_id, EdgeRow.is_local.is_(True) & EdgeRow.account_id.is_(None)),
        )
        .order_by(EdgeRow.is_local.desc(), EdgeRow.id)
    )
    return [_edge(row, key) for row in (await db.scalars(statement)).all()]


def _edge(row: EdgeRow, key: ScopeKey) -> Edge:
    return Edge(
        id=row.id,
        name=_open(key, row.name, f"edge.name/{row.id}"),
        is_local=row.is_local,
        software=row.software or None,
        created_at=row.created_at,
        last_seen_at=row.last_seen_at,
    )


async def edges_seen(db: AsyncSession, edge_ids: Iterable[UUID]) -> dict[UUID, datetime | None]:
    statement = select(EdgeRow.id, EdgeRow.last_seen_at).where(EdgeRow.id.in_(list(edge_ids)))
    return dict((await db.execute(statement)).all())


async def set_edge_seen(db: AsyncSession, edge_id: UUID, now: datetime) -> None:
    await db.execute(update(EdgeRow).where(EdgeRow.id == edge_id).values(last_seen_at=now))


async def set_edge_removed(db: AsyncSession, edge_id: UUID, now: datetime) -> None:
    await db.execute(update(EdgeRow).where(EdgeRow.id == edge_id).values(removed_at=now))


# --- sealing ----------------------------------------------------------------------------------------------------------


def _seal(key: ScopeKey, text: str | None, context: str) -> bytes | None:
    return None if text is None else key.seal_text(text, context)


def _open(key: ScopeKey, sealed: bytes | None, context: str) -> str | None:
    return None if sealed is None else key.open_text(sealed, context)


def _seal_secret(vault: Vault, key: ScopeKey, text: str, context: str) -> bytes | None:
    return vault.seal_secret(key, text.encode(), context) if text else None


def _open_secret(vault: Vault, key: ScopeKey, sealed: bytes | None, context: str) -> str:
    return "" if sealed is None else vault.open_secret(key, sealed, context).decode()
