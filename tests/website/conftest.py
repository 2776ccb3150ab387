"""The public pages over the registry of the whole program, on a small application."""

from collections.abc import AsyncIterator

import httpx2
import pytest
from fastapi import FastAPI

from incamera.app import make_registry
from incamera.privacy.operator_file import household
from incamera.serving.problems import add_problem_handlers
from incamera.website import CameraSign, router
from tests.support.clock import MovableClock

SIGN = CameraSign(
    purpose="Surveiller l’entrée <et> le jardin", placement="outdoor", sees_public_space=True, staff_informed=False,
    sound=False, mode="record", keep="P3D",
)  # fmt: skip
CODE = "kq3v9x2m5tq8"


class OneSign:
    """A server with one camera that has a sign."""

    async def find_sign(self, code: str) -> CameraSign | None:
        return SIGN if code == CODE else None


@pytest.fixture
def app() -> FastAPI:
    app = FastAPI(openapi_url=None)
    add_problem_handlers(app)
    app.include_router(router)
    app.state.clock = MovableClock()
    app.state.registry = make_registry(household())
    app.state.signs = OneSign()
    return app


@pytest.fixture
async def client(app: FastAPI) -> AsyncIterator[httpx2.AsyncClient]:
    transport = httpx2.ASGITransport(app)
    async with httpx2.AsyncClient(transport=transport, base_url="https://cam.example.net") as opened:
        yield opened
