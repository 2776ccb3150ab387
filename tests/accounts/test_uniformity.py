"""Sign-in takes as long for people we know as for those we do not."""

import time
from collections.abc import AsyncIterator
from pathlib import Path
from statistics import median

import pytest

from incamera.storage.database import Database
from tests.support.household import EMAIL, Household, open_household

pytestmark = pytest.mark.parametrize("database", ["sqlite"], indirect=True)


@pytest.fixture
async def server(database: Database, tmp_path: Path) -> AsyncIterator[Household]:
    async with open_household(database, tmp_path) as household:
        yield household


@pytest.mark.req("B1a-04")
async def test_time_does_not_tell_who_has_an_account(server: Household) -> None:
    async with server.client() as client:
        await server.set_up(client)
    took: dict[str, list[float]] = {EMAIL: [], "who@example.org": []}
    for number in range(100):
        for email, times in took.items():
            async with server.client(address=f"10.{number}.0.1") as client:  # each try comes from somewhere else
                server.clock.move(minutes=2)
                started = time.perf_counter()
                answer = await client.post("/api/v1/sign-in", json={"email": email, "password": "wrong one"})
                times.append(time.perf_counter() - started)
                assert answer.status_code == 401

    known, unknown = (median(times) for times in took.values())
    assert abs(known - unknown) < 0.010


@pytest.mark.req("B2-04")
async def test_an_address_is_a_network(server: Household) -> None:
    async with server.client() as client:
        await server.set_up(client)
    statuses = []
    for number in range(8):
        async with server.client(address=f"2001:db8::{number:x}") as guesser:
            answer = await guesser.post("/api/v1/sign-in", json={"email": EMAIL, "password": f"guess {number}"})
            statuses.append(answer.status_code)
    assert statuses == [401] * 5 + [429] * 3, "an IPv6 customer has 2^64 addresses and counts as one"
