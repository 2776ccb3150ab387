"""Errors become problems (RFC 9457) that say enough and not more."""

from collections.abc import AsyncIterator

import httpx2
import pytest
from fastapi import FastAPI
from pydantic import BaseModel
from structlog.testing import capture_logs

from incamera.kit.errors import IncameraError
from incamera.serving.problems import add_problem_handlers


class CameraAsleep(IncameraError):
    status = 409
    retry_after_s = 5

    def __init__(self) -> None:
        super().__init__("The camera sleeps; wake it first.")


class EdgeAway(IncameraError):
    status = 503

    def __init__(self) -> None:
        super().__init__("The edge is away.")


class _Body(BaseModel):
    password: str
    port: int


@pytest.fixture
async def client() -> AsyncIterator[httpx2.AsyncClient]:
    api = FastAPI()
    add_problem_handlers(api)

    @api.get("/asleep")
    async def asleep() -> None:
        raise CameraAsleep

    @api.get("/away")
    async def away() -> None:
        raise EdgeAway

    @api.get("/broken")
    async def broken() -> None:
        raise RuntimeError("anne@example.org")

    @api.post("/cameras")
    async def cameras(body: _Body) -> None: ...

    transport = httpx2.ASGITransport(app=api, raise_app_exceptions=False)
    async with httpx2.AsyncClient(transport=transport, base_url="http://localhost") as http:
        yield http


@pytest.mark.parametrize(("path", "status", "level"), [("/away", 503, "warning"), ("/broken", 500, "error")])
async def test_only_our_own_mistakes_are_errors_in_the_log(
    client: httpx2.AsyncClient, path: str, status: int, level: str
) -> None:
    with capture_logs() as said:
        response = await client.get(path)

    assert response.status_code == status
    assert [line["log_level"] for line in said if line["event"] == "http.failed"] == [level]


async def test_named_error_speaks_for_itself(client: httpx2.AsyncClient) -> None:
    response = await client.get("/asleep")
    assert response.headers["content-type"] == "application/problem+json"
    assert response.headers["retry-after"] == "5"
    assert response.json() == {
        "type": "urn:incamera:problem:camera_asleep",
        "title": "Conflict",
        "status": 409,
        "detail": "The camera sleeps; wake it first.",
        "code": "camera_asleep",
    }


async def test_wrong_body_tells_where_and_never_what(client: httpx2.AsyncClient) -> None:
    response = await client.post("/cameras", json={"password": ["hunter2"], "port": "rtsp"})
    assert response.status_code == 422
    assert response.json()["code"] == "invalid_request"
    assert [field["at"] for field in response.json()["errors"]] == ["body.password", "body.port"]
    assert "hunter2" not in response.text
    assert "rtsp" not in response.text


async def test_unforeseen_error_tells_nothing(client: httpx2.AsyncClient) -> None:
    response = await client.get("/broken")
    assert response.status_code == 500
    assert response.json()["code"] == "internal_error"
    assert "anne" not in response.text


@pytest.mark.parametrize(
    ("method", "path", "code"), [("GET", "/none", "not_found"), ("PUT", "/asleep", "method_not_allowed")]
)
async def test_wrong_address_is_a_problem_too(client: httpx2.AsyncClient, method: str, path: str, code: str) -> None:
    response = await client.request(method, path)
    assert response.headers["content-type"] == "application/problem+json"
    assert response.json()["code"] == code
