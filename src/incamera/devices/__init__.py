"""Devices and edges: add a camera, doorbell or recorder; name, configure, remove it; what edges shall do and tell.

`EdgeAdmission` and `EdgeDesk` are what the uplink asks for; `DevicePlans` is what recording asks for; `DeviceServices`
holds the use cases behind the endpoints. Names, addresses, passwords and covers are sealed under the device's epoch
key, so that destroying this one key erases them. What `live` and `playback` log of viewings is read through
`ViewingSource`s, what they and `recording` keep of a device is erased through `RemovalService.on_erase`.
"""

from incamera.devices.covers import CoverService
from incamera.devices.dependencies import DeviceServices
from incamera.devices.desired import EdgeDesk
from incamera.devices.edges import EdgeAdmission, EdgeService, ServerAddress
from incamera.devices.events import (
    ChannelOnline,
    ChannelTurnedOff,
    DeviceChanged,
    DeviceErased,
    DeviceRemoved,
    SoundTurnedOff,
)
from incamera.devices.feed import DeviceFeed
from incamera.devices.model import DeviceKind, KeepPlan, PrivacyCard, RecordingPlan
from incamera.devices.plans import DevicePlans
from incamera.devices.removal import RemovalService
from incamera.devices.service import DeviceService
from incamera.devices.viewings import LoggedViewing, ViewingLogs, ViewingSource

__all__ = [
    "ChannelOnline",
    "ChannelTurnedOff",
    "CoverService",
    "DeviceChanged",
    "DeviceErased",
    "DeviceFeed",
    "DeviceKind",
    "DevicePlans",
    "DeviceRemoved",
    "DeviceService",
    "DeviceServices",
    "EdgeAdmission",
    "EdgeDesk",
    "EdgeService",
    "KeepPlan",
    "LoggedViewing",
    "PrivacyCard",
    "RecordingPlan",
    "RemovalService",
    "ServerAddress",
    "SoundTurnedOff",
    "ViewingLogs",
    "ViewingSource",
]
