"""Queries of the retention engine: batches of deletes, and the evidence."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import CursorResult, delete, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from incamera.kit.ids import new_id
from incamera.privacy.retention import RetentionRule, Swept
from incamera.privacy.retention_plan import BATCH_ROWS, Group, Step
from incamera.privacy.tables import RetentionRunRow, RetentionStateRow
from incamera.storage.database import Database

_KEEP_RUNS: Final = timedelta(days=365)


class RetentionRepository:
    """Works without a purpose: the engine serves every activity, and only ever removes."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def erase_batch(self, group: Group, step: Step, cutoff: datetime) -> tuple[int, bool]:
        """Erases one batch in a transaction of its own; (rows, whether there may be more)."""
        if group.clock is None:
            return 0, False
        async with self._database.transaction() as db:
            result = await db.execute(step.batch(group.clock, cutoff))
            rows = result.rowcount if isinstance(result, CursorResult) else 0
        return rows, rows >= BATCH_ROWS

    async def scrub(self) -> None:
        """On SQLite, takes erased bytes out of the write-ahead log too; a reader in the way makes it partial.

        `secure_delete` zeroes them in the file only when the log is written back (requirement book 4.6).
        """
        if not self._database.is_sqlite:
            return
        connection = await self._database.engine.raw_connection()
        try:
            driver: Any = connection.driver_connection  # of aiosqlite: outside any transaction, which would be refused
            cursor = await driver.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            await cursor.close()
        finally:
            connection.close()

    async def measure(self, group: Group, now: datetime) -> Swept:
        """What is left: the oldest item, and how many are past their time."""
        oldest_query, overdue_query = group.oldest(), group.overdue(now)
        async with self._database.transaction() as db:
            oldest = None if oldest_query is None else await db.scalar(oldest_query)
            overdue = 0 if overdue_query is None else int(await db.scalar(overdue_query) or 0)
        return Swept(0, oldest, overdue)

    async def write_evidence(
        self, rules: Sequence[RetentionRule], swept: Swept, now: datetime, cutoff: datetime
    ) -> None:
        """One state row per rule, and a run row where something went."""
        async with self._database.transaction() as db:
            for rule in rules:
                await _write_state(db, rule, swept, now, cutoff)
                if swept.erased:
                    db.add(
                        RetentionRunRow(
                            id=new_id(),
                            rule=rule.digest,
                            activity=rule.activity,
                            ran_at=now,
                            cutoff=cutoff,
                            erased=swept.erased,
                            oldest_at=swept.oldest,
                        )
                    )

    async def forget_evidence(self, now: datetime, current: Sequence[str]) -> None:
        """Drops runs older than a year, and the state of rules that no longer exist."""
        async with self._database.transaction() as db:
            await db.execute(delete(RetentionRunRow).where(RetentionRunRow.ran_at < now - _KEEP_RUNS))
            await db.execute(delete(RetentionStateRow).where(RetentionStateRow.rule.not_in(current)))

    async def states(self) -> dict[str, RetentionStateRow]:
        """The state of every rule, by its hash."""
        async with self._database.transaction() as db:
            return {row.rule: row for row in (await db.scalars(select(RetentionStateRow))).all()}

    async def last_run(self) -> datetime | None:
        """When the engine last ran at all, in whatever life of the server."""
        async with self._database.transaction() as db:
            found: datetime | None = await db.scalar(select(func.max(RetentionStateRow.ran_at)))
            return found


async def _write_state(db: AsyncSession, rule: RetentionRule, swept: Swept, now: datetime, cutoff: datetime) -> None:
    row = await db.get(RetentionStateRow, rule.digest)
    values: dict[str, Any] = {
        "ran_at": now,
        "cutoff": cutoff,
        "erased": swept.erased,
        "oldest_at": swept.oldest,
        "overdue": swept.overdue,
    }
    if row is None:
        db.add(RetentionStateRow(rule=rule.digest, activity=rule.activity, erased_in_all=swept.erased, **values))
        return
    for name, value in values.items():
        setattr(row, name, value)
    row.erased_in_all += swept.erased
