"""Jobs survive whoever works on them, run in one place at a time, and are tried again."""

import asyncio
from datetime import timedelta

import pytest
from sqlalchemy import select

from incamera.storage.database import Database
from incamera.storage.jobs import FIRST_RETRY_S, FORGET_JOB, LEASE_S, MAX_ATTEMPTS, JobQueue, JobRow, Payload
from tests.support.clock import MovableClock


class _StillClock(MovableClock):
    """Its sleepers never wake: no heartbeat disturbs a test."""

    async def sleep(self, delay_s: float) -> None:
        await asyncio.Event().wait()

    def advance(self, seconds: float) -> None:
        self.move(seconds=seconds)


class _Work:
    def __init__(self, failures: int = 0) -> None:
        self.seen: list[Payload] = []
        self._failures = failures

    async def __call__(self, payload: Payload) -> None:
        self.seen.append(payload)
        if len(self.seen) <= self._failures:
            raise ValueError("anne@example.org")


@pytest.fixture
def clock() -> _StillClock:
    return _StillClock()


async def _add(queue: JobQueue, database: Database, **options: object) -> None:
    async with database.transaction() as db:
        await queue.add(db, "export", {"id": 7}, **options)  # type: ignore[arg-type]


async def _rows(database: Database) -> list[JobRow]:
    """All but the queue's own."""
    async with database.transaction() as db:
        return list(await db.scalars(select(JobRow).where(JobRow.name != FORGET_JOB)))


async def test_runs_once_and_is_gone(database: Database, clock: _StillClock) -> None:
    queue, work = JobQueue(database, clock), _Work()
    queue.handle("export", work)
    await _add(queue, database)

    assert await queue.run_due() == 1
    assert await queue.run_due() == 0
    assert work.seen == [{"id": 7}]
    assert await _rows(database) == []


async def test_does_not_exist_if_the_change_was_undone(database: Database, clock: _StillClock) -> None:
    queue = JobQueue(database, clock)

    async def change_and_fail() -> None:
        async with database.transaction() as db:
            await queue.add(db, "export", {"id": 7})
            raise RuntimeError

    with pytest.raises(RuntimeError):
        await change_and_fail()
    assert await _rows(database) == []


async def test_failure_is_tried_again_later_each_time(database: Database, clock: _StillClock) -> None:
    queue, work = JobQueue(database, clock), _Work(failures=2)
    queue.handle("export", work)
    await _add(queue, database)

    await queue.run_due()
    assert await queue.run_due() == 0, "not at once"
    clock.advance(FIRST_RETRY_S * 1.2)
    await queue.run_due()
    clock.advance(FIRST_RETRY_S * 1.2)
    assert await queue.run_due() == 0, "the second pause is longer"
    clock.advance(FIRST_RETRY_S * 1.2)
    await queue.run_due()

    assert len(work.seen) == 3
    assert await _rows(database) == []


async def test_text_of_an_error_is_not_kept(database: Database, clock: _StillClock) -> None:
    queue = JobQueue(database, clock)
    queue.handle("export", _Work(failures=1))
    await _add(queue, database)
    await queue.run_due()
    assert [row.last_error for row in await _rows(database)] == ["ValueError"]


async def test_given_up_after_many_attempts_and_forgotten_after_a_month(database: Database, clock: _StillClock) -> None:
    queue, work = JobQueue(database, clock), _Work(failures=100)
    queue.handle("export", work)
    await _add(queue, database)
    for _ in range(MAX_ATTEMPTS + 3):
        await queue.run_due()
        clock.advance(5000)

    assert len(work.seen) == MAX_ATTEMPTS
    clock.advance(timedelta(days=31).total_seconds())
    await queue._plan()
    await queue.run_due()
    assert await _rows(database) == []


async def test_job_of_a_dead_process_is_taken_over_when_its_lease_ends(database: Database, clock: _StillClock) -> None:
    dead, alive = JobQueue(database, clock), JobQueue(database, clock)
    work = _Work()
    dead.handle("export", work)
    alive.handle("export", work)
    await _add(dead, database)
    assert await dead._claim() is not None  # and then its process was killed

    assert await alive.run_due() == 0
    clock.advance(LEASE_S + 1)
    assert await alive.run_due() == 1


async def test_two_workers_never_get_the_same_job(database: Database, clock: _StillClock) -> None:
    queues = [JobQueue(database, clock) for _ in range(3)]
    seen: list[object] = []

    async def work(payload: Payload) -> None:
        seen.append(payload["id"])

    for queue in queues:
        queue.handle("export", work)
    async with database.transaction() as db:
        for number in range(12):
            await queues[0].add(db, "export", {"id": number})

    await asyncio.gather(*(queue.run_due() for queue in queues))
    assert sorted(seen) == list(range(12))  # type: ignore[type-var]


async def test_same_key_is_queued_once(database: Database, clock: _StillClock) -> None:
    queue = JobQueue(database, clock)
    await _add(queue, database, unique_key="export/7")
    await _add(queue, database, unique_key="export/7")
    assert len(await _rows(database)) == 1


async def test_periodic_job_comes_back(database: Database, clock: _StillClock) -> None:
    queue, work = JobQueue(database, clock), _Work(failures=1)
    queue.every(timedelta(minutes=5), "sweep", work)
    await queue._plan()
    await queue.run_due()  # fails
    clock.advance(10)
    await queue.run_due()
    assert await queue.run_due() == 0
    clock.advance(301)
    assert await queue.run_due() == 1


async def test_stopping_gives_a_job_back_at_once(database: Database, clock: _StillClock) -> None:
    queue, started = JobQueue(database, clock), asyncio.Event()

    async def work(_payload: Payload) -> None:
        started.set()
        await asyncio.Event().wait()

    queue.handle("export", work)
    await _add(queue, database)
    running = asyncio.create_task(queue.run(concurrency=1))
    async with asyncio.timeout(5):
        await started.wait()
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)

    rows = await _rows(database)
    assert [(row.leased_by, row.attempts) for row in rows] == [(None, 0)]


async def test_new_job_wakes_an_idle_worker(database: Database, clock: _StillClock) -> None:
    queue, work = JobQueue(database, clock), _Work()
    queue.handle("export", work)
    running = asyncio.create_task(queue.run(concurrency=1))
    await asyncio.sleep(0.2)
    await _add(queue, database)
    for _ in range(40):
        if work.seen:
            break
        await asyncio.sleep(0.1)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert work.seen == [{"id": 7}]


async def test_a_clock_that_was_ahead_for_a_while_holds_nothing_up(database: Database, clock: _StillClock) -> None:
    """Set to next year by mistake and then right again: neither a lease nor the next turn waits a year."""
    queue, daily, work = JobQueue(database, clock), _Work(), _Work()
    queue.every(timedelta(hours=1), "daily", daily)
    queue.handle("export", work)
    clock.move(days=365)
    await queue._plan()
    await queue.run_due()
    assert len(daily.seen) == 1
    await _add(queue, database, due_at=clock.now() - timedelta(days=400))
    assert await queue._claim() is not None, "and whoever held it died"

    clock.move(days=-365)
    await queue.run_due()

    assert len(daily.seen) == 2
    assert work.seen == [{"id": 7}]
