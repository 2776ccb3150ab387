"""Every query of the viewing log of recordings."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import delete, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncSession

from incamera.playback.tables import PlaybackSessionRow


async def add(db: AsyncSession, viewing_id: UUID, account_id: UUID, channel_id: UUID, started_at: datetime) -> None:
    db.add(
        PlaybackSessionRow(
            id=viewing_id,
            account_id=account_id,
            channel_id=channel_id,
            started_at=started_at,
            last_seen_at=started_at,
        )
    )
    await db.flush()


async def touch(db: AsyncSession, viewing_ids: Sequence[UUID], now: datetime) -> None:
    """These people are still looking."""
    await db.execute(update(PlaybackSessionRow).where(PlaybackSessionRow.id.in_(viewing_ids)).values(last_seen_at=now))


async def erase(db: AsyncSession, channel_ids: Sequence[UUID]) -> None:
    """Deletes every line about these channels."""
    await db.execute(delete(PlaybackSessionRow).where(PlaybackSessionRow.channel_id.in_(channel_ids)))


async def latest(
    db: AsyncSession, channel_ids: Sequence[UUID], limit: int, before: tuple[datetime, UUID] | None = None
) -> Sequence[PlaybackSessionRow]:
    """The latest lines about these channels (before that one)."""
    query = (
        select(PlaybackSessionRow)
        .where(PlaybackSessionRow.channel_id.in_(channel_ids))
        .order_by(PlaybackSessionRow.started_at.desc(), PlaybackSessionRow.id.desc())
        .limit(limit)
    )
    if before is not None:
        query = query.where(tuple_(PlaybackSessionRow.started_at, PlaybackSessionRow.id) < before)
    return (await db.scalars(query)).all()
