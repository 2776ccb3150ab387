"""What those above must know of a device without being a person who knocks: recording, and a sign's page."""

from collections.abc import Mapping
from uuid import UUID

from incamera.devices import repository
from incamera.devices.model import Device, KeepPlan, RecordingPlan
from incamera.devices.processing import DEVICE_ACTIVITIES
from incamera.privacy import open_session
from incamera.storage.database import Database
from incamera.storage.vault import KeyDestroyed, KeyNotFound, Vault


class DevicePlans:
    """The `ChannelRules` of recording, and the cards behind printed signs."""

    def __init__(self, database: Database, vault: Vault) -> None:
        self._database, self._vault = database, vault

    async def find(self, channel_id: UUID) -> RecordingPlan | None:
        """What the owner wants of a channel; None if it does not exist (any more)."""
        async with open_session(self._database, *DEVICE_ACTIVITIES, writes=False) as db:
            return await repository.find_recording_plan(db, channel_id)

    async def keep(self) -> Mapping[UUID, KeepPlan]:
        """For every channel there is: how long its recordings are kept, and under which rule of the notice."""
        async with open_session(self._database, *DEVICE_ACTIVITIES, writes=False) as db:
            return await repository.list_keep_plans(db)

    async def find_signed(self, sign_code: str) -> Device | None:
        """The device behind a printed sign, for the page that shows a passer-by what is done with the picture."""
        async with open_session(self._database, *DEVICE_ACTIVITIES, writes=False) as db:
            found = await repository.find_by_sign(db, sign_code)
            if found is None:
                return None
            try:
                key = await self._vault.epoch_key(*found)
            except (KeyDestroyed, KeyNotFound):
                return None
            (device,) = await repository.load_devices(db, [found[0]], {found[0]: key})
        return device
