"""Retention runs from the declarations alone, on both databases, and leaves evidence."""

from datetime import datetime, timedelta

import pytest
from sqlalchemy import ForeignKey, func, select
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from incamera.privacy import CONTRACT, Activity, Basis, Datum, Keep, Purpose, Swept, Text, not_personal, personal
from incamera.privacy.errors import ActivityStopped, DeclarationError
from incamera.privacy.marks import isolated_marks
from incamera.privacy.registry import Registry
from incamera.privacy.retention_engine import RetentionEngine
from incamera.storage.database import UtcDateTime
from tests.support.clock import NOON, MovableClock

WORDS = Text(fr="mots", en="words")


class Rows(DeclarativeBase):
    pass


class Person(Rows):
    __tablename__ = "test_person"
    id: Mapped[int] = mapped_column(primary_key=True, info=not_personal("row id"))
    name: Mapped[str] = mapped_column(info=personal("B1a.register/email"))
    code: Mapped[str | None] = mapped_column(info=personal("B1a.register/code"))
    code_at: Mapped[datetime] = mapped_column(UtcDateTime, index=True, info=not_personal("clock"))
    closed_at: Mapped[datetime | None] = mapped_column(UtcDateTime, index=True, info=not_personal("event"))


class Viewing(Rows):
    __tablename__ = "test_viewing"
    id: Mapped[int] = mapped_column(primary_key=True, info=not_personal("row id"))
    person_id: Mapped[int] = mapped_column(ForeignKey("test_person.id"), info=personal("B4.live_view/viewing_log"))
    seen_at: Mapped[datetime] = mapped_column(UtcDateTime, index=True, info=personal("B4.live_view/viewing_log"))


class Note(Rows):
    __tablename__ = "test_note"
    id: Mapped[int] = mapped_column(primary_key=True, info=not_personal("row id"))
    person_id: Mapped[int] = mapped_column(ForeignKey("test_person.id"), info=personal("B1a.register/note"))


def an_activity(activity_id: str, data: tuple[str, ...], keep: tuple[Keep, ...]) -> Activity:
    return Activity(
        id=activity_id, since="2026.1", name=WORDS, summary=WORDS, refusal=WORDS,
        purposes=(Purpose(term="dpv:RequestedServiceProvision", text=WORDS),), basis=Basis(term=CONTRACT),
        data=tuple(Datum(key=key, term="pd:Identifier") for key in data), keep=keep,
    )  # fmt: skip


REGISTER = an_activity(
    "B1a.register",
    ("email", "code", "note"),
    (
        Keep(data=("email", "note"), until="test_person.closed_at", grace="P2D"),
        Keep(data=("code",), max="PT10M", clock="test_person.code_at"),
    ),
)
LIVE = an_activity(
    "B4.live_view", ("viewing_log",), (Keep(data=("viewing_log",), max="P30D", clock="test_viewing.seen_at"),)
)


@pytest.fixture
def clock() -> MovableClock:
    return MovableClock()


@pytest.fixture
async def rows(database):
    async with database.engine.begin() as connection:
        await connection.run_sync(Rows.metadata.create_all)
    return database


def an_engine(database, clock, *, activities=(REGISTER, LIVE), **options) -> RetentionEngine:
    with isolated_marks() as marks:
        registry = Registry(activities, marks=marks, metadata=Rows.metadata)
    return RetentionEngine(database, registry, clock, **options)


async def count(database, table: type) -> int:
    async with database.transaction() as db:
        return int(await db.scalar(select(func.count()).select_from(table)) or 0)


async def add(database, *items: object) -> None:
    async with database.transaction() as db:
        db.add_all(items)
        await db.flush()


@pytest.mark.req("R-02")
async def test_rows_past_their_maximum_go_in_batches_and_the_rest_stays(rows, clock) -> None:
    await add(rows, Person(id=1, name="a", code_at=NOON))
    old = [Viewing(person_id=1, seen_at=NOON - timedelta(days=31)) for _ in range(1201)]
    await add(rows, *old, Viewing(person_id=1, seen_at=NOON - timedelta(days=29)))
    engine = an_engine(rows, clock)

    await engine.sweep()

    assert await count(rows, Viewing) == 1
    live = next(item for item in await engine.evidence() if item.activity == "B4.live_view")
    assert (live.erased, live.overdue, live.oldest) == (1201, 0, NOON - timedelta(days=29))


async def test_a_column_that_ends_before_its_row_is_emptied(rows, clock) -> None:
    await add(rows, Person(id=1, name="a", code="123456", code_at=NOON - timedelta(minutes=11)))
    await an_engine(rows, clock).sweep()
    async with rows.transaction() as db:
        assert (await db.execute(select(Person.name, Person.code))).one() == ("a", None)


@pytest.mark.req("B1b-01")
async def test_no_byte_of_an_erased_row_is_left_on_disk(rows, clock, tmp_path) -> None:
    if not rows.is_sqlite:
        pytest.skip("PostgreSQL keeps dead rows until VACUUM; contacts are sealed there as here")
    canary = "canary-7f3a91"
    await add(rows, Person(id=1, name=canary, code_at=NOON, closed_at=NOON - timedelta(days=3)))
    await add(rows, Person(id=2, name="b", code_at=NOON))
    await an_engine(rows, clock).sweep()
    left = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert canary.encode() not in left


async def test_an_event_ends_a_row_and_its_children_after_the_grace(rows, clock) -> None:
    await add(rows, Person(id=1, name="a", code_at=NOON, closed_at=NOON), Person(id=2, name="b", code_at=NOON))
    await add(rows, Note(id=1, person_id=1), Note(id=2, person_id=2))
    engine = an_engine(rows, clock)
    await engine.sweep()
    assert await count(rows, Person) == 2, "the grace of two days is not over"

    clock.move(days=1)
    await engine.sweep()
    clock.move(days=1, seconds=1)
    await engine.sweep()

    assert (await count(rows, Person), await count(rows, Note)) == (1, 1)


@pytest.mark.req("B5-03")
async def test_after_a_month_down_everything_overdue_goes_before_serving(rows, clock) -> None:
    await add(rows, Person(id=1, name="a", code_at=NOON), Viewing(person_id=1, seen_at=NOON))
    await an_engine(rows, clock).sweep()
    clock.move(days=45)
    async with an_engine(rows, clock).running():
        assert await count(rows, Viewing) == 0


@pytest.mark.req("R-03")
async def test_a_clock_that_jumps_ahead_erases_nothing_until_somebody_confirms_it(rows, clock) -> None:
    await add(rows, Person(id=1, name="a", code_at=NOON), Viewing(person_id=1, seen_at=NOON))
    agreed = False
    await an_engine(rows, clock).sweep()
    engine = an_engine(rows, clock, is_time_agreed=lambda _now: agreed)
    clock.move(days=400)
    await engine.sweep()
    assert engine.is_paused
    assert await count(rows, Viewing) == 1

    agreed = True
    await engine.sweep()
    assert not engine.is_paused
    assert await count(rows, Viewing) == 0


class JumpingClock(MovableClock):
    """Somebody sets the wall clock while the server runs; the other clock does not notice."""

    jump = timedelta()

    def now(self) -> datetime:
        return super().now() + self.jump


@pytest.mark.req("R-03")
async def test_a_clock_set_ahead_while_running_erases_nothing(rows) -> None:
    clock = JumpingClock()
    await add(rows, Person(id=1, name="a", code_at=NOON), Viewing(person_id=1, seen_at=NOON))
    engine = an_engine(rows, clock, is_time_agreed=lambda _now: False)
    await engine.sweep()
    clock.jump = timedelta(days=40)
    await engine.sweep()
    assert engine.is_paused
    assert await count(rows, Viewing) == 1

    clock.jump = timedelta()
    clock.move(hours=1)
    await engine.sweep()
    assert not engine.is_paused, "set back, it is right again by itself"


@pytest.mark.req("R-03")
@pytest.mark.parametrize("ahead", [timedelta(hours=2), timedelta(days=1)])
async def test_a_day_or_hours_ahead_erase_nothing_while_running(rows, ahead) -> None:
    clock = JumpingClock()
    await add(
        rows, Person(id=1, name="a", code_at=NOON), Viewing(person_id=1, seen_at=NOON - timedelta(days=29, hours=23))
    )
    engine = an_engine(rows, clock, is_time_agreed=lambda _now: False)
    await engine.sweep()
    clock.jump = ahead
    await engine.sweep()
    assert engine.is_paused
    assert await count(rows, Viewing) == 1


@pytest.mark.req("R-03")
@pytest.mark.parametrize("behind", [timedelta(days=1), timedelta(days=365 * 56)])
async def test_a_clock_that_was_behind_may_return_to_the_right_time_by_itself(rows, behind) -> None:
    clock = JumpingClock()
    await an_engine(rows, clock, is_time_agreed=lambda _now: False).sweep()
    clock.jump = -behind
    engine = an_engine(rows, clock, is_time_agreed=lambda _now: False)
    await engine.sweep()
    assert not engine.is_paused

    clock.jump = timedelta()
    await engine.sweep()
    assert not engine.is_paused, "what was known before is enough to believe it"


@pytest.mark.req("R-03")
async def test_a_clock_that_fell_behind_keeps_nothing_too_long(rows) -> None:
    clock = JumpingClock()
    await add(rows, Person(id=1, name="a", code_at=NOON), Viewing(person_id=1, seen_at=NOON))
    engine = an_engine(rows, clock, is_time_agreed=lambda _now: False)
    await engine.sweep()
    clock.jump = -timedelta(days=40)
    clock.move(days=31)
    await engine.sweep()
    assert await count(rows, Viewing) == 0


class StuckTarget:
    """A disk that does not let go."""

    async def sweep(self, rule, now):
        raise OSError(28, "no space left on device")

    pending = sweep


@pytest.mark.req("R-03")
async def test_an_activity_whose_media_cannot_be_erased_takes_no_more(rows, clock) -> None:
    recording = an_activity(
        "B5.record",
        ("recording",),
        (Keep(data=("recording",), max="P7D", clock="store:segments", action="crypto_shred"),),
    )
    engine = an_engine(rows, clock, activities=(recording, LIVE), targets={"B5.record/recording": StuckTarget()})
    await engine.sweep()
    assert not engine.is_stopped("B5.record"), "one missed period is no alarm yet"

    clock.move(minutes=11)

    with pytest.raises(ActivityStopped):
        engine.require_running("B5.record")
    assert not engine.is_stopped("B4.live_view")


class Media:
    """Media of one camera, by the time of its first chunk."""

    def __init__(self, *starts: datetime) -> None:
        self.starts = sorted(starts)

    async def sweep(self, rule, now) -> Swept:
        kept = [start for start in self.starts if start >= now - rule.maximum]
        erased, self.starts = len(self.starts) - len(kept), kept
        return Swept(erased, min(kept, default=None))

    async def pending(self, rule, now) -> Swept:
        return Swept(0, min(self.starts, default=None))


async def test_media_are_handed_to_their_target_and_counted(rows, clock) -> None:
    recording = an_activity(
        "B5.record",
        ("recording",),
        (Keep(data=("recording",), max="P7D", clock="store:segments", action="crypto_shred"),),
    )
    media = Media(NOON - timedelta(days=8), NOON - timedelta(days=1))
    engine = an_engine(rows, clock, activities=(recording,), targets={"B5.record/recording": media})
    await engine.sweep()
    (evidence,) = await engine.evidence()
    assert (evidence.erased, evidence.oldest) == (1, NOON - timedelta(days=1))


async def test_a_rule_that_nobody_can_carry_out_does_not_start(rows, clock) -> None:
    recording = an_activity(
        "B5.record",
        ("recording",),
        (Keep(data=("recording",), max="P7D", clock="store:segments", action="crypto_shred"),),
    )
    with pytest.raises(DeclarationError, match=r"RetentionTarget under 'B5.record/recording'"):
        an_engine(rows, clock, activities=(recording,))


@pytest.mark.slow
@pytest.mark.req("R-03")
async def test_four_hundred_days_without_over_retention_or_early_deletion(rows, clock) -> None:
    await add(rows, Person(id=1, name="a", code_at=NOON))
    engine = an_engine(rows, clock)
    for day in range(400):
        await add(rows, Viewing(person_id=1, seen_at=clock.now()))
        if day % 7:  # one day in seven the engine is down
            await engine.sweep()
            async with rows.transaction() as db:
                oldest = await db.scalar(select(func.min(Viewing.seen_at)))
            assert clock.now() - oldest <= timedelta(days=30)
            assert await count(rows, Viewing) == min(day + 1, 31)
        clock.move(days=1)
