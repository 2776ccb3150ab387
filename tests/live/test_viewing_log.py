"""The viewing log on both databases."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from incamera.accounts import AccountId, Actor, SessionId
from incamera.kit.ids import new_id
from incamera.live import ViewingLog, viewing_log
from incamera.privacy import open_session
from incamera.storage.database import Database
from incamera.storage.vault import Vault
from tests.support.accounts import an_account_row
from tests.support.clock import NOON, MovableClock


@pytest.fixture
def clock() -> MovableClock:
    return MovableClock()


@pytest.fixture
async def vault(tmp_path: Path, clock: MovableClock) -> AsyncIterator[Vault]:
    opened = await Vault.open(tmp_path / "keys.db", bytes(32), ledger=tmp_path / "ledger", clock=clock)
    yield opened
    await opened.close()


async def an_actor(database: Database, vault: Vault) -> Actor:
    actor = Actor(AccountId(new_id()), SessionId(new_id()), NOON + timedelta(hours=1))
    await vault.create_account_key(actor.account_id)
    async with open_session(database, "B1a.register") as db:
        db.add(an_account_row(actor.account_id, NOON))
    return actor


async def test_beginning_middle_and_end_are_written(database: Database, vault: Vault, clock: MovableClock) -> None:
    actor, channel_id = await an_actor(database, vault), new_id()
    log = ViewingLog(database, vault, clock)
    viewing_id = log.begin(actor, channel_id, "192.0.2.7")
    await log.flush()
    clock.move(seconds=viewing_log.TOUCH_S)
    await log.flush()
    async with open_session(database, "B4.live_view", writes=False) as db:
        meanwhile = await log.latest(db, [channel_id], 10)
    clock.move(seconds=15)
    log.end(viewing_id)
    log.end(viewing_id)
    await log.flush()

    async with open_session(database, "B4.live_view", writes=False) as db:
        (viewing,) = await log.latest(db, [channel_id], 10)

    assert meanwhile[0].last_seen_at == NOON + timedelta(seconds=30)
    assert (viewing.account_id, viewing.started_at) == (actor.account_id, NOON)
    assert viewing.last_seen_at == NOON + timedelta(seconds=46), "to the second, rounded up"


async def test_the_log_is_read_page_by_page(database: Database, vault: Vault, clock: MovableClock) -> None:
    actor, channel_id = await an_actor(database, vault), new_id()
    log = ViewingLog(database, vault, clock)
    for seconds in (0, 0, 5):  # two began at the same moment
        clock.move(seconds=seconds)
        log.begin(actor, channel_id, "192.0.2.7")
    await log.flush()

    pages, before = [], None
    async with open_session(database, "B4.live_view", writes=False) as db:
        everything = await log.latest(db, [channel_id], 10)
        while page := await log.latest(db, [channel_id], 1, before):
            pages += page
            before = (page[0].started_at, page[0].id)

    assert pages == everything
    assert len(pages) == 3


async def test_what_could_not_be_written_is_kept(
    database: Database, vault: Vault, clock: MovableClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    actor, channel_id = await an_actor(database, vault), new_id()
    log = ViewingLog(database, vault, clock)
    log.begin(actor, channel_id, "192.0.2.7")
    with monkeypatch.context() as broken:
        broken.setattr(viewing_log.repository, "add", None)
        with pytest.raises(TypeError):
            await log.flush()

    await log.flush()

    async with open_session(database, "B4.live_view", writes=False) as db:
        assert len(await log.latest(db, [channel_id], 10)) == 1


async def test_of_an_erased_account_nothing_is_written(database: Database, vault: Vault, clock: MovableClock) -> None:
    actor, other, channel_id = await an_actor(database, vault), await an_actor(database, vault), new_id()
    log = ViewingLog(database, vault, clock)
    log.begin(actor, channel_id, "192.0.2.7")
    log.begin(other, channel_id, "192.0.2.8")

    await vault.destroy_account_key(actor.account_id)
    await log.flush()

    async with open_session(database, "B4.live_view", writes=False) as db:
        assert [it.account_id for it in await log.latest(db, [channel_id], 10)] == [other.account_id]


async def test_a_device_takes_its_log_along(database: Database, vault: Vault, clock: MovableClock) -> None:
    actor, gone, kept = await an_actor(database, vault), new_id(), new_id()
    log = ViewingLog(database, vault, clock)
    for channel_id in (gone, kept, gone):
        log.begin(actor, channel_id, "192.0.2.7")
    await log.flush()

    await log.erase([gone])

    async with open_session(database, "B4.live_view", writes=False) as db:
        assert [it.channel_id for it in await log.latest(db, [gone, kept], 10)] == [kept]
