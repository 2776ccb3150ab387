"""Steps from one shape of the database to the next (Alembic), run at start, each on SQLite and PostgreSQL alike.

A backup is made before the first step of an existing database. A database that is newer than the program is refused.
"""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Final

from sqlalchemy import Connection, column, inspect, select, table
from sqlalchemy.exc import DBAPIError

from incamera.kit.errors import IncameraError
from incamera.storage.database import Database

if TYPE_CHECKING:  # Alembic takes 0.3 s to import, and most starts have nothing to migrate
    from alembic.config import Config

VERSIONS: Final = Path(__file__).parent / "versions"
_TABLE: Final = "alembic_version"


class NewerDatabase(IncameraError):
    """The database was migrated by a newer program."""

    status = 500

    def __init__(self, revision: str) -> None:
        super().__init__(
            f"This Incamera does not know the shape of the database ({revision}); "
            "install the newer version it was used with."
        )


class DatabaseUnusable(IncameraError):
    """The database cannot be opened; the sentence never carries its address, which may hold a password."""

    status = 500

    def __init__(self, database: Database, error: Exception) -> None:
        if database.is_sqlite:
            text = "The database file in the data directory cannot be opened; check the disk, or restore a backup."
        elif isinstance(error, OSError):
            text = "The database server does not answer; start it, or check the address in --database."
        else:
            text = "The database server refused us; check user, password and name in --database."
        super().__init__(text)


def head() -> str:
    """The newest revision this program knows."""
    return max(_known())


async def current(database: Database) -> str | None:
    """The revision of the database; None for an empty one. Raises DatabaseUnusable."""
    try:
        async with database.engine.connect() as connection:
            return await connection.run_sync(_current)
    except (OSError, DBAPIError) as error:
        raise DatabaseUnusable(database, error) from error


async def upgrade(
    database: Database, *, before: Callable[[str], Awaitable[object]] | None = None, to: str | None = None
) -> bool:
    """Brings the database to `to`, else to `head()`; True if anything was done.

    `before(revision)` makes the backup of a database that has a shape already.
    """
    found = await current(database)
    if to is not None and to not in _known():
        raise NewerDatabase(to)
    if found == (to or head()):
        return False
    if found is not None:
        if found not in _known():
            raise NewerDatabase(found)
        if before is not None:
            await before(found)
    async with database.engine.begin() as connection:
        await connection.run_sync(_upgrade, to or "head")
    return True


def config(connection: Connection | None = None) -> "Config":
    """Alembic's configuration, without an ini file."""
    from alembic.config import Config

    made = Config()
    made.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    made.set_main_option("path_separator", "os")
    if connection is not None:
        made.attributes["connection"] = connection
    return made


def _known() -> set[str]:
    """Revisions are numbered, and their files begin with the number (`tools/make_migration.py`)."""
    return {path.name.partition("_")[0] for path in VERSIONS.glob("[0-9]*_*.py")}


def _current(connection: Connection) -> str | None:
    if not inspect(connection).has_table(_TABLE):
        return None
    revision: str | None = connection.scalar(select(column("version_num")).select_from(table(_TABLE)))
    return revision


def _upgrade(connection: Connection, revision: str) -> None:
    from alembic import command

    command.upgrade(config(connection), revision)
