"""What happened to devices, for sockets, recording and open pages."""

from dataclasses import dataclass
from uuid import UUID


@dataclass(frozen=True, slots=True)
class DeviceChanged:
    """Anything a page shows of this device is different now: name, mode, state, cover."""

    device_id: UUID


@dataclass(frozen=True, slots=True)
class DeviceRemoved:
    """Capture stopped and the doors are closed; for some minutes the owner may still undo it."""

    device_id: UUID
    channel_ids: tuple[UUID, ...]


@dataclass(frozen=True, slots=True)
class DeviceErased:
    """The epoch key is destroyed and every row is gone; whatever else is kept of these channels goes now."""

    device_id: UUID
    epoch: int
    channel_ids: tuple[UUID, ...]


@dataclass(frozen=True, slots=True)
class ChannelTurnedOff:
    """The owner turned this channel off: its streams close (reason `turned_off`)."""

    channel_id: UUID


@dataclass(frozen=True, slots=True)
class SoundTurnedOff:
    """The owner turned the sound of this channel off: its sound closes at once, its picture goes on."""

    channel_id: UUID


@dataclass(frozen=True, slots=True)
class ChannelOnline:
    """A camera began to send, or comes back: a good moment for a fresh cover."""

    channel_id: UUID
