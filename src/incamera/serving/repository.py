"""Queries of the repeat guard."""

from datetime import datetime

from sqlalchemy import delete, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from incamera.serving.tables import RepeatedRequestRow


async def find(db: AsyncSession, tag: bytes) -> RepeatedRequestRow | None:
    """The row of an earlier request with this tag."""
    return await db.scalar(select(RepeatedRequestRow).where(RepeatedRequestRow.tag == tag))


async def claim(db: AsyncSession, tag: bytes, fingerprint: bytes, now: datetime, leased_until: datetime) -> bool:
    """Makes the row; False if another request made it at the same moment."""
    row = RepeatedRequestRow(tag=tag, fingerprint=fingerprint, leased_until=leased_until, made_at=now)
    try:
        async with db.begin_nested():
            db.add(row)
    except IntegrityError:
        return False
    return True


async def extend(db: AsyncSession, tag: bytes, seen_until: datetime, leased_until: datetime) -> bool:
    """Takes over a request whose first try died; False if somebody else was faster."""
    taken = await db.execute(
        update(RepeatedRequestRow)
        .where(RepeatedRequestRow.tag == tag, RepeatedRequestRow.leased_until == seen_until)
        .values(leased_until=leased_until)
        .returning(RepeatedRequestRow.tag)
    )
    return taken.first() is not None


async def finish(db: AsyncSession, tag: bytes, status: int, answer: bytes) -> None:
    """Keeps the answer for whoever repeats the request."""
    await db.execute(
        update(RepeatedRequestRow).where(RepeatedRequestRow.tag == tag).values(status=status, answer=answer)
    )


async def forget(db: AsyncSession, tag: bytes) -> None:
    """The request failed on our side: a repetition shall be tried anew."""
    await db.execute(delete(RepeatedRequestRow).where(RepeatedRequestRow.tag == tag))
