"""What the endpoints of devices work with; `app.py` puts it into `app.state.devices`."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request

from incamera.devices.covers import CoverService
from incamera.devices.edges import EdgeService
from incamera.devices.feed import DeviceFeed
from incamera.devices.removal import RemovalService
from incamera.devices.service import DeviceService
from incamera.devices.viewings import ViewingLogs


@dataclass(frozen=True, slots=True)
class DeviceServices:
    """The use cases of this feature."""

    devices: DeviceService
    removal: RemovalService
    edges: EdgeService
    covers: CoverService
    viewings: ViewingLogs
    feed: DeviceFeed


def _services(request: Request) -> DeviceServices:
    services: DeviceServices = request.app.state.devices
    return services


Services = Annotated[DeviceServices, Depends(_services)]
