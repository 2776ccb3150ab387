"""The web app's files: cached as long as they are good, and only where they belong."""

from collections.abc import AsyncIterator
from pathlib import Path

import httpx2
import pytest
from fastapi import FastAPI
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from incamera.serving.listener import Listener, bind
from incamera.serving.problems import add_problem_handlers
from incamera.serving.static import WebApp


@pytest.fixture
async def client(tmp_path: Path) -> AsyncIterator[httpx2.AsyncClient]:
    (tmp_path / "assets").mkdir()
    (tmp_path / "index.html").write_text("<title>app</title>")
    (tmp_path / "assets/app-5f3a.js").write_text("plain")
    (tmp_path / "assets/app-5f3a.js.br").write_text("brotli")
    (tmp_path / "assets/app-5f3a.js.gz").write_text("gzip")
    (tmp_path / "manifest.webmanifest").write_text("{}")
    (tmp_path.parent / "secret").write_text("secret")
    api = FastAPI()
    add_problem_handlers(api)
    api.router.default = WebApp(tmp_path)
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app=api), base_url="http://localhost") as http:
        yield http


async def test_hashed_files_are_cached_for_ever(client: httpx2.AsyncClient) -> None:
    response = await client.get("/assets/app-5f3a.js", headers={"Accept-Encoding": "identity"})
    assert response.text == "plain"
    assert response.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert response.headers["content-type"].startswith("text/javascript")


@pytest.mark.parametrize(("accepted", "encoding"), [("br, gzip", "br"), ("gzip", "gzip"), ("identity", None)])
async def test_smallest_encoding_that_is_understood(
    client: httpx2.AsyncClient, accepted: str, encoding: str | None
) -> None:
    async with client.stream("GET", "/assets/app-5f3a.js", headers={"Accept-Encoding": accepted}) as response:
        assert response.headers.get("content-encoding") == encoding
        assert response.headers["vary"] == "Accept-Encoding"


@pytest.mark.parametrize("path", ["/", "/devices/7", "/setup", "/assetsx"])
async def test_addresses_of_the_app_get_the_page(client: httpx2.AsyncClient, path: str) -> None:
    response = await client.get(path)
    assert response.text == "<title>app</title>"
    assert response.headers["cache-control"] == "no-cache"


async def test_page_that_did_not_change_is_not_sent_again(client: httpx2.AsyncClient) -> None:
    etag = (await client.get("/")).headers["etag"]
    response = await client.get("/", headers={"If-None-Match": etag})
    assert response.status_code == 304
    assert response.content == b""


@pytest.mark.parametrize("path", ["/api/v1/nothing", "/assets/gone-1.js", "/.well-known/nothing", "/media/x"])
async def test_what_is_missing_is_not_answered_with_the_page(client: httpx2.AsyncClient, path: str) -> None:
    response = await client.get(path)
    assert response.status_code == 404
    assert response.json()["code"] == "not_found"


@pytest.mark.parametrize("path", ["/../secret", "/%2e%2e/secret", "/assets/..%2f..%2fsecret"])
async def test_nothing_outside_the_folder(client: httpx2.AsyncClient, path: str) -> None:
    assert "secret" not in (await client.get(path)).text


async def test_page_cannot_be_written(client: httpx2.AsyncClient) -> None:
    assert (await client.put("/index.html")).status_code == 405


async def test_without_a_build_the_page_says_how_to_get_one(tmp_path: Path) -> None:
    app = WebApp(tmp_path / "none")
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app=app), base_url="http://localhost") as http:
        assert "not built" in (await http.get("/")).text


async def test_a_socket_that_nothing_serves_is_refused_without_an_error(tmp_path: Path) -> None:
    listener = Listener(WebApp(tmp_path), bind("127.0.0.1", 0), websockets="websockets-sansio", tls=None)
    await listener.start()

    with pytest.raises(InvalidStatus) as refusal:
        await connect(f"ws://127.0.0.1:{listener.port}/nothing")
    await listener.stop()

    assert refusal.value.response.status_code == 403
