"""Databases for tests: every repository and every migration runs on SQLite and on PostgreSQL."""

import importlib
import pkgutil
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import incamera
from incamera.storage.database import Database
from tests.support.postgres import postgres_database

KINDS = ("sqlite", "postgresql")


@contextmanager
def database_url(kind: str, folder: Path) -> Iterator[str]:
    """The address of a fresh, empty database of this kind."""
    if kind == "sqlite":
        yield f"sqlite+aiosqlite:///{folder / 'test.db'}"
        return
    with postgres_database() as url:
        yield url


@asynccontextmanager
async def open_database(kind: str, folder: Path) -> AsyncIterator[Database]:
    """A database with every table of the server."""
    import_tables()
    with database_url(kind, folder) as url:
        database = Database(url)
        try:
            await database.create_all()
            yield database
        finally:
            await database.close()


def import_tables() -> None:
    """Loads the tables of every feature, so that foreign keys find each other."""
    importlib.import_module("incamera.storage.jobs")
    for module in pkgutil.walk_packages(incamera.__path__, "incamera.", onerror=lambda _name: None):
        if module.name.endswith(".tables"):
            importlib.import_module(module.name)
