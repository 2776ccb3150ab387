"""What a page of a stranger tries on the live socket."""

import asyncio
import contextlib
import json

import pytest
from websockets.exceptions import ConnectionClosed

from incamera.devices import DeviceRemoved
from tests.live.conftest import Household, Page


@pytest.mark.req("X-09")
async def test_a_long_word_is_not_said_back(household: Household) -> None:
    page = await household.page()
    await page.say(open="x" * 16_000)

    refused = await page.hear("error")

    assert refused["code"] == "ticket_invalid"
    assert len(refused["ticket"]) <= 64


@pytest.mark.req("B4-01")
async def test_one_ticket_shown_by_many_at_once_lets_one_in(household: Household) -> None:
    word = await household.ticket(household.owner)
    pages = [await household.page() for _ in range(8)]

    await asyncio.gather(*(page.say(open=word) for page in pages))
    answers = [await anything(page) for page in pages]

    assert sorted(answers) == ["error"] * 7 + ["opened"]


@pytest.mark.req("B4-07")
async def test_a_ticket_of_before_the_removal_opens_nothing_after_it(household: Household) -> None:
    word = await household.ticket(household.owner)
    household.events.publish(DeviceRemoved(household.device_id, (household.channel_id,)))
    page = await household.page()

    await page.say(open=word)

    assert (await page.hear("error"))["code"] == "ticket_invalid"


@pytest.mark.req("X-09")
async def test_who_asks_on_and_on_is_shown_out(household: Household) -> None:
    page = await household.page()
    await page.open(await household.ticket(household.owner))

    with contextlib.suppress(ConnectionClosed):
        await asyncio.gather(*(page.say(ping=1) for _ in range(2000)))
    with pytest.raises(ConnectionClosed):
        await page.hear("anything else than answers")

    assert page.line.close_code == 1008


async def anything(page: Page) -> str:
    """Of which type the first answer is."""
    async with asyncio.timeout(5):
        return str(json.loads(await page.line.recv())["type"])
