"""A purpose-bound session lets an activity reach its own rows and no others."""

import pytest
from sqlalchemy import select, text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from incamera.privacy import activity, after_commit, not_personal, open_session, personal, purpose
from incamera.privacy.errors import NoActivity, OutsidePurpose, RawSql, ReadOnlyRequest
from incamera.privacy.marks import processing_of
from incamera.privacy.sessions import current_activities, guard_database
from incamera.storage.database import Database


class Rows(DeclarativeBase):
    pass


class Viewing(Rows):
    __tablename__ = "viewing"
    id: Mapped[int] = mapped_column(primary_key=True, info=not_personal("random row id"))
    viewer_ip: Mapped[str] = mapped_column(info=personal("B4.live_view/viewer_ip"))


class Secret(Rows):
    __tablename__ = "secret"
    id: Mapped[int] = mapped_column(primary_key=True, info=not_personal("random row id"))


class Guard:
    def tables_of(self, activity_ids: tuple[str, ...]) -> frozenset[str]:
        return frozenset({"viewing"} if "B4.live_view" in activity_ids else {"secret"})


@pytest.fixture
async def database(tmp_path):
    database = Database(f"sqlite+aiosqlite:///{tmp_path}/rows.db")
    async with database.engine.begin() as connection:
        await connection.run_sync(Rows.metadata.create_all)
    guard_database(database, Guard())
    yield database
    await database.close()


async def test_an_activity_reads_and_writes_its_own_table(database) -> None:
    async with open_session(database, "B4.live_view") as db:
        db.add(Viewing(viewer_ip="192.0.2.1"))
    async with open_session(database, "B4.live_view", writes=False) as db:
        assert (await db.scalars(select(Viewing.viewer_ip))).all() == ["192.0.2.1"]


@pytest.mark.parametrize("statement", [select(Secret), select(Secret.id), select(Secret.__table__)])
async def test_a_foreign_table_is_refused(database, statement) -> None:
    async with open_session(database, "B4.live_view") as db:
        with pytest.raises(OutsidePurpose, match="table secret"):
            await db.execute(statement)


@pytest.mark.parametrize(
    "statement", [select(text("id FROM secret")), select(text("id")).select_from(text("secret")), text("SELECT 1")]
)
async def test_raw_sql_inside_a_statement_is_refused(database, statement) -> None:
    async with open_session(database, "B4.live_view") as db:
        with pytest.raises(RawSql):
            await db.execute(statement)


async def test_the_connection_behind_a_session_is_refused(database) -> None:
    async with open_session(database, "B4.live_view") as db:
        with pytest.raises(RawSql):
            await db.connection()


async def test_raw_sql_is_refused(database) -> None:
    async with open_session(database, "B4.live_view") as db:
        with pytest.raises(RawSql):
            await db.execute(text("SELECT * FROM secret"))


async def test_a_foreign_write_is_refused_and_nothing_is_kept(database) -> None:
    async def write_both() -> None:
        async with open_session(database, "B4.live_view") as db:
            db.add_all([Viewing(viewer_ip="192.0.2.1"), Secret()])

    with pytest.raises(OutsidePurpose):
        await write_both()
    async with open_session(database, "B4.live_view") as db:
        assert (await db.scalars(select(Viewing))).all() == []


async def test_a_step_of_another_activity_shares_the_transaction(database) -> None:
    async with open_session(database, "B4.live_view") as db:
        db.add(Viewing(viewer_ip="192.0.2.1"))
        async with purpose(db, "B2.login_terminal"):
            db.add(Secret())
            assert current_activities() == ("B2.login_terminal",)
            with pytest.raises(OutsidePurpose):
                await db.scalars(select(Viewing))
        assert current_activities() == ("B4.live_view",)
        assert len((await db.scalars(select(Viewing))).all()) == 1


async def test_a_read_only_transaction_refuses_writes(database) -> None:
    with pytest.raises(ReadOnlyRequest):
        async with open_session(database, "B4.live_view", writes=False) as db:
            db.add(Viewing(viewer_ip="192.0.2.1"))


async def test_hooks_run_after_the_commit_and_never_after_a_rollback(database) -> None:
    ran: list[str] = []
    async with open_session(database, "B4.live_view") as db:
        after_commit(db, lambda: ran.append("committed"))
        assert ran == []

    async def fail() -> None:
        async with open_session(database, "B4.live_view") as db:
            after_commit(db, lambda: ran.append("rolled back"))
            raise LookupError

    with pytest.raises(LookupError):
        await fail()
    assert ran == ["committed"]


async def test_a_session_without_an_activity_does_not_open(database) -> None:
    with pytest.raises(NoActivity):
        async with open_session(database):
            pass


def test_a_mark_is_read_through_wrappers() -> None:
    @activity("B4.live_view", "B5.record")
    def job() -> None: ...

    mark = processing_of(job)
    assert mark is not None
    assert mark.activities == ("B4.live_view", "B5.record")
    assert mark.place.file.endswith("test_sessions.py")
