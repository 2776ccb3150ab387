"""What edges shall do, and what they tell: the `EdgeRegistry` of the uplink.

An edge is a program in somebody's home. It hears only of the devices bound to it, and what it says counts only for
their channels: a hostile edge can lie about its own cameras and about nothing else.
"""

from collections.abc import Iterable
from typing import Final
from uuid import UUID

import structlog
from sqlalchemy.ext.asyncio import AsyncSession

from incamera.devices import repository
from incamera.devices.address import source_of
from incamera.devices.events import ChannelOnline, DeviceChanged
from incamera.devices.model import Channel, Condition, Device, Picture, past_moment
from incamera.devices.processing import DEVICE_ACTIVITIES, EDGE_ACTIVITIES
from incamera.kit.clock import Clock
from incamera.kit.events import EventBus
from incamera.privacy import after_commit, open_session
from incamera.protocol.messages import (
    CameraState,
    CameraStatus,
    Desired,
    DesiredChannel,
    DesiredStream,
    SpoolStatus,
    StreamKind,
    StreamMode,
)
from incamera.storage.database import Database
from incamera.storage.vault import KeyDestroyed, KeyNotFound, ScopeKey, Vault

log = structlog.get_logger(__name__)

_CODEC_CHARACTERS: Final = 32
_MOST_PIXELS: Final = 16_384  # of a side


class EdgeDesk:
    """Answers edges and listens to them."""

    def __init__(self, *, database: Database, vault: Vault, clock: Clock, events: EventBus) -> None:
        self._database, self._vault, self._clock, self._events = database, vault, clock, events
        self._spools: dict[UUID, SpoolStatus] = {}

    async def desired(self, edge_id: UUID) -> Desired:
        """Everything this edge shall do. What is off, removed or has no privacy card is left out: nothing is opened."""
        channels: list[DesiredChannel] = []
        async with open_session(self._database, *DEVICE_ACTIVITIES, writes=False) as db:
            device_ids = await repository.list_of_edge(db, edge_id)
            keys = await self._keys(db, device_ids)
            for device in await repository.load_devices(db, device_ids, keys):
                for channel in wanted_channels(device):
                    channels.append(await self._channel(db, device, channel, keys[device.id]))
        return Desired(version=self._clock.now_us(), channels=tuple(channels))

    async def _keys(self, db: AsyncSession, device_ids: Iterable[UUID]) -> dict[UUID, ScopeKey]:
        keys: dict[UUID, ScopeKey] = {}
        for device_id in device_ids:
            epoch = await repository.find_epoch(db, device_id)
            try:
                keys[device_id] = await self._vault.epoch_key(device_id, epoch or 0)
            except (KeyDestroyed, KeyNotFound) as error:
                log.warning("device.unreadable", device_id=str(device_id), error=type(error).__name__)
        return keys

    async def _channel(self, db: AsyncSession, device: Device, channel: Channel, key: ScopeKey) -> DesiredChannel:
        secrets = await repository.get_secrets(db, channel.id, self._vault, key)
        sub, given, certificate = secrets.sub_address, secrets.credentials, secrets.certificate
        return DesiredChannel(
            channel_id=channel.id,
            epoch=device.epoch,
            source=source_of(secrets.address, given, certificate),
            sub_source=None if sub is None else source_of(sub, given, certificate),
            streams=wanted_streams(channel),
        )

    async def connected(self, edge_id: UUID) -> None:
        await self._seen(edge_id)

    async def disconnected(self, edge_id: UUID) -> None:
        self._spools.pop(edge_id, None)
        await self._seen(edge_id)

    async def _seen(self, edge_id: UUID) -> None:
        async with open_session(self._database, *EDGE_ACTIVITIES) as db:
            await repository.set_edge_seen(db, edge_id, self._clock.now())
            for device_id in await repository.list_of_edge(db, edge_id):
                self._tell(db, DeviceChanged(device_id))

    async def camera_status(self, edge_id: UUID, status: CameraStatus) -> None:
        """Keeps what an edge says of one of its own cameras; anything else is dropped."""
        now = self._clock.now()
        picture = _picture(status)
        async with open_session(self._database, *EDGE_ACTIVITIES) as db:
            device_id = await repository.find_channel_of_edge(db, status.channel_id, edge_id)
            if device_id is None:
                return
            before = await repository.find_reported(db, status.channel_id)
            condition = Condition(status.state, status.fault, past_moment(status.since_us, now))
            if before is None or (before.code, before.fault) != (condition.code, condition.fault):
                await repository.set_reported(db, status.channel_id, condition, now)
                log.info("channel.state", channel_id=str(status.channel_id), state=status.state, fault=status.fault)
            if picture is not None:
                await repository.set_picture(db, status.channel_id, picture)
            self._tell(db, DeviceChanged(device_id))
            if status.state is CameraState.ONLINE:
                self._tell(db, ChannelOnline(status.channel_id))

    async def spool_status(self, edge_id: UUID, status: SpoolStatus) -> None:
        self._spools[edge_id] = status

    def spool_of(self, edge_id: UUID) -> SpoolStatus | None:
        """How far behind a connected edge is, as it said last."""
        return self._spools.get(edge_id)

    async def may_send(self, edge_id: UUID, channel_id: UUID, stream: StreamKind, epoch: int) -> str | None:
        """None, or why not: `unknown_channel`, `stale_epoch`, `not_wanted`."""
        async with open_session(self._database, *EDGE_ACTIVITIES, writes=False) as db:
            state = await repository.find_sending_state(db, channel_id, edge_id)
        if state is None:
            return "unknown_channel"
        if state.epoch != epoch:
            return "stale_epoch"
        is_wanted = state.mode is not StreamMode.OFF and not state.is_removed
        return None if is_wanted and (state.sound or stream is not StreamKind.AUDIO) else "not_wanted"

    def _tell(self, db: AsyncSession, event: object) -> None:
        after_commit(db, lambda: self._events.publish(event))


def wanted_channels(device: Device) -> list[Channel]:
    """Channels of a device that anything may be captured of."""
    if device.removed_at is not None or device.card is None:
        return []
    return [channel for channel in device.channels if channel.mode is not StreamMode.OFF]


def wanted_streams(channel: Channel) -> tuple[DesiredStream, ...]:
    """The main stream as the owner chose, the sub stream live only, sound where it was turned on."""
    streams = [DesiredStream(stream=StreamKind.MAIN, mode=channel.mode, is_watched=False)]
    if channel.sub_address is not None:
        streams.append(DesiredStream(stream=StreamKind.SUB, mode=StreamMode.LIVE, is_watched=False))
    if channel.sound:
        streams.append(DesiredStream(stream=StreamKind.AUDIO, mode=channel.mode, is_watched=False))
    return tuple(streams)


def _picture(status: CameraStatus) -> Picture | None:
    if not status.video_codec:
        return None
    width, height = (max(0, min(side, _MOST_PIXELS)) for side in (status.width, status.height))
    return Picture(status.video_codec[:_CODEC_CHARACTERS], status.audio_codec[:_CODEC_CHARACTERS], width, height)
