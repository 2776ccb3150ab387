"""Every query of the viewing log."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import select, update
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


async def list_for_channels(
    db: AsyncSession, channel_ids: Sequence[UUID], *, before: tuple[datetime, UUID] | None, limit: int
) -> Sequence[LiveSessionRow]:
    """The latest viewings first; `before` is the (start, id) of the last one seen."""
    query = select(LiveSessionRow).where(LiveSessionRow.channel_id.in_(channel_ids))
    if before is not None:
        started_at, viewing_id = before
        query = query.where(
            (LiveSessionRow.started_at < started_at)
            | ((LiveSessionRow.started_at == started_at) & (LiveSessionRow.id < viewing_id))
        )
    query = query.order_by(LiveSessionRow.started_at.desc(), LiveSessionRow.id.desc()).limit(limit)
    return (await db.scalars(query)).all()


def _context(viewing_id: UUID) -> str:
    return f"live_session.viewer_ip/{viewing_id}"
