"""The viewing log as the owner reads it, and what those above ask without being a person."""

from datetime import timedelta
from uuid import UUID

import pytest

from incamera.devices import LoggedViewing, ViewingSource
from incamera.kit.ids import new_id
from tests.devices.test_endpoints import CARD, add
from tests.support.household import Household

pytestmark = pytest.mark.parametrize("database", ["sqlite"], indirect=True)


@pytest.mark.req("B4-04")
async def test_the_owner_reads_one_log_of_live_and_past(server: Household) -> None:
    await server.local_edge()
    async with server.client() as owner, server.client() as friend:
        zoe = UUID((await server.set_up(owner)).json()["account"]["id"])
        max_ = await server.another_account(friend)
        device = await add(owner)
        channel, now = UUID(device["channels"][0]["id"]), server.clock.now()
        live = [
            LoggedViewing(new_id(), max_, channel, now - timedelta(minutes=5), now - timedelta(seconds=20), True),
            LoggedViewing(new_id(), new_id(), channel, now - timedelta(hours=3), now - timedelta(hours=2), False),
        ]
        past = [LoggedViewing(new_id(), zoe, channel, now - timedelta(hours=1), now - timedelta(seconds=5), False)]
        for kind, lines in (("live", live), ("playback", past)):

            async def read(
                _db: object, channel_ids: object, limit: int, before: object, lines: list = lines
            ) -> list[LoggedViewing]:
                assert channel_ids == (channel,)
                return [line for line in lines if before is None or (line.started_at, line.id) < before][:limit]

            activity = "B4.live_view" if kind == "live" else "B5.playback"
            server.services.viewings.add_source(ViewingSource(kind, activity, read))  # type: ignore[arg-type]
        log = (await owner.get(f"/api/v1/devices/{device['id']}/viewings")).json()["items"]
        pages, cursor = [], ""
        while cursor is not None:
            path = f"/api/v1/devices/{device['id']}/viewings?limit=1{cursor}"
            page = (await owner.get(path)).json()
            pages.append(page["items"])
            cursor = f"&cursor={page['next']}" if page["next"] else None
        refused = await owner.get(f"/api/v1/devices/{device['id']}/viewings?cursor=WyJhIiwiYiJd")

    assert [(line["kind"], line["viewer"], line["is_you"]) for line in log] == [
        ("live", "Max", False),
        ("playback", "Zoé", True),
        ("live", None, False),  # an account that is gone
    ]
    assert log[0]["ended_at"] is None, "still looking"
    assert log[1]["ended_at"] is not None, "five seconds ago, and the log knows"
    assert pages == [[line] for line in log]
    assert (refused.status_code, refused.json()["code"]) == (422, "invalid_cursor")


@pytest.mark.req("B0-02")
async def test_a_sign_shows_the_card_and_nothing_of_owner_or_device(server: Household) -> None:
    await server.local_edge()
    async with server.client() as owner:
        await server.set_up(owner)
        device = await add(owner)
        code = device["sign_url"].rpartition("/")[2]
        signed = await server.plans.find_signed(code)
        assert signed is not None
        assert signed.card is not None
        assert signed.card.purpose == CARD["purpose"]
        assert device["id"].replace("-", "") not in code.replace("-", "")

        await owner.put(f"/api/v1/devices/{device['id']}/privacy-card", json=CARD | {"purpose": "the parcel box"})
        signed = await server.plans.find_signed(code)
        assert signed is not None
        assert signed.card is not None
        assert signed.card.purpose == "the parcel box", "a printed sign keeps its code"
        await owner.delete(f"/api/v1/devices/{device['id']}")
    assert await server.plans.find_signed(code) is None
    assert await server.plans.find_signed("guess") is None


@pytest.mark.req("B5-08")
async def test_recording_is_what_the_owner_chose(server: Household) -> None:
    await server.local_edge()
    async with server.client() as owner:
        await server.set_up(owner)
        device = await add(owner, mode="live", sound=True)
        channel = UUID(device["channels"][0]["id"])
        plans = []
        for change in ({}, {"mode": "record"}, {"sound": False}, {"mode": "off"}):
            await owner.patch(f"/api/v1/channels/{channel}", json=change)
            plan = await server.plans.find(channel)
            assert plan is not None
            plans.append((plan.is_recorded, plan.is_sound_recorded))
    assert plans == [(False, False), (True, True), (True, False), (False, False)]
    assert await server.plans.find(new_id()) is None
