"""A household that looks back: real recorder, vault, doors of access and sockets."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx2
import pytest
import uvloop
from fastapi import FastAPI, Header
from websockets.asyncio.client import ClientConnection, connect

from incamera.access import Grant, Permission, give_grant, guard_device
from incamera.accounts import Actor
from incamera.accounts.dependencies import _current_actor
from incamera.devices.model import RecordingPlan
from incamera.kit.ids import new_id
from incamera.live import LiveService
from incamera.live.endpoints import router as live_router
from incamera.playback import PLAYBACK_PATH, PlaybackService
from incamera.playback.endpoints import router as playback_router
from incamera.privacy import open_session
from incamera.protocol.frames import VIEWER_HEADER_BYTES, parse_viewer_header
from incamera.recording import span
from incamera.serving.problems import add_problem_handlers
from incamera.streams import Hub, SocketPolicy, SocketServer
from tests.support.accounts import add_account
from tests.support.recordings import Studio, a_studio
from tests.support.sockets import LastingSessions, Serving, serving


def pytest_asyncio_loop_factories(config: Any, item: Any) -> Mapping[str, Callable[[], Any]]:
    return {"uvloop": uvloop.new_event_loop}


@pytest.fixture(autouse=True)
def quick_flushes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(span, "FLUSH_S", 0.02)


@dataclass
class Shown:
    """What came for one request: text messages and pictures in order."""

    messages: list[dict[str, Any]] = field(default_factory=list)
    pictures: list[tuple[int, bool, int, bytes]] = field(default_factory=list)  # handle, sync, wall time, chunk

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [message for message in self.messages if message["type"] == kind]


class Page:
    """A page's playback socket."""

    def __init__(self, line: ClientConnection) -> None:
        self.line = line

    async def say(self, **message: Any) -> None:
        await self.line.send(json.dumps(message))

    async def open(self, ticket: str) -> dict[str, Any]:
        await self.say(open=ticket)
        shown = await self.until("opened", "error")
        return shown.messages[-1]

    async def until(self, *kinds: str, pictures: int | None = None, timeout_s: float = 10) -> Shown:
        """Everything up to a message of one of these types, or so many pictures."""
        shown = Shown()
        async with asyncio.timeout(timeout_s):
            while pictures is None or len(shown.pictures) < pictures:
                received = await self.line.recv()
                if isinstance(received, bytes):
                    handle, is_sync, _, wall_us = parse_viewer_header(received)
                    shown.pictures.append((handle, is_sync, wall_us, received[VIEWER_HEADER_BYTES:]))
                    continue
                shown.messages.append(json.loads(received))
                if shown.messages[-1]["type"] in kinds:
                    break
        return shown

    async def silence(self, seconds: float = 0.4) -> Shown:
        """What still comes before nothing comes for a while."""
        shown = Shown()
        while True:
            try:
                async with asyncio.timeout(seconds):
                    received = await self.line.recv()
            except TimeoutError:
                return shown
            if isinstance(received, bytes):
                handle, is_sync, _, wall_us = parse_viewer_header(received)
                shown.pictures.append((handle, is_sync, wall_us, received[VIEWER_HEADER_BYTES:]))
            else:
                shown.messages.append(json.loads(received))


@dataclass
class Household:
    """One owner, one friend without any right, one recorded camera with sound."""

    api: FastAPI
    studio: Studio
    playback: PlaybackService
    live: LiveService
    server: Serving
    owner: Actor
    friend: Actor
    device_id: UUID
    channel_id: UUID
    pages: list[Page] = field(default_factory=list)

    async def http(self, method: str, path: str, actor: Actor | None = None, **options: Any) -> httpx2.Response:
        transport = httpx2.ASGITransport(self.api)
        async with httpx2.AsyncClient(transport=transport, base_url="http://localhost") as client:
            who = "friend" if actor is self.friend else "owner"
            return await client.request(method, path, headers={"X-Actor": who}, **options)

    async def timeline(self, actor: Actor | None = None, **query: Any) -> dict[str, Any]:
        response = await self.http("GET", f"/api/v1/channels/{self.channel_id}/timeline", actor, params=query)
        assert response.status_code == 200, response.text
        return dict(response.json())

    async def ticket(self, *streams: str, actor: Actor | None = None) -> str:
        body = {"for": "playback", "streams": list(streams or ("main",))}
        response = await self.http("POST", f"/api/v1/channels/{self.channel_id}/tickets", actor, json=body)
        assert response.status_code == 201, response.text
        return str(response.json()["tickets"][0]["ticket"])

    async def page(self) -> Page:
        page = Page(
            await connect(self.server.url(PLAYBACK_PATH), origin=self.server.origin, max_size=None, close_timeout=0.3)
        )
        self.pages.append(page)
        return page

    async def open(self, *streams: str, actor: Actor | None = None) -> tuple[Page, dict[str, Any]]:
        page = await self.page()
        return page, await page.open(await self.ticket(*streams, actor=actor))

    async def grant(self, *permissions: Permission, look_back: timedelta | None = None) -> Grant:
        clock = self.studio.clock
        grant = Grant(
            id=new_id(),
            device_id=self.device_id,
            epoch=1,
            grantee_id=self.friend.account_id,
            permissions=frozenset(permissions),
            channels=None,
            hours=None,
            starts_at=clock.now() - timedelta(hours=2),
            ends_at=None,
            look_back=look_back,
        )
        async with open_session(self.studio.database, "B3.device_add") as db:
            await give_grant(db, grant, clock)
        return grant


@pytest.fixture
async def household(tmp_path: Path) -> AsyncIterator[Household]:
    async with a_studio(tmp_path) as studio:
        live = LiveService(
            database=studio.database,
            vault=studio.vault,
            hub=Hub(studio.clock),
            events=studio.events,
            clock=studio.clock,
            sessions=LastingSessions(),
        )
        playback = PlaybackService(database=studio.database, recorder=studio.recorder, live=live, clock=studio.clock)
        sockets = SocketServer(SocketPolicy())
        sockets.add_route(PLAYBACK_PATH, playback.make_socket)
        owner, friend = [await add_account(studio.database, studio.clock.now()) for _ in range(2)]
        channel_id = await studio.channel(sound=True)
        plan: RecordingPlan = studio.channels.rules[channel_id]
        async with open_session(studio.database, "B3.device_add") as db:
            await guard_device(
                db, plan.device_id, [channel_id], time_zone="UTC", owner_id=owner.account_id, clock=studio.clock
            )
        api = FastAPI()
        add_problem_handlers(api)
        api.include_router(live_router)
        api.include_router(playback_router)
        api.state.database, api.state.live, api.state.playback = studio.database, live, playback

        async def actor(x_actor: str = Header()) -> Actor:
            return owner if x_actor == "owner" else friend

        api.dependency_overrides[_current_actor] = actor
        background = [asyncio.create_task(live.run()), asyncio.create_task(playback.run())]
        async with serving(sockets) as server:
            opened = Household(api, studio, playback, live, server, owner, friend, plan.device_id, channel_id)
            yield opened
            for page in opened.pages:
                await page.line.close()
        for task in background:
            task.cancel()
        await asyncio.gather(*background, return_exceptions=True)
        await playback.close()
        await live.close()
