"""Who may do what with a device: ownership, grants, and the only two doors that decide.

`access_channel` stands before every byte of picture and sound, `access_device` before configuration. Each returns an
`Access` or raises `NotFound`: an outsider gets the same answer, in the same time, for a device of somebody else as
for one that does not exist. A long-lived socket asks `recheck` when its `Access.until` comes and when an event says
that something changed; nothing else in the program decides.

`devices` and `sharing` lie above and change ownership and grants through `guard_device` and its neighbours.
"""

from incamera.access.doors import access_channel, access_device, recheck, visible_devices
from incamera.access.errors import NotFound
from incamera.access.events import GrantRevoked, OwnershipEnded
from incamera.access.model import Access, Grant, Permission, WeeklyHours
from incamera.access.service import (
    end_ownership,
    forget_device,
    give_grant,
    guard_device,
    move_time_zone,
    owner_of,
    people_with_access,
    resume_device,
    revoke_grant,
    suspend_device,
)

__all__ = [
    "Access",
    "Grant",
    "GrantRevoked",
    "NotFound",
    "OwnershipEnded",
    "Permission",
    "WeeklyHours",
    "access_channel",
    "access_device",
    "end_ownership",
    "forget_device",
    "give_grant",
    "guard_device",
    "move_time_zone",
    "owner_of",
    "people_with_access",
    "recheck",
    "resume_device",
    "revoke_grant",
    "suspend_device",
    "visible_devices",
]
