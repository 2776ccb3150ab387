"""Devices as values, and the rules that need no database.

device (camera, doorbell, recorder) ─┬─ channel 1: mode off | live | record, sound on | off, kept for ...
                                     └─ channel n
removal:  in use ──remove──► removed, undo possible for 10 min ──► erased (its key is destroyed)
                    ◄─restore──┘
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from functools import cache
from typing import Final, Literal
from uuid import UUID
from zoneinfo import available_timezones

from incamera.devices.address import CameraAddress
from incamera.devices.errors import InvalidKeep, InvalidTimeZone, KeepOutOfRange
from incamera.kit.clock import from_us, to_us
from incamera.protocol.messages import CameraFault, CameraState, StreamMode
from incamera.storage.vault import EpochRef

UNDO_LENGTH: Final = timedelta(minutes=10)
KEEP_LEAST: Final = timedelta(hours=6)  # keys of recordings are made by the hour: shorter cannot be kept exactly
KEEP_DEFAULT: Final = timedelta(days=7)
KEEP_CEILING: Final = timedelta(days=30)
KEEP_PUBLIC_SPACE: Final = timedelta(days=3)  # EDPB guidelines 3/2019, paragraph 121
STATES_KEPT: Final = timedelta(days=1)
MAX_DEVICES: Final = 256
MAX_CHANNELS: Final = 64
MAX_EDGES: Final = 32


class DeviceKind(StrEnum):
    CAMERA = "camera"
    DOORBELL = "doorbell"
    RECORDER = "recorder"


class Placement(StrEnum):
    INDOOR = "indoor"
    OUTDOOR = "outdoor"
    DOORBELL = "doorbell"


@dataclass(frozen=True, slots=True)
class PrivacyCard:
    """What the owner states about the people a camera sees; without it nothing is captured (B0-01)."""

    purpose: str
    placement: Placement
    sees_public_space: bool
    staff_informed: bool | None  # None: nobody works there
    sound: bool


Fault = CameraFault | Literal["edge_offline"]


@dataclass(frozen=True, slots=True)
class Condition:
    """Whether a camera sends, since when, and if not why."""

    code: CameraState
    fault: Fault
    since: datetime | None


@dataclass(frozen=True, slots=True)
class Picture:
    """What the camera sends, as the edge told last. Empty and 0 until it did."""

    video_codec: str = ""
    audio_codec: str = ""
    width: int = 0
    height: int = 0


@dataclass(frozen=True, slots=True)
class Channel:
    """One lens or input."""

    id: UUID
    number: int
    name: str
    mode: StreamMode
    sound: bool
    keep: timedelta
    address: CameraAddress
    sub_address: CameraAddress | None
    picture: Picture
    reported: Condition | None  # what the edge said last; None: nothing yet
    cover_taken_at: datetime | None

    def condition(self, *, edge_is_connected: bool, edge_last_seen_at: datetime | None) -> Condition:
        """What to show: an owner's "off" goes first, then the edge, then what the edge said."""
        if self.mode is StreamMode.OFF:
            return Condition(CameraState.OFF, CameraFault.NONE, None)
        if not edge_is_connected:
            return Condition(CameraState.OFFLINE, "edge_offline", edge_last_seen_at)
        return self.reported or Condition(CameraState.CONNECTING, CameraFault.NONE, None)


@dataclass(frozen=True, slots=True)
class Device:
    """A device, unsealed. Its secrets are not in here."""

    id: UUID
    kind: DeviceKind
    name: str
    model: str | None
    serial: str | None
    time_zone: str
    edge_id: UUID
    epoch: int
    registered_at: datetime
    card: PrivacyCard | None
    sign_code: str | None
    removed_at: datetime | None
    channels: tuple[Channel, ...]

    @property
    def removed_until(self) -> datetime | None:
        """The end of the time in which removal can be undone."""
        return None if self.removed_at is None else self.removed_at + UNDO_LENGTH

    @property
    def keep_ceiling(self) -> timedelta:
        return keep_ceiling(self.card)

    def channel(self, channel_id: UUID) -> Channel:
        return next(channel for channel in self.channels if channel.id == channel_id)


@dataclass(frozen=True, slots=True)
class Edge:
    """A program beside cameras. `name` None: the local one, which needs none."""

    id: UUID
    name: str | None
    is_local: bool
    software: str | None
    created_at: datetime
    last_seen_at: datetime | None


@dataclass(frozen=True, slots=True)
class RecordingPlan:
    """What the owner wants of a channel, as far as recording needs to know."""

    device_id: UUID
    epoch: int
    is_recorded: bool
    is_sound_recorded: bool
    keep: timedelta

    @property
    def epoch_ref(self) -> EpochRef:
        return EpochRef(self.device_id, self.epoch)


@dataclass(frozen=True, slots=True)
class KeepPlan:
    """How long a channel's recordings are kept, and whether under the rule for public space."""

    keep: timedelta
    sees_public_space: bool


@dataclass(frozen=True, slots=True)
class Viewing:
    """One look at a channel, live or past, as its owner sees it in the log."""

    id: UUID
    channel_id: UUID
    account_id: UUID
    kind: Literal["live", "playback"]
    started_at: datetime
    ended_at: datetime | None  # None: still looking


def keep_ceiling(card: PrivacyCard | None) -> timedelta:
    """The longest time recordings may be kept."""
    return KEEP_PUBLIC_SPACE if card is not None and card.sees_public_space else KEEP_CEILING


def check_keep(keep: timedelta, card: PrivacyCard | None) -> timedelta:
    """Raises KeepOutOfRange."""
    ceiling = keep_ceiling(card)
    if not KEEP_LEAST <= keep <= ceiling:
        raise KeepOutOfRange(render_keep(KEEP_LEAST), render_keep(ceiling))
    return keep


def parse_keep(text: str) -> timedelta:
    """`P7D` or `PT6H` (ISO 8601, days or hours); raises InvalidKeep."""
    match = re.fullmatch(r"P(?:([1-9]\d{0,3})D|T([1-9]\d{0,4})H)", text)
    if match is None:
        raise InvalidKeep
    return timedelta(days=int(match[1] or 0), hours=int(match[2] or 0))


def render_keep(keep: timedelta) -> str:
    """The duration as `parse_keep` reads it."""
    hours = int(keep.total_seconds()) // 3600
    return f"P{hours // 24}D" if hours % 24 == 0 else f"PT{hours}H"


def check_time_zone(name: str) -> str:
    """An IANA zone; raises InvalidTimeZone. Its rules for summer time come with it (B3-05)."""
    if name not in _zones():
        raise InvalidTimeZone
    return name


@cache
def _zones() -> frozenset[str]:
    return frozenset(available_timezones()) - {"localtime", "Factory", "posixrules"}


_YEAR_2000_US: Final = 946_684_800_000_000


def past_moment(moment_us: int, now: datetime) -> datetime:
    """What an edge says of the past. Its clock may be wrong: nothing began in the future, and nothing before 2000."""
    return from_us(moment_us) if _YEAR_2000_US <= moment_us <= to_us(now) else now


_WORST_LAST: Final = (CameraState.ONLINE, CameraState.CONNECTING, CameraState.OFFLINE, CameraState.OFF)


def device_condition(conditions: Sequence[Condition]) -> Condition:
    """One word for a device with several channels: what its best channel says; "off" for one without channels."""
    nothing = Condition(CameraState.OFF, CameraFault.NONE, None)
    return min(conditions, key=lambda condition: _WORST_LAST.index(condition.code), default=nothing)
