"""No other website acts in a signed-in person's name: every changing route, behind the guard of the server."""

from collections.abc import Iterator

import httpx2
import pytest
from fastapi.routing import APIRoute

from incamera.accounts.endpoints import router as accounts_router
from incamera.devices.endpoints import router as devices_router
from incamera.kit.ids import new_id
from incamera.serving.guards import OriginGuard
from tests.support.household import COOKIE, Household

pytestmark = pytest.mark.parametrize("database", ["sqlite"], indirect=True)

FOREIGN = (
    {"sec-fetch-site": "cross-site", "origin": "https://evil.example"},
    {"sec-fetch-site": "same-site", "origin": "https://other.testserver"},
    {"origin": "https://evil.example"},
    {"origin": "null"},
)


def changing_routes() -> Iterator[tuple[str, str]]:
    for route in (*accounts_router.routes, *devices_router.routes):
        if isinstance(route, APIRoute):
            for method in route.methods - {"GET", "HEAD"}:
                yield (
                    method,
                    route.path.replace("{session_id}", "{id}").format(
                        id=new_id(), device_id=new_id(), channel_id=new_id(), edge_id=new_id()
                    ),
                )


async def test_requests_of_other_sites_are_refused_everywhere(server: Household) -> None:
    async with server.client() as owner:
        await server.set_up(owner)
        cookie = f"{COOKIE}={owner.cookies[COOKIE]}"
    transport = httpx2.ASGITransport(OriginGuard(server.api, None))
    async with httpx2.AsyncClient(transport=transport, base_url="https://testserver") as browser:
        for method, path in changing_routes():
            for headers in FOREIGN:
                answer = await browser.request(method, path, json={}, headers=headers | {"cookie": cookie})
                assert (answer.status_code, answer.json()["code"]) == (403, "foreign_origin"), (method, path)
        form = await browser.post(
            "/api/v1/edges", content=b'{"name": "x"}', headers={"cookie": cookie, "content-type": "text/plain"}
        )
        own = await browser.post(
            "/api/v1/edges",
            json={"name": "x"},
            headers={"cookie": cookie, "origin": "https://testserver", "sec-fetch-site": "same-origin"},
        )
    assert form.json()["code"] == "json_expected"
    assert own.status_code == 201
