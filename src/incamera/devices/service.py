"""Use cases of devices: try one, add it, show it, change it. Removing has its own file, `removal`.

Every method that takes an `Actor` asks a door of `access` first. What an edge must hear of is told after the commit.
"""

import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Protocol
from uuid import UUID

import structlog
from sqlalchemy.ext.asyncio import AsyncSession

from incamera.access import (
    Access,
    NotFound,
    Permission,
    access_channel,
    access_device,
    guard_device,
    move_time_zone,
    visible_devices,
)
from incamera.accounts import Actor
from incamera.devices import repository
from incamera.devices.address import CameraAddress, CameraLogin, source_of
from incamera.devices.edges import EdgeService
from incamera.devices.errors import PrivacyCardNeeded, TooManyDevices, camera_error
from incamera.devices.events import (
    ChannelTurnedOff,
    DeviceChanged,
    SoundTurnedOff,
)
from incamera.devices.jpeg import NotAJpeg, strip_metadata
from incamera.devices.model import (
    KEEP_DEFAULT,
    MAX_DEVICES,
    STATES_KEPT,
    Channel,
    Condition,
    Device,
    DeviceKind,
    Picture,
    PrivacyCard,
    check_keep,
    device_condition,
    keep_ceiling,
)
from incamera.devices.processing import DEVICE_ACTIVITIES
from incamera.devices.recorders import FoundStream, StreamSearch
from incamera.devices.repository import Secrets
from incamera.kit.clock import Clock
from incamera.kit.events import EventBus
from incamera.kit.ids import new_id
from incamera.privacy import after_commit, open_session
from incamera.protocol.messages import AnySource, CameraFault, ProbeResult, StreamMode
from incamera.storage.database import Database
from incamera.storage.vault import KeyDestroyed, KeyNotFound, ScopeKey, Vault
from incamera.streams import EdgeDidNotAnswer

log = structlog.get_logger(__name__)


class Uplinks(Protocol):
    """Of `streams.UplinkDirectory`, what devices need."""

    def is_connected(self, edge_id: UUID) -> bool: ...

    def refresh_desired(self, edge_id: UUID) -> None: ...

    async def probe(self, edge_id: UUID, source: AnySource) -> ProbeResult: ...


class Viewers(Protocol):
    """Of `streams.Hub`, what devices and covers need."""

    def viewer_count(self, channel_id: UUID) -> int: ...


@dataclass(frozen=True, slots=True)
class NewChannel:
    name: str
    login: CameraLogin
    sub_login: CameraLogin | None


@dataclass(frozen=True, slots=True)
class AddDevice:
    kind: DeviceKind
    name: str
    model: str | None
    serial: str | None
    time_zone: str
    edge_id: UUID | None
    channels: tuple[NewChannel, ...]
    card: PrivacyCard | None
    mode: StreamMode
    sound: bool


@dataclass(frozen=True, slots=True)
class ChangeChannel:
    """None: stays as it is."""

    name: str | None = None
    mode: StreamMode | None = None
    sound: bool | None = None
    keep: timedelta | None = None


@dataclass(frozen=True, slots=True)
class ShownChannel:
    """A channel with what is true of it at this moment."""

    channel: Channel
    condition: Condition
    watching: int
    keep_ceiling: timedelta


@dataclass(frozen=True, slots=True)
class ShownDevice:
    """A device as one person may see it."""

    device: Device
    access: Access
    condition: Condition
    channels: tuple[ShownChannel, ...]


class DeviceService:
    """One per server."""

    def __init__(
        self,
        *,
        database: Database,
        vault: Vault,
        clock: Clock,
        events: EventBus,
        edges: EdgeService,
        uplinks: Uplinks,
        viewers: Viewers,
    ) -> None:
        self._database, self._vault, self._clock, self._events = database, vault, clock, events
        self._edges, self._uplinks, self._viewers = edges, uplinks, viewers

    # --- trying and adding --------------------------------------------------------------------------------------------

    async def probe(self, actor: Actor, login: CameraLogin, edge_id: UUID | None) -> ProbeResult:
        """Lets an edge try a camera; nothing is kept. Raises a CameraError, or an error of the uplink."""
        async with open_session(self._database, *DEVICE_ACTIVITIES, writes=False) as db:
            chosen = await self._edges.choose(db, actor, edge_id)
        result = await self._uplinks.probe(chosen, source_of(login.address, login.credentials, login.certificate))
        if result.fault is not CameraFault.NONE:
            raise camera_error(result)
        return result

    async def find_streams(
        self, actor: Actor, login: CameraLogin, edge_id: UUID | None, *, first: int, count: int
    ) -> tuple[str, list[FoundStream]]:
        """Lets an edge look for the smaller stream, and for a recorder's other inputs; nothing is kept.

        The brand, if its rule is known, and the inputs `first` to `first + count - 1`; `count` 0: just the given one.
        Raises an error of the uplink.
        """
        async with open_session(self._database, *DEVICE_ACTIVITIES, writes=False) as db:
            chosen = await self._edges.choose(db, actor, edge_id)

        async def try_one(address: CameraAddress) -> ProbeResult:
            try:
                return await self._uplinks.probe(chosen, source_of(address, login.credentials, login.certificate))
            except EdgeDidNotAnswer:  # this camera took too long; the others need not
                return ProbeResult(request_id=new_id(), fault=CameraFault.STALLED)

        search = StreamSearch(login, try_one, self._clock.monotonic)
        return search.brand, await search.run(first, count)

    async def add(self, db: AsyncSession, actor: Actor, command: AddDevice) -> ShownDevice:
        """Adds a device with its channels to the person's account."""
        if command.mode is not StreamMode.OFF and command.card is None:
            raise PrivacyCardNeeded
        if command.sound and command.card is not None:
            command = replace(command, card=replace(command.card, sound=True))  # the sign tells what is true
        if len(await visible_devices(db, actor, self._clock, also_suspended=True)) >= MAX_DEVICES:
            raise TooManyDevices(MAX_DEVICES)
        edge_id = await self._edges.choose(db, actor, command.edge_id)
        device_id, channel_ids = new_id(), [new_id() for _ in command.channels]
        epoch = await guard_device(
            db, device_id, channel_ids, time_zone=command.time_zone, owner_id=actor.account_id, clock=self._clock
        )
        key = await self._vault.create_epoch_key(device_id, epoch)
        await repository.add_device(db, self._new_device(command, device_id, epoch, edge_id), key)
        for number, (channel_id, wanted) in enumerate(zip(channel_ids, command.channels, strict=True), start=1):
            await repository.add_channel(db, device_id, _new_channel(command, wanted, channel_id, number), key)
            await repository.set_source(db, channel_id, _secrets(wanted.login, wanted.sub_login), self._vault, key)
        self._after_change(db, device_id, edge_id)
        log.info("device.added", device_id=str(device_id), channels=len(channel_ids))
        return await self.show(db, actor, device_id)

    def _new_device(self, command: AddDevice, device_id: UUID, epoch: int, edge_id: UUID) -> Device:
        return Device(
            id=device_id,
            kind=command.kind,
            name=command.name,
            model=command.model,
            serial=command.serial,
            time_zone=command.time_zone,
            edge_id=edge_id,
            epoch=epoch,
            registered_at=self._clock.now(),
            card=command.card,
            sign_code=_new_sign_code() if command.card else None,
            removed_at=None,
            channels=(),
        )

    # --- showing ------------------------------------------------------------------------------------------------------

    async def show(self, db: AsyncSession, actor: Actor, device_id: UUID) -> ShownDevice:
        """One device; raises NotFound. Its owner also sees it while removal can be undone."""
        access = await access_device(db, actor, device_id, None, self._clock, also_suspended=True)
        shown = await self._show(db, [access])
        if not shown:
            raise NotFound
        return shown[0]

    async def devices(
        self, db: AsyncSession, actor: Actor, *, after: UUID | None = None, limit: int = 100, removed: bool = False
    ) -> list[ShownDevice]:
        """The person's devices in the order they were added, beginning after the device with this id.

        `removed`: those whose removal can still be undone, instead of those in use.
        """
        accesses = await visible_devices(db, actor, self._clock, also_suspended=removed)
        if removed:
            in_use = {access.device_id for access in await visible_devices(db, actor, self._clock)}
            accesses = [access for access in accesses if access.device_id not in in_use]
        accesses.sort(key=lambda access: access.device_id)
        return await self._show(db, [it for it in accesses if after is None or it.device_id > after][:limit])

    async def states(self, db: AsyncSession, actor: Actor, channel_id: UUID) -> list[Condition]:
        """What was told of a channel over the last day, the oldest first. For the owner only (B6-05)."""
        access = await access_channel(db, actor, channel_id, Permission.CONFIGURE, self._clock)
        if not access.is_owner:
            raise NotFound
        return await repository.list_history(db, channel_id, self._clock.now() - STATES_KEPT)

    async def _show(self, db: AsyncSession, accesses: Sequence[Access]) -> list[ShownDevice]:
        by_id = {access.device_id: access for access in accesses}
        keys = await self._keys((access.device_id, access.epoch) for access in accesses)
        devices = await repository.load_devices(db, list(by_id), keys)
        seen = await repository.edges_seen(db, {device.edge_id for device in devices})
        return [self._shown(device, by_id[device.id], seen.get(device.edge_id)) for device in devices]

    def _shown(self, device: Device, access: Access, edge_last_seen_at: datetime | None) -> ShownDevice:
        is_connected = self._uplinks.is_connected(device.edge_id)
        channels = tuple(
            ShownChannel(
                channel=channel,
                condition=channel.condition(edge_is_connected=is_connected, edge_last_seen_at=edge_last_seen_at),
                watching=self._viewers.viewer_count(channel.id),
                keep_ceiling=device.keep_ceiling,
            )
            for channel in device.channels
            if access.channels is None or channel.id in access.channels
        )
        return ShownDevice(device, access, device_condition([it.condition for it in channels]), channels)

    async def _keys(self, epochs: Iterable[tuple[UUID, int]]) -> dict[UUID, ScopeKey]:
        keys: dict[UUID, ScopeKey] = {}
        for device_id, epoch in epochs:
            try:
                keys[device_id] = await self._vault.epoch_key(device_id, epoch)
            except (KeyDestroyed, KeyNotFound) as error:  # being erased at this moment: not there any more
                log.warning("device.unreadable", device_id=str(device_id), error=type(error).__name__)
        return keys

    # --- changing -----------------------------------------------------------------------------------------------------

    async def change(
        self, db: AsyncSession, actor: Actor, device_id: UUID, *, name: str | None, time_zone: str | None
    ) -> ShownDevice:
        """Gives a device another name, or says that it stands in another time zone."""
        access = await self._open(db, actor, device_id)
        if name is not None:
            key = await self._vault.epoch_key(device_id, access.epoch)
            await repository.set_device_name(db, device_id, name, key)
        if time_zone is not None:
            await repository.set_time_zone(db, device_id, time_zone)
            await move_time_zone(db, device_id, time_zone)
        fields = [field for field, value in (("name", name), ("time_zone", time_zone)) if value is not None]
        return await self._changed(db, actor, device_id, fields)

    async def set_card(self, db: AsyncSession, actor: Actor, device_id: UUID, card: PrivacyCard) -> ShownDevice:
        """Replaces the privacy card: the owner's own statement, so nobody else may.

        Where public space is seen, nothing is kept longer than the ceiling for it; where it says that nothing is heard,
        sound is turned off.
        """
        access = await self._open_as_owner(db, actor, device_id)
        key = await self._vault.epoch_key(device_id, access.epoch)
        await repository.set_card(db, device_id, card, _new_sign_code(), key)
        await repository.cap_keep(db, device_id, keep_ceiling(card))
        if not card.sound:
            for channel_id in await repository.mute(db, device_id):
                self._tell(db, SoundTurnedOff(channel_id))
        return await self._changed(db, actor, device_id, ["privacy_card"])

    async def change_channel(
        self, db: AsyncSession, actor: Actor, channel_id: UUID, change: ChangeChannel
    ) -> ShownDevice:
        """Name, mode, sound, keeping time of one channel. Mode and sound need the privacy card (B0-01)."""
        access = await access_channel(db, actor, channel_id, Permission.CONFIGURE, self._clock)
        key = await self._vault.epoch_key(access.device_id, access.epoch)
        (device,) = await repository.load_devices(db, [access.device_id], {access.device_id: key})
        before = device.channel(channel_id)
        after = _changed_channel(device, before, change)
        if after.name != before.name:
            await repository.set_channel_name(db, channel_id, after.name, key)
        await repository.set_channel_wishes(db, channel_id, mode=after.mode, sound=after.sound, keep=after.keep)
        if after.sound and device.card is not None and not device.card.sound:
            await repository.set_card(db, device.id, replace(device.card, sound=True), _new_sign_code(), key)
        self._tell_turned_off(db, before, after)
        fields = [field for field in ("name", "mode", "sound", "keep") if getattr(change, field) is not None]
        return await self._changed(db, actor, device.id, fields)

    def _tell_turned_off(self, db: AsyncSession, before: Channel, after: Channel) -> None:
        if after.mode is StreamMode.OFF and before.mode is not StreamMode.OFF:
            self._tell(db, ChannelTurnedOff(after.id))
        if before.sound and not after.sound:
            self._tell(db, SoundTurnedOff(after.id))

    async def set_source(
        self, db: AsyncSession, actor: Actor, channel_id: UUID, login: CameraLogin, sub_login: CameraLogin | None
    ) -> ShownDevice:
        """Another address or password of a camera, such as after its password was changed on the camera itself.

        What lies on the machine of the owner's edge has no password: a grant to configure one camera opens none of it.
        """
        access = await access_channel(db, actor, channel_id, Permission.CONFIGURE, self._clock)
        is_local = any(it.address.is_local for it in (login, sub_login) if it is not None)
        if is_local and not access.is_owner:
            raise NotFound
        key = await self._vault.epoch_key(access.device_id, access.epoch)
        await repository.set_source(db, channel_id, _secrets(login, sub_login), self._vault, key)
        return await self._changed(db, actor, access.device_id, ["source"])

    async def move(self, db: AsyncSession, actor: Actor, device_id: UUID, edge_id: UUID) -> ShownDevice:
        """Another edge looks after the device from now on. It learns the camera's password: for the owner only."""
        await self._open_as_owner(db, actor, device_id)
        former, chosen = await repository.get_edge_of(db, device_id), await self._edges.choose(db, actor, edge_id)
        await repository.set_edge(db, device_id, chosen)
        after_commit(db, lambda: self._uplinks.refresh_desired(former))
        return await self._changed(db, actor, device_id, ["edge"])

    async def _open(self, db: AsyncSession, actor: Actor, device_id: UUID) -> Access:
        return await access_device(db, actor, device_id, Permission.CONFIGURE, self._clock)

    async def _open_as_owner(self, db: AsyncSession, actor: Actor, device_id: UUID) -> Access:
        access = await self._open(db, actor, device_id)
        if not access.is_owner:
            raise NotFound
        return access

    async def _changed(self, db: AsyncSession, actor: Actor, device_id: UUID, fields: Sequence[str]) -> ShownDevice:
        await repository.add_change(db, device_id, fields, self._clock.now())
        self._after_change(db, device_id, await repository.get_edge_of(db, device_id))
        return await self.show(db, actor, device_id)

    def _after_change(self, db: AsyncSession, device_id: UUID, edge_id: UUID) -> None:
        after_commit(db, lambda: self._uplinks.refresh_desired(edge_id))
        self._tell(db, DeviceChanged(device_id))

    def _tell(self, db: AsyncSession, event: object) -> None:
        after_commit(db, lambda: self._events.publish(event))


def picture_of(result: ProbeResult) -> bytes | None:
    """The picture of a probe, fit to be shown; None if there is none."""
    try:
        return strip_metadata(result.picture)
    except NotAJpeg:
        return None


def _new_sign_code() -> str:
    return secrets.token_urlsafe(16)


def _secrets(login: CameraLogin, sub_login: CameraLogin | None) -> Secrets:
    return Secrets(login.address, sub_login.address if sub_login else None, login.credentials, login.certificate)


def _new_channel(command: AddDevice, wanted: NewChannel, channel_id: UUID, number: int) -> Channel:
    return Channel(
        id=channel_id,
        number=number,
        name=wanted.name,
        mode=command.mode,
        sound=command.sound and command.mode is not StreamMode.OFF,
        keep=min(KEEP_DEFAULT, keep_ceiling(command.card)),
        address=wanted.login.address,
        sub_address=wanted.sub_login.address if wanted.sub_login else None,
        picture=Picture(),
        reported=None,
        cover_taken_at=None,
    )


def _changed_channel(device: Device, channel: Channel, change: ChangeChannel) -> Channel:
    changed = replace(
        channel,
        name=change.name if change.name is not None else channel.name,
        mode=change.mode if change.mode is not None else channel.mode,
        sound=change.sound if change.sound is not None else channel.sound,
        keep=check_keep(change.keep, device.card) if change.keep is not None else channel.keep,
    )
    captures = change.mode not in (None, StreamMode.OFF) or change.sound is True
    if captures and device.card is None:
        raise PrivacyCardNeeded
    return changed
