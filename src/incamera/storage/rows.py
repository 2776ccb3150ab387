"""The whole of the rows as one file and back, for backups: SQLite's own file, or PostgreSQL's COPY of every table.

A PostgreSQL dump is read in one snapshot (REPEATABLE READ), so it is consistent while the server goes on. It is loaded
into tables that the migrations of the same revision have made, in the order of their foreign keys.
"""

import asyncio
import tarfile
import tempfile
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, MetaData
from sqlalchemy.engine import make_url

from incamera.storage.backup import copy_sqlite
from incamera.storage.database import Database

_VERSION_TABLE = "alembic_version"


def kind_of(url: str) -> str:
    """`sqlite` or `postgresql`."""
    return make_url(url).get_backend_name()


async def dump_rows(url: str, target: Path) -> None:
    """Writes every row to a new file."""
    if kind_of(url) == "sqlite":
        path = make_url(url).database
        assert path is not None
        await asyncio.to_thread(copy_sqlite, Path(path), target)
        return
    database = Database(url)
    try:
        with tempfile.TemporaryDirectory(dir=target.parent) as folder:
            await _copy_out(database, Path(folder))
            await asyncio.to_thread(_pack, Path(folder), target)
    finally:
        await database.close()


async def load_rows(database: Database, source: Path) -> None:
    """Fills the migrated, empty tables of a PostgreSQL database from a dump."""
    with tempfile.TemporaryDirectory(dir=source.parent) as folder:
        await asyncio.to_thread(_unpack, source, Path(folder))
        await _copy_in(database, Path(folder))


async def _copy_out(database: Database, folder: Path) -> None:
    async with database.engine.connect() as connection:
        await connection.execution_options(isolation_level="REPEATABLE READ")
        names = await connection.run_sync(_table_names)
        driver = await _driver(connection)
        for name in names:
            await driver.copy_from_table(name, output=str(folder / name), format="binary")


async def _copy_in(database: Database, folder: Path) -> None:
    async with database.engine.begin() as connection:
        names = await connection.run_sync(_table_names)
        driver = await _driver(connection)
        for name in names:
            if (folder / name).exists():
                await driver.copy_to_table(name, source=str(folder / name), format="binary")


async def _driver(connection: Any) -> Any:
    """asyncpg's own connection, inside SQLAlchemy's transaction."""
    await connection.exec_driver_sql("SELECT 1")  # begins the transaction that COPY is to be part of
    raw = await connection.get_raw_connection()
    return raw.driver_connection


def _table_names(connection: Connection) -> list[str]:
    """Parents before children; the migrations' own table is not data."""
    metadata = MetaData()
    metadata.reflect(connection)
    return [table.name for table in metadata.sorted_tables if table.name != _VERSION_TABLE]


def _pack(folder: Path, target: Path) -> None:
    with tarfile.open(target, "x") as archive:
        for path in sorted(folder.iterdir()):
            archive.add(path, arcname=path.name)


def _unpack(source: Path, folder: Path) -> None:
    with tarfile.open(source) as archive:
        archive.extractall(folder, filter="data")
