"""The index of recordings as `playback` may ask it, within a session of its own."""

from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from incamera.protocol.messages import StreamKind
from incamera.recording import repository
from incamera.recording.model import Segment
from incamera.recording.repository import Island


class TimelineIndex:
    """Questions about one channel. The session must be open for an activity that reuses the recording index."""

    def __init__(self, db: AsyncSession, channel_id: UUID) -> None:
        self._db, self.channel_id = db, channel_id

    async def islands(self, from_us: int, to_us: int, tolerance_us: int) -> dict[StreamKind, list[Island]]:
        """See `repository.islands`."""
        return await repository.islands(self._db, self.channel_id, from_us, to_us, tolerance_us)

    async def bounds(self) -> tuple[int, int] | None:
        """Start of the oldest and end of the newest segment."""
        return await repository.bounds(self._db, self.channel_id)

    async def damage(self, from_us: int, to_us: int) -> list[tuple[StreamKind, int, int]]:
        """(stream, from, to) of what no longer opens."""
        found = await repository.damage_between(self._db, self.channel_id, from_us, to_us)
        return [(StreamKind(stream), start, end) for stream, start, end in found]

    async def before(self, stream: StreamKind, before_us: int) -> Segment | None:
        """The last segment that began before this moment."""
        return await repository.find_before(self._db, self.channel_id, stream, before_us)

    async def after(self, stream: StreamKind, from_us: int) -> Segment | None:
        """The first segment that began at this moment or later."""
        return await repository.find_after(self._db, self.channel_id, stream, from_us)
