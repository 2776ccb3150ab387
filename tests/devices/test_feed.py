"""The event stream: what a page hears, and what it does not."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import aclosing
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from incamera.accounts import AccountId, Actor, SessionEnd, SessionEnded, SessionId
from incamera.kit.ids import new_id
from incamera.protocol.messages import StreamKind
from incamera.storage.volume import VolumeState
from incamera.streams import StreamKey
from tests.devices.test_endpoints import add, online
from tests.support.household import Household

# What these tests are about does not depend on the database; the endpoints are tested on both.
pytestmark = pytest.mark.parametrize("database", ["sqlite"], indirect=True)


class Reader:
    """Reads messages as a browser does."""

    def __init__(self, stream: AsyncIterator[bytes]) -> None:
        self._stream = stream

    async def next(self) -> tuple[str, Any]:
        async with asyncio.timeout(5):
            while True:
                lines = (await anext(self._stream)).decode().splitlines()
                if lines[0].startswith("event: "):
                    return lines[0][7:], json.loads(lines[1][6:])

    async def is_over(self) -> bool:
        async with asyncio.timeout(5):
            async for message in self._stream:
                assert not message.startswith(b"event:"), message
        return True


class Quiet:
    """A viewer who looks at nothing."""

    def __getattr__(self, _name: str) -> Any:
        return lambda *_anything: None


async def an_actor(server: Household, account: str) -> Actor:
    return Actor(AccountId(UUID(account)), SessionId(new_id()), server.clock.now() + timedelta(hours=4))


async def test_a_page_hears_of_its_devices_and_a_stranger_of_none(server: Household) -> None:
    edge = await server.local_edge()
    async with server.client() as owner, server.client() as other:
        zoe = await an_actor(server, (await server.set_up(owner)).json()["account"]["id"])
        max_ = await an_actor(server, str(await server.another_account(other)))
        feed = server.services.feed
        async with aclosing(feed.follow(zoe)) as mine, aclosing(feed.follow(max_)) as theirs:
            await anext(mine)
            await anext(theirs)
            page = Reader(mine)
            device = await add(owner, name="Door\n\nevent: removed".replace("\n", " "))
            name, told = await page.next()
            assert (name, told) == ("device", device)

            await online(server, edge, device["channels"][0]["id"])
            name, told = await page.next()
            assert (name, told["state"]["code"]) == ("device", "online")

            await owner.delete(f"/api/v1/devices/{device['id']}")
            assert await page.next() == ("removed", {"id": device["id"]})
            await owner.post(f"/api/v1/devices/{device['id']}/restore")
            assert (await page.next())[0] == "device"

            feed.close()
            assert await Reader(theirs).is_over()


@pytest.mark.req("B4-04")
async def test_the_owner_sees_at_once_that_somebody_watches(server: Household) -> None:
    await server.local_edge()
    async with server.client() as owner:
        zoe = await an_actor(server, (await server.set_up(owner)).json()["account"]["id"])
        device = await add(owner)
        channel = UUID(device["channels"][0]["id"])
        async with aclosing(server.services.feed.follow(zoe)) as stream:
            await anext(stream)
            page = Reader(stream)
            leave = server.hub.subscribe(StreamKey(channel, StreamKind.MAIN), Quiet())
            assert await page.next() == ("watching", {"channel_id": str(channel), "watching": 1})
            assert (await owner.get(f"/api/v1/devices/{device['id']}")).json()["channels"][0]["watching"] == 1
            leave()
            assert await page.next() == ("watching", {"channel_id": str(channel), "watching": 0})


async def test_a_stream_ends_with_its_session(server: Household) -> None:
    async with server.client() as owner:
        zoe = await an_actor(server, (await server.set_up(owner)).json()["account"]["id"])
    async with aclosing(server.services.feed.follow(zoe)) as stream:
        await anext(stream)
        server.events.publish(SessionEnded(zoe.account_id, SessionId(new_id()), SessionEnd.SIGNED_OUT))
        assert server.services.feed.count == 1
        server.events.publish(SessionEnded(zoe.account_id, zoe.session_id, SessionEnd.SIGNED_OUT))
        assert await Reader(stream).is_over()
    assert server.services.feed.count == 0


async def test_a_session_that_is_gone_is_noticed_without_an_event(server: Household) -> None:
    async with server.client() as owner:
        zoe = await an_actor(server, (await server.set_up(owner)).json()["account"]["id"])
        await server.local_edge()
        async with aclosing(server.services.feed.follow(zoe)) as stream:
            await anext(stream)
            server.clock.move(seconds=61)
            await add(owner)
            assert await Reader(stream).is_over(), "there is no session with this id"


async def test_many_streams_of_one_session_push_out_the_oldest(server: Household) -> None:
    async with server.client() as owner:
        zoe = await an_actor(server, (await server.set_up(owner)).json()["account"]["id"])
    streams = [server.services.feed.follow(zoe) for _ in range(20)]
    for stream in streams:
        await anext(stream)
    for stream in streams[:4]:
        assert await Reader(stream).is_over()
    assert server.services.feed.count == 16
    for stream in streams:
        await stream.aclose()


async def test_every_page_hears_of_a_disk_in_trouble_also_one_that_opens_later(server: Household) -> None:
    async with server.client() as owner:
        zoe = await an_actor(server, (await server.set_up(owner)).json()["account"]["id"])
        feed = server.services.feed
        async with aclosing(feed.follow(zoe)) as early:
            await anext(early)
            feed.tell_of_volume(VolumeState.FULL)
            assert await Reader(early).next() == ("volume", {"state": "full"})
            async with aclosing(feed.follow(zoe)) as late:
                await anext(late)
                assert await Reader(late).next() == ("volume", {"state": "full"})
                feed.tell_of_volume(VolumeState.WELL)
                assert await Reader(early).next() == await Reader(late).next() == ("volume", {"state": "well"})
