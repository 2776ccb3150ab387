"""A server with live view only: real database, vault, doors of access and sockets; the camera is a StreamDouble."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
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
from incamera.kit.clock import SystemClock
from incamera.kit.events import EventBus
from incamera.kit.ids import new_id
from incamera.live import LiveService
from incamera.live.endpoints import router
from incamera.live.socket import LIVE_PATH
from incamera.privacy import open_session
from incamera.protocol.messages import StreamKind
from incamera.serving.problems import add_problem_handlers
from incamera.storage.database import Database
from incamera.storage.vault import Vault
from incamera.streams import Hub, SocketPolicy, SocketServer, StreamKey
from tests.support.accounts import add_account
from tests.support.sockets import LastingSessions, Serving, StreamDouble, serving


def pytest_asyncio_loop_factories(config: Any, item: Any) -> Mapping[str, Callable[[], Any]]:
    return {"uvloop": uvloop.new_event_loop}


class Page:
    """A page's live socket: JSON sorted by handle, binary kept apart."""

    def __init__(self, line: ClientConnection) -> None:
        self.line = line
        self.chunks: list[bytes] = []

    async def say(self, **message: Any) -> None:
        await self.line.send(json.dumps(message))

    async def hear(self, kind: str) -> dict[str, Any]:
        """The next text message of that type; chunks before it are kept in `chunks`."""
        async with asyncio.timeout(5):
            while True:
                received = await self.line.recv()
                if isinstance(received, bytes):
                    self.chunks.append(received)
                elif (message := json.loads(received))["type"] == kind:
                    return dict(message)

    async def chunk(self) -> bytes:
        async with asyncio.timeout(5):
            while not isinstance(received := await self.line.recv(), bytes):
                pass
        return received

    async def open(self, ticket: str) -> int:
        await self.say(open=ticket)
        return int((await self.hear("opened"))["handle"])


@dataclass
class Household:
    """One owner, one friend without any right, one camera."""

    api: FastAPI
    live: LiveService
    hub: Hub
    database: Database
    vault: Vault
    events: EventBus
    server: Serving
    sockets: SocketServer
    owner: Actor
    friend: Actor
    device_id: UUID
    camera: StreamDouble
    folder: Path
    sessions: LastingSessions

    @property
    def channel_id(self) -> UUID:
        return self.camera.key.channel_id

    def database_files(self) -> list[Path]:
        return [path for path in self.folder.iterdir() if path.name.startswith("incamera.db")]

    async def ask(self, actor: Actor, *streams: str, audience: str = "live") -> httpx2.Response:
        transport = httpx2.ASGITransport(self.api)
        async with httpx2.AsyncClient(transport=transport, base_url="http://localhost") as client:
            return await client.post(
                f"/api/v1/channels/{self.channel_id}/tickets",
                json={"for": audience, "streams": list(streams or ("main",))},
                headers={"X-Actor": "owner" if actor is self.owner else "friend"},
            )

    async def ticket(self, actor: Actor, stream: str = "main") -> str:
        response = await self.ask(actor, stream)
        assert response.status_code == 201, response.text
        return str(response.json()["tickets"][0]["ticket"])

    async def page(self, *, receive_buffer_bytes: int | None = None) -> Page:
        line = socket.socket()
        if receive_buffer_bytes is not None:  # before connecting, or the kernel lets it grow to megabytes
            line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer_bytes)
        line.connect(("127.0.0.1", self.server.port))
        url, origin = self.server.url(LIVE_PATH), self.server.origin
        return Page(await connect(url, origin=origin, max_size=None, sock=line))

    async def grant(self, *permissions: Permission) -> Grant:
        clock = SystemClock()
        grant = Grant(
            id=new_id(),
            device_id=self.device_id,
            epoch=1,
            grantee_id=self.friend.account_id,
            permissions=frozenset(permissions),
            channels=None,
            hours=None,
            starts_at=clock.now(),
            ends_at=None,
            look_back=None,
        )
        async with open_session(self.database, "B3.device_add") as db:
            await give_grant(db, grant, clock)
        return grant


async def _add_account(database: Database, vault: Vault) -> Actor:
    actor = await add_account(database, SystemClock().now())
    await vault.create_account_key(actor.account_id)
    return actor


@pytest.fixture
async def household(tmp_path: Path) -> AsyncIterator[Household]:
    clock, events = SystemClock(), EventBus()
    database = Database(f"sqlite+aiosqlite:///{tmp_path}/incamera.db")
    await database.create_all()
    vault = await Vault.open(tmp_path / "keys.db", bytes(32), ledger=tmp_path / "ledger", clock=clock)
    hub = Hub(clock)
    sessions = LastingSessions()
    live = LiveService(database=database, vault=vault, hub=hub, events=events, clock=clock, sessions=sessions)
    sockets = SocketServer(SocketPolicy())
    sockets.add_route(LIVE_PATH, live.make_socket)
    owner, friend = await _add_account(database, vault), await _add_account(database, vault)
    camera, device_id = StreamDouble(hub, StreamKey(new_id(), StreamKind.MAIN), gop=10), new_id()
    async with open_session(database, "B3.device_add") as db:
        await guard_device(
            db,
            device_id,
            [camera.key.channel_id],
            time_zone="Europe/Paris",
            owner_id=owner.account_id,
            clock=clock,
        )
    api = FastAPI()
    add_problem_handlers(api)
    api.include_router(router)
    api.state.database, api.state.live = database, live

    async def actor(x_actor: str = Header()) -> Actor:
        return owner if x_actor == "owner" else friend

    api.dependency_overrides[_current_actor] = actor
    background = asyncio.create_task(live.run())
    async with serving(sockets) as server:
        yield Household(
            api,
            live,
            hub,
            database,
            vault,
            events,
            server,
            sockets,
            owner,
            friend,
            device_id,
            camera,
            tmp_path,
            sessions,
        )
    background.cancel()
    await live.close()
    await vault.close()
    await database.close()
