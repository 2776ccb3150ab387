"""Every query of the viewing log."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import delete, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncSession

from incamera.live.tables import LiveSessionRow
from incamera.storage.vault import ScopeKey


async def add(
    db: AsyncSession,
    viewing_id: UUID,
    *,
    account_id: UUID,
    channel_id: UUID,
    started_at: datetime,
    viewer_ip: str,
    key: ScopeKey,
) -> None:
    """A viewing has begun. `key`: the viewer's account key."""
    db.add(
        LiveSessionRow(
            id=viewing_id,
            account_id=account_id,
            channel_id=channel_id,
            started_at=started_at,
            last_seen_at=started_at,
            viewer_ip=key.seal_text(viewer_ip, _context(viewing_id)),
        )
    )
    await db.flush()


async def touch(db: AsyncSession, viewing_ids: Sequence[UUID], seen_at: datetime) -> None:
    """These viewings lasted until `seen_at` at least."""
    for start in range(0, len(viewing_ids), 500):  # SQLite takes a limited number of parameters
        some = viewing_ids[start : start + 500]
        await db.execute(update(LiveSessionRow).where(LiveSessionRow.id.in_(some)).values(last_seen_at=seen_at))


async def latest(
    db: AsyncSession, channel_ids: Sequence[UUID], limit: int, before: tuple[datetime, UUID] | None = None
) -> Sequence[LiveSessionRow]:
    """The viewings of these channels that began last (before that one), newest first."""
    query = (
        select(LiveSessionRow)
        .where(LiveSessionRow.channel_id.in_(channel_ids))
        .order_by(LiveSessionRow.started_at.desc(), LiveSessionRow.id.desc())
        .limit(limit)
    )
    if before is not None:
        query = query.where(tuple_(LiveSessionRow.started_at, LiveSessionRow.id) < before)
    return (await db.scalars(query)).all()


async def erase(db: AsyncSession, channel_ids: Sequence[UUID]) -> None:
    """Every line about these channels."""
    await db.execute(delete(LiveSessionRow).where(LiveSessionRow.channel_id.in_(channel_ids)))


def _context(viewing_id: UUID) -> str:
    return f"live_session.viewer_ip/{viewing_id}"
