"""Covers that come by themselves, and go in time."""

import asyncio
from contextlib import suppress
from datetime import timedelta
from typing import Any

import pytest

from incamera.devices import covers
from incamera.privacy import RetentionRule
from tests.devices.test_endpoints import CARD, add, online
from tests.support.household import Household

# What these tests are about does not depend on the database; the endpoints are tested on both.
pytestmark = pytest.mark.parametrize("database", ["sqlite"], indirect=True)

RULE = RetentionRule(
    "B7.name_cover", ("B7.name_cover/cover",), timedelta(days=7), timedelta(days=30), timedelta(), "", ""
)


async def cover_of(client: Any, device: dict[str, Any]) -> Any:
    return (await client.get(f"/api/v1/devices/{device['id']}")).json()["channels"][0]["cover"]


async def a_cover_other_than(former: Any, client: Any, device: dict[str, Any]) -> None:
    for _ in range(250):
        if await cover_of(client, device) != former:
            return
        await asyncio.sleep(0.02)
    raise AssertionError("no new cover came within five seconds")


async def test_a_camera_that_comes_on_line_gets_a_cover(server: Household, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(covers, "SETTLE_S", 0.0)
    edge = await server.local_edge()
    work = asyncio.create_task(server.services.covers.run())
    await asyncio.sleep(0)
    async with server.client() as owner:
        await server.set_up(owner)
        recorded, idle = await add(owner, mode="record"), await add(owner, mode="live")
        for device in (recorded, idle):
            await online(server, edge, device["channels"][0]["id"])
        for device in (recorded, idle):
            await a_cover_other_than(None, owner, device)
        first = [await cover_of(owner, device) for device in (recorded, idle)]

        server.clock.move(minutes=6)
        await online(server, edge, recorded["channels"][0]["id"])
        await a_cover_other_than(first[0], owner, recorded)
        assert await cover_of(owner, idle) == first[1], "a camera that sends nothing is asked for its first one only"
    work.cancel()
    with suppress(asyncio.CancelledError):
        await work


async def test_covers_go_when_recordings_would(server: Household) -> None:
    edge = await server.local_edge()
    async with server.client() as owner:
        await server.set_up(owner)
        week, public = await add(owner), await add(owner, privacy_card=CARD | {"sees_public_space": True})
        for device in (week, public):
            channel = device["channels"][0]["id"]
            await online(server, edge, channel)
            await owner.post(f"/api/v1/channels/{channel}/cover/refresh")
        taken_at = server.clock.now()

        server.clock.move(days=3)
        assert (await server.services.covers.pending(RULE, server.clock.now())).overdue == 1
        swept = await server.services.covers.sweep(RULE, server.clock.now())
        assert (swept.erased, swept.oldest) == (1, taken_at)
        server.clock.move(days=4)
        assert (await server.services.covers.sweep(RULE, server.clock.now())).erased == 1
        assert (await server.services.covers.pending(RULE, server.clock.now())).oldest is None


async def test_two_people_get_different_tags_for_one_picture(server: Household) -> None:
    edge = await server.local_edge()
    async with server.client() as owner:
        await server.set_up(owner)
        device = await add(owner)
        channel = device["channels"][0]["id"]
        await online(server, edge, channel)
        await owner.post(f"/api/v1/channels/{channel}/cover/refresh")
        first = (await owner.get(f"/api/v1/channels/{channel}/cover")).headers["etag"]
        server.clock.move(minutes=1)
        await owner.post(f"/api/v1/channels/{channel}/cover/refresh")
        second = (await owner.get(f"/api/v1/channels/{channel}/cover")).headers["etag"]
    assert first != second
    assert channel not in first
