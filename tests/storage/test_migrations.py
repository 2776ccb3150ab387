"""Migrations and tables say the same, on both databases, up and down."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, inspect, text

from incamera.storage import migrations
from incamera.storage.database import Base, Database
from tests.support.database import KINDS, database_url, import_tables


@pytest.fixture(params=KINDS)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    with database_url(request.param, tmp_path) as address:
        yield address


@pytest.fixture
async def empty(url: str) -> AsyncIterator[Database]:
    import_tables()
    database = Database(url)
    yield database
    await database.close()


def _differences(connection: Connection) -> list[object]:
    context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
    return list(compare_metadata(context, Base.metadata))


async def test_migrations_make_exactly_the_declared_tables(empty: Database) -> None:
    assert await migrations.upgrade(empty)
    async with empty.engine.connect() as connection:
        assert await connection.run_sync(_differences) == [], "run: python tools/make_migration.py"


def test_numbers_of_the_files_are_alembics_revisions() -> None:
    scripts = ScriptDirectory.from_config(migrations.config())
    assert migrations.head() == scripts.get_current_head()
    assert migrations._known() == {script.revision for script in scripts.walk_revisions()}


async def test_second_start_changes_nothing(empty: Database) -> None:
    await migrations.upgrade(empty)
    assert not await migrations.upgrade(empty)
    assert await migrations.current(empty) == migrations.head()


async def test_every_step_can_be_undone(empty: Database) -> None:
    await migrations.upgrade(empty)
    async with empty.engine.begin() as connection:
        await connection.run_sync(lambda sync: command.downgrade(migrations.config(sync), "base"))
        tables = await connection.run_sync(lambda sync: inspect(sync).get_table_names())
    assert tables == ["alembic_version"]


async def test_database_of_a_newer_program_is_refused(empty: Database) -> None:
    await migrations.upgrade(empty)
    async with empty.engine.begin() as connection:
        await connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(migrations.NewerDatabase, match="9999"):
        await migrations.upgrade(empty)


async def test_backup_is_made_before_an_existing_database_changes(empty: Database) -> None:
    made: list[str] = []

    async def before(revision: str) -> None:
        made.append(revision)

    await migrations.upgrade(empty, before=before)
    assert made == [], "an empty database needs none"

    old = "0000"  # a shape this program knows how to change
    async with empty.engine.begin() as connection:
        await connection.execute(text(f"UPDATE alembic_version SET version_num = '{old}'"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(migrations, "_known", lambda: {old, "0001"})
        patch.setattr(migrations, "_upgrade", lambda _connection, _revision: None)
        await migrations.upgrade(empty, before=before)
    assert made == [old]
