"""What a grantee and a hostile page try on recordings."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from incamera.access import Permission, revoke_grant
from incamera.privacy import open_session
from incamera.protocol.messages import StreamKind
from tests.playback.conftest import Household
from tests.playback.test_socket import ago
from tests.support.recordings import record_once


@pytest.mark.req("B9-02")
async def test_sound_is_heard_no_further_back_than_its_own_grant_allows(household: Household) -> None:
    studio, channel, start = household.studio, household.channel_id, ago(household, 200)
    studio.channels.rules[channel] = replace(studio.channels.rules[channel], is_sound_recorded=True)
    for stream in (StreamKind.MAIN, StreamKind.AUDIO):
        await record_once(studio, channel, pictures=4000, started_us=start, stream=stream)
    await household.grant(Permission.VIEW_RECORDINGS)
    await household.grant(Permission.LISTEN, look_back=timedelta(seconds=60))
    page, opened = await household.open("main", "audio", actor=household.friend)

    await page.say(play={"handle": opened["handle"], "at_us": start, "request": 1})
    shown = await page.until(pictures=40)

    sound = [wall for handle, _, wall, _ in shown.pictures if handle == opened["handles"]["audio"]]
    assert sound
    assert min(sound) >= ago(household, 62)


@pytest.mark.req("B9-03")
async def test_the_wider_of_two_grants_revoked_ends_what_it_had_opened(household: Household) -> None:
    await record_once(household.studio, household.channel_id, pictures=200, started_us=ago(household, 100))
    wide = await household.grant(Permission.VIEW_RECORDINGS)
    await household.grant(Permission.VIEW_RECORDINGS, look_back=timedelta(seconds=10))
    page, _ = await household.open(actor=household.friend)

    async with open_session(household.studio.database, "B3.device_add") as db:
        await revoke_grant(db, wide.id, clock=household.studio.clock, events=household.studio.events)

    assert (await page.until("stopped", timeout_s=5)).of("stopped")[0]["reason"] == "revoked"
    _, opened = await household.open(actor=household.friend)
    assert opened["from_us"] is None or opened["from_us"] >= ago(household, 11)


@pytest.mark.req("X-09")
@pytest.mark.parametrize(
    "message",
    [
        {"play": {"handle": 1, "at_us": 2**63}},
        {"play": {"handle": 1, "at_us": -1}},
        {"scrub": {"handle": 1, "at_us": 2**70}},
        {"position": {"handle": 1, "at_us": 2**70}},
        {"play": {"handle": 1, "at_us": 1, "request": "x" * 10_000}},
        {"play": {"handle": 1, "at_us": 1, "speed": "NaN"}},
        {"ping": "x"},
    ],
)
async def test_absurd_wishes_close_the_socket_as_such(household: Household, message: dict[str, object]) -> None:
    page, _ = await household.open()
    await page.say(**message)
    async with asyncio.timeout(5):
        await page.line.wait_closed()

    assert page.line.close_code == 1008, "not 1011, which is a mistake of ours"


async def test_a_long_word_is_not_said_back(household: Household) -> None:
    page = await household.page()

    assert len((await page.open("x" * 10_000))["ticket"]) <= 64
