"""What changes of access others must hear of: open streams close within five seconds."""

from dataclasses import dataclass
from uuid import UUID


@dataclass(frozen=True, slots=True)
class GrantRevoked:
    """This account lost a grant on this device: check again whatever it has open there."""

    device_id: UUID
    account_id: UUID


@dataclass(frozen=True, slots=True)
class OwnershipEnded:
    """A device left its account (removed, reset, transferred); every access of that epoch is over."""

    device_id: UUID
    epoch: int
