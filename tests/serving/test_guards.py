"""What stands before the routes: origin, host, proxy, size, headers."""

import ipaddress
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI, Request
from starlette.types import ASGIApp

from incamera.serving.guards import (
    BodyLimit,
    HostGuard,
    OriginGuard,
    ProxyAddress,
    SecurityHeaders,
    host_name,
)
from incamera.serving.problems import add_problem_handlers


def _api() -> FastAPI:
    api = FastAPI()
    add_problem_handlers(api)

    @api.api_route("/api/v1/thing", methods=["GET", "POST"])
    async def thing(request: Request) -> dict[str, Any]:
        body = await request.body()
        client = request.client.host if request.client else ""
        return {"client": client, "scheme": request.url.scheme, "size": len(body)}

    return api


def _client(app: ASGIApp, client: str = "192.0.2.7", base_url: str = "http://localhost:8080") -> httpx2.AsyncClient:
    transport = httpx2.ASGITransport(app=app, client=(client, 50000))
    return httpx2.AsyncClient(transport=transport, base_url=base_url)


@pytest.fixture
async def page() -> AsyncIterator[httpx2.AsyncClient]:
    async with _client(OriginGuard(_api(), "https://cam.example")) as client:
        yield client


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),  # a program, not a browser
        ({"Origin": "http://localhost:8080"}, 200),
        ({"Origin": "http://localhost:8080", "Sec-Fetch-Site": "same-origin"}, 200),
        ({"Origin": "https://cam.example", "Sec-Fetch-Site": "same-origin"}, 200),
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "http://localhost:8081"}, 403),
        ({"Origin": "https://localhost:8080"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Sec-Fetch-Site": "none"}, 403),
        ({"Origin": "http://localhost:8080", "Sec-Fetch-Site": "cross-site"}, 403),
    ],
)
async def test_only_our_own_page_may_change_something(
    page: httpx2.AsyncClient, headers: dict[str, str], status: int
) -> None:
    response = await page.post("/api/v1/thing", json={}, headers=headers)
    assert response.status_code == status
    if status == 403:
        assert response.json()["code"] == "foreign_origin"


async def test_reading_needs_no_origin(page: httpx2.AsyncClient) -> None:
    assert (await page.get("/api/v1/thing", headers={"Origin": "https://evil.example"})).is_success


@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""])
async def test_form_of_another_site_cannot_look_like_json(page: httpx2.AsyncClient, content_type: str) -> None:
    response = await page.post("/api/v1/thing", content=b"{}", headers={"Content-Type": content_type})
    assert response.status_code == 415


@pytest.mark.parametrize(("size", "status"), [(10, 200), (11, 413)])
@pytest.mark.parametrize("is_announced", [True, False])
async def test_large_body_is_refused(size: int, status: int, is_announced: bool) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(size):
            yield b"x"

    async with _client(BodyLimit(_api(), 10)) as client:
        content = b"x" * size if is_announced else pieces()
        response = await client.post("/api/v1/thing", content=content)
    assert response.status_code == status


@pytest.mark.parametrize("length", ["-1", "1e9", "0x10", "9" * 30])
async def test_nonsense_length_is_refused(length: str) -> None:
    async with _client(BodyLimit(_api())) as client:
        response = await client.post("/api/v1/thing", content=b"", headers={"Content-Length": length})
    assert response.status_code == 413


@pytest.mark.parametrize(
    ("host", "status"), [("localhost:1", 200), ("127.0.0.1", 200), ("evil.example", 421), ("", 421)]
)
async def test_name_that_was_pointed_at_this_machine_is_refused(host: str, status: int) -> None:
    async with _client(HostGuard(_api(), frozenset({"localhost", "127.0.0.1"}))) as client:
        assert (await client.get("/api/v1/thing", headers={"Host": host})).status_code == status


@pytest.mark.parametrize(
    ("host", "name"),
    [("localhost:80", "localhost"), ("[::1]:80", "::1"), ("LOCALHOST", "localhost"), ("a@localhost", ""), ("", "")],
)
def test_host_header_without_port(host: str, name: str) -> None:
    assert host_name(host) == name


PROXIES = (ipaddress.ip_network("10.0.0.0/24"),)


@pytest.mark.parametrize(
    ("forwarded", "client"),
    [
        ("203.0.113.5", "203.0.113.5"),
        ("127.0.0.1, 203.0.113.5", "203.0.113.5"),  # the client wrote the left part itself
        ("203.0.113.5, 10.0.0.9", "203.0.113.5"),  # two of our proxies
        ("2001:db8::1", "2001:db8::1"),
        ("nonsense", "10.0.0.1"),
        ("", "10.0.0.1"),
    ],
)
async def test_address_behind_a_trusted_proxy(forwarded: str, client: str) -> None:
    async with _client(ProxyAddress(_api(), PROXIES), client="10.0.0.1") as proxy:
        answer = (await proxy.get("/api/v1/thing", headers={"X-Forwarded-For": forwarded})).json()
    assert answer["client"] == client
    assert answer["scheme"] == "https"


async def test_nobody_gets_past_the_proxy() -> None:
    async with _client(ProxyAddress(_api(), PROXIES), client="203.0.113.5") as stranger:
        response = await stranger.get("/api/v1/thing", headers={"X-Forwarded-For": "127.0.0.1"})
    assert response.status_code == 403


async def test_forwarded_headers_mean_nothing_without_a_proxy() -> None:
    async with _client(ProxyAddress(_api(), ())) as client:
        answer = (await client.get("/api/v1/thing", headers={"X-Forwarded-For": "127.0.0.1"})).json()
    assert answer["client"] == "192.0.2.7"


async def test_every_answer_carries_the_security_headers() -> None:
    async with _client(SecurityHeaders(_api(), hsts=True), base_url="https://cam.example") as client:
        for path in ("/api/v1/thing", "/api/v1/nothing"):
            headers = (await client.get(path)).headers
            assert "unsafe" not in headers["content-security-policy"]
            assert headers["x-content-type-options"] == "nosniff"
            assert headers["cross-origin-opener-policy"] == "same-origin"
            assert headers["strict-transport-security"] == "max-age=31536000"
            assert headers["cache-control"] == "no-store"


async def test_localhost_is_not_locked_into_tls() -> None:
    async with _client(SecurityHeaders(_api(), hsts=True)) as client:
        assert "strict-transport-security" not in (await client.get("/api/v1/thing")).headers
