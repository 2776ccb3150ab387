"""A bucket as the place of backups."""

from dataclasses import dataclass
from pathlib import Path
from typing import Self

from incamera.config import Settings
from incamera.maintenance.places import privacy_file
from incamera.privacy.operator_file import Operator, load_operator
from incamera.storage import backup as archive
from incamera.storage.blobs import BlobNotFound, Blobs, blobs_endpoint
from incamera.storage.outbound import Outbound


@dataclass(frozen=True, slots=True)
class Bucket:
    """A place for backups that is somebody's computer: only if the operator's file enables it as `object_store`."""

    url: str
    blobs: Blobs
    host: str
    port: int
    outbound: Outbound

    @classmethod
    def parse(cls, url: str, settings: Settings) -> Self:
        blobs = Blobs.at(url)
        endpoint = blobs_endpoint(url)
        return cls(url, blobs, *endpoint, outbound_of(load_operator(privacy_file(settings))))

    async def check(self) -> None:
        """Raises OutboundRefused for a place that no enabled slot names."""
        await self.outbound.address_of("object_store", self.host, self.port)

    async def fetch(self, name: str, folder: Path) -> None:
        """Brings a backup here; its key part may be kept elsewhere."""
        await self.check()
        for part in (archive.MANIFEST, archive.ROWS, archive.KEYS):
            try:
                (folder / part).write_bytes(await self.blobs.get(f"{name}/{part}"))
            except BlobNotFound:
                if part != archive.KEYS:
                    raise


def outbound_of(operator: Operator) -> Outbound:
    """The one door to the outside, with the slots that the operator's file enables."""
    return Outbound(operator.outbound_slots(), allow_private=operator.own_slots())
