"""Durable jobs: what must happen even if the process dies now. One table, ids only, never personal data.

    queued ──claimed──► leased ──done──► (row gone)
      ▲                   │ heartbeat extends the lease; an expired lease is claimable again
      └──── retry, later each time ◄── failed ──after max_attempts──► dead (kept P30D for the operator)

A feature adds a job inside its own transaction (`JobQueue.add(db, ...)`), so it exists exactly if the change does. A
handler may run more than once and must not mind. Payloads hold ids and numbers; a test looks for anything else.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

import structlog
from sqlalchemy import JSON, Index, Select, and_, delete, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from incamera.kit.clock import Clock
from incamera.kit.ids import new_id
from incamera.storage.database import Base, Database, UtcDateTime

log = structlog.get_logger(__name__)

LEASE_S: Final = 60.0
HEARTBEAT_S: Final = 20.0
POLL_S: Final = 2.0
FIRST_RETRY_S: Final = 5.0
LONGEST_RETRY_S: Final = 3600.0
MAX_ATTEMPTS: Final = 20
_SLACK: Final = timedelta(seconds=2 * LONGEST_RETRY_S)  # a failed turn may be put off by more than its period
KEEP_DEAD: Final = timedelta(days=30)
FORGET_JOB: Final = "jobs.forget_dead"

Payload = Mapping[str, str | int | bool | None]
Handler = Callable[[Payload], Awaitable[None]]


def _plain(reason: str) -> dict[str, Any]:
    # `storage` lies below `privacy` and cannot call `not_personal`; the lint reads the same key.
    return {"not_personal": reason}


class JobRow(Base):
    __tablename__ = "jobs"

    id: Mapped[UUID] = mapped_column(primary_key=True, info=_plain("random row id"))
    name: Mapped[str] = mapped_column(info=_plain("which handler"))
    payload: Mapped[dict[str, Any]] = mapped_column(JSON, info=_plain("ids and numbers only"))
    unique_key: Mapped[str | None] = mapped_column(unique=True, info=_plain("handler name and ids"))
    attempts: Mapped[int] = mapped_column(default=0, info=_plain("count"))
    due_at: Mapped[datetime] = mapped_column(UtcDateTime, info=_plain("when to run"))
    leased_until: Mapped[datetime | None] = mapped_column(UtcDateTime, info=_plain("end of the current lease"))
    leased_by: Mapped[UUID | None] = mapped_column(info=_plain("random id of a process"))
    dead_at: Mapped[datetime | None] = mapped_column(UtcDateTime, info=_plain("when it was given up"))
    last_error: Mapped[str | None] = mapped_column(info=_plain("type of an exception, never its text"))

    __table_args__ = (Index(None, "due_at"),)


@dataclass(frozen=True, slots=True)
class Schedule:
    """Run `name` every so often; the row is made again each time, so a missed turn is made up once."""

    name: str
    every: timedelta


@dataclass(frozen=True, slots=True)
class Job:
    """A claimed job."""

    id: UUID
    name: str
    payload: Payload
    attempts: int


class JobQueue:
    """Adds jobs and runs them. One per process; several processes share the table."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._handlers: dict[str, Handler] = {}
        self._schedules: list[Schedule] = []
        self._worker = new_id()
        self._wake = asyncio.Event()
        self.every(timedelta(days=1), FORGET_JOB, self._forget_dead)

    def handle(self, name: str, handler: Handler) -> None:
        """Who runs jobs of this name."""
        self._handlers[name] = handler

    def every(self, period: timedelta, name: str, handler: Handler) -> None:
        """A job that comes back by itself, on one process at a time."""
        self.handle(name, handler)
        self._schedules.append(Schedule(name, period))

    async def add(
        self,
        db: AsyncSession,
        name: str,
        payload: Payload,
        *,
        due_at: datetime | None = None,
        unique_key: str | None = None,
    ) -> UUID:
        """Queues a job in the caller's transaction. An unfinished job with the same `unique_key` is kept instead."""
        if unique_key is not None:
            waiting = await db.scalar(select(JobRow.id).where(JobRow.unique_key == unique_key))
            if waiting is not None:
                return waiting
        row = JobRow(
            id=new_id(), name=name, payload=dict(payload), due_at=due_at or self._clock.now(), unique_key=unique_key
        )
        db.add(row)
        self._wake.set()
        return row.id

    async def run(self, *, concurrency: int = 2) -> None:
        """Runs jobs until cancelled. A cancelled job's lease is given back at once."""
        await self._plan()
        async with asyncio.TaskGroup() as workers:
            for _ in range(concurrency):
                workers.create_task(self._work())

    async def run_due(self) -> int:
        """Runs what is due now, one after another, and returns how many; for tests and one-off commands."""
        done = 0
        while (job := await self._claim()) is not None:
            await self._execute(job)
            done += 1
        return done

    async def _work(self) -> None:
        while True:
            job = await self._claim()
            if job is not None:
                await self._execute(job)
                continue
            self._wake.clear()
            try:
                async with asyncio.timeout(POLL_S * random.uniform(0.75, 1.25)):  # noqa: S311
                    await self._wake.wait()
            except TimeoutError:
                continue

    async def _plan(self) -> None:
        async with self._database.transaction() as db:
            for schedule in self._schedules:
                await self.add(db, schedule.name, {}, unique_key=f"every/{schedule.name}")

    def _claimable(self, now: datetime) -> Select[JobRow]:
        leased = JobRow.leased_until
        # A lease never ends later than this, nor is a turn due later: those times come from a clock that was wrong.
        free = or_(leased.is_(None), leased < now, leased > now + timedelta(seconds=2 * LEASE_S))
        overlong = [and_(JobRow.name == it.name, JobRow.due_at > now + it.every + _SLACK) for it in self._schedules]
        is_due = or_(JobRow.due_at <= now, *overlong)
        ready = and_(is_due, JobRow.dead_at.is_(None), JobRow.name.in_(self._handlers))
        # SQLite has one writer at a time and ignores FOR UPDATE; PostgreSQL lets the others take the next row.
        return select(JobRow).where(ready, free).order_by(JobRow.due_at).limit(1).with_for_update(skip_locked=True)

    async def _claim(self) -> Job | None:
        now = self._clock.now()
        async with self._database.transaction() as db:
            row = await db.scalar(self._claimable(now))
            if row is None:
                return None
            row.attempts += 1
            row.leased_until = now + timedelta(seconds=LEASE_S)
            row.leased_by = self._worker
            return Job(row.id, row.name, row.payload, row.attempts)

    async def _execute(self, job: Job) -> None:
        beat = asyncio.create_task(self._beat(job))
        try:
            await self._handlers[job.name](job.payload)
        except asyncio.CancelledError:
            await asyncio.shield(self._give_back(job))
            raise
        except Exception as error:  # noqa: BLE001 - whatever a handler does wrong, the job is tried again later
            await self._failed(job, error)
        else:
            await self._done(job)
        finally:
            beat.cancel()

    async def _beat(self, job: Job) -> None:
        while True:
            await self._clock.sleep(HEARTBEAT_S)
            await self._change(job, leased_until=self._clock.now() + timedelta(seconds=LEASE_S))

    async def _done(self, job: Job) -> None:
        schedule = next((one for one in self._schedules if one.name == job.name), None)
        if schedule is not None:
            due_at = self._clock.now() + schedule.every
            await self._change(job, due_at=due_at, leased_until=None, leased_by=None, attempts=0, last_error=None)
            return
        async with self._database.transaction() as db:
            await db.execute(delete(JobRow).where(JobRow.id == job.id, JobRow.leased_by == self._worker))

    async def _failed(self, job: Job, error: Exception) -> None:
        is_periodic = any(one.name == job.name for one in self._schedules)
        is_dead = job.attempts >= MAX_ATTEMPTS and not is_periodic
        wait_s = min(FIRST_RETRY_S * 2 ** min(job.attempts - 1, 20), LONGEST_RETRY_S)
        now = self._clock.now()
        log.warning(
            "job.failed", job=job.name, job_id=str(job.id), attempts=job.attempts, is_dead=is_dead, exc_info=error
        )
        await self._change(
            job,
            due_at=now + timedelta(seconds=wait_s * random.uniform(0.8, 1.2)),  # noqa: S311
            dead_at=now if is_dead else None,
            unique_key=None if is_dead else JobRow.unique_key,
            leased_until=None,
            leased_by=None,
            last_error=type(error).__name__,
        )

    async def _give_back(self, job: Job) -> None:
        await self._change(job, leased_until=None, leased_by=None, attempts=job.attempts - 1)

    async def _change(self, job: Job, **values: Any) -> None:
        async with self._database.transaction() as db:
            await db.execute(
                update(JobRow).where(JobRow.id == job.id, JobRow.leased_by == self._worker).values(**values)
            )

    async def _forget_dead(self, _payload: Payload) -> None:
        async with self._database.transaction() as db:
            await db.execute(delete(JobRow).where(JobRow.dead_at < self._clock.now() - KEEP_DEAD))
