"""Purpose-bound database sessions: a statement reaches only the tables its activity owns or reuses.

`Db` is the one transaction of a request, opened for the activities that the matched route names; it commits before the
response is sent and rolls back on any error. `open_session` is the same for jobs and background work. Both refuse
other mapped classes and raw SQL. They cannot see a join from an allowed to a forbidden table, nor an undeclared column
of an allowed row: the statement check of the test suite does (requirement book 4.3).

    db opened for B3.device_add ──► purpose(db, "B2.login_terminal") ──► back to B3.device_add

Which tables an activity may touch is asked of the guard that `guard_database` attached to the database (the Registry
of the server). A `Database` without a guard belongs to a migration or to a test of one feature.
"""

import inspect
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Annotated, Any, Protocol
from weakref import WeakKeyDictionary

import structlog
from fastapi import Depends
from sqlalchemy import Engine, TextClause, event
from sqlalchemy import inspect as inspect_orm
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapper, Session, UOWTransaction
from sqlalchemy.sql import visitors
from sqlalchemy.sql.schema import Table
from starlette.requests import HTTPConnection

from incamera.privacy.errors import NoActivity, OutsidePurpose, RawSql, ReadOnlyRequest
from incamera.privacy.marks import declare_log_events, processing_of
from incamera.storage.database import Database

log = structlog.get_logger(__name__)

declare_log_events(None, {"privacy.after_commit_failed": ("activity", "error")})

AfterCommit = Callable[[], Awaitable[None] | None]
_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
_HOOKS = "after_commit"
_PURPOSE = "purpose"


class PurposeGuard(Protocol):
    """Knows the tables of every activity; the Registry is one."""

    def tables_of(self, activity_ids: tuple[str, ...]) -> frozenset[str]:
        """Names of the tables these activities may touch; raises UnknownActivity for one that is not in force."""
        ...


@dataclass(frozen=True, slots=True)
class Purpose:
    """What a session is open for. `tables` is None where no guard is attached."""

    activities: tuple[str, ...]
    tables: frozenset[str] | None
    writes: bool


_guards: WeakKeyDictionary[Database, PurposeGuard] = WeakKeyDictionary()
_current: ContextVar[tuple[str, ...]] = ContextVar("incamera_activities", default=())


def guard_database(database: Database, guard: PurposeGuard) -> None:
    """From now on sessions of this database are held to what the guard allows."""
    _guards[database] = guard


def current_activities() -> tuple[str, ...]:
    """The activities of the session this task works in; empty outside any. For the statement check and for logs."""
    return _current.get()


class _BoundSession(Session):
    """Checks each statement's tables when SQLAlchemy asks where to send it: about 1 µs."""

    def get_bind(self, mapper: Any = None, *, clause: Any = None, **_others: Any) -> Engine:
        purpose: Purpose = self.info[_PURPOSE]
        if not purpose.writes and getattr(clause, "is_dml", False):
            raise ReadOnlyRequest
        if mapper is not None:
            _check(purpose, _tables(mapper))
        elif clause is None:  # `session.connection()`: what is said there nobody would see
            raise RawSql(purpose.activities)
        else:
            nodes = list(visitors.iterate(clause))
            if any(isinstance(node, TextClause) for node in nodes):
                raise RawSql(purpose.activities)
            _check(purpose, [node for node in nodes if isinstance(node, Table)])
        engine: Engine = self.info["engine"]
        return engine


@event.listens_for(_BoundSession, "before_flush")
def _refuse_writes(session: Session, _context: UOWTransaction, _instances: object) -> None:
    if not session.info[_PURPOSE].writes and (session.new or session.dirty or session.deleted):
        raise ReadOnlyRequest


def _tables(mapper: Any) -> list[Table]:
    found: Mapper[Any] | None = getattr(inspect_orm(mapper, raiseerr=False), "mapper", None)
    return [] if found is None else [table for table in found.tables if isinstance(table, Table)]


def _check(purpose: Purpose, tables: list[Table]) -> None:
    if purpose.tables is None:
        return
    for table in tables:
        if table.name not in purpose.tables:
            raise OutsidePurpose(purpose.activities, table.name)


def _purpose(database: Database, activity_ids: tuple[str, ...], *, writes: bool) -> Purpose:
    guard = _guards.get(database)
    return Purpose(activity_ids, None if guard is None else guard.tables_of(activity_ids), writes)


@asynccontextmanager
async def open_session(database: Database, *activity_ids: str, writes: bool = True) -> AsyncIterator[AsyncSession]:
    """One transaction for these activities: commits at the end, rolls back on an error, then runs the hooks.

    `writes=False` takes no write lock on SQLite and refuses changes.
    """
    if not activity_ids:
        raise NoActivity("A database session")
    engine = database.engine.sync_engine
    session = AsyncSession(
        sync_session_class=_BoundSession,
        expire_on_commit=False,
        info={
            _PURPOSE: _purpose(database, activity_ids, writes=writes),
            _HOOKS: [],
            "database": database,
            "engine": engine if writes else engine.execution_options(writes=False),
        },
    )
    token = _current.set(activity_ids)
    try:
        async with session:
            yield session
            if writes or session.new or session.dirty or session.deleted:  # the last three are refused, in words
                await session.commit()  # else closing is enough, and no viewer who leaves can interrupt it
    finally:
        _reset(token)
    await _run_hooks(session)


def _reset(token: Any) -> None:
    try:
        _current.reset(token)
    except ValueError:  # FastAPI may close a dependency in another context than it opened it in
        _current.set(())


@asynccontextmanager
async def purpose(db: AsyncSession, *activity_ids: str) -> AsyncIterator[AsyncSession]:
    """A step of another activity inside the same transaction: signing in, checking a grant.

    What was added to the session inside the block is flushed at its end, under that purpose.
    """
    outer: Purpose = db.info[_PURPOSE]
    await db.flush()
    db.info[_PURPOSE] = _purpose(db.info["database"], activity_ids, writes=outer.writes)
    token = _current.set(activity_ids)
    try:
        yield db
        await db.flush()
    finally:
        db.info[_PURPOSE] = outer
        _reset(token)


def after_commit(db: AsyncSession, callback: AfterCommit) -> None:
    """Runs `callback` once the transaction is durable, before the response goes out; never after a rollback.

    An error in it is logged and changes nothing for the caller: what must not be lost belongs in a job.
    """
    db.info[_HOOKS].append(callback)


async def commit_now(db: AsyncSession) -> None:
    """Keeps what was written so far although an error answer follows (a refused sign-in is still counted)."""
    await db.commit()


async def _run_hooks(session: AsyncSession) -> None:
    hooks: list[AfterCommit] = session.info[_HOOKS]
    for hook in hooks:
        try:
            result = hook()
            if inspect.isawaitable(result):
                await result
        except Exception as error:  # noqa: BLE001  # the transaction stands; one listener must not undo the others
            activities = session.info[_PURPOSE].activities
            log.error("privacy.after_commit_failed", activity=activities[0], error=type(error).__name__)


async def _request_session(connection: HTTPConnection) -> AsyncIterator[AsyncSession]:
    endpoint = connection.scope.get("endpoint")
    mark = processing_of(endpoint)
    if mark is None or not mark.activities:
        raise NoActivity(f"The route of {getattr(endpoint, '__qualname__', 'this request')}")
    writes = connection.scope.get("method", "GET") not in _SAFE_METHODS
    async with open_session(connection.app.state.database, *mark.activities, writes=writes) as session:
        yield session


Db = Annotated[AsyncSession, Depends(_request_session, scope="function")]
"""The transaction of this request: `async def add(db: Db, ...)`. GET and HEAD get a read-only one."""
