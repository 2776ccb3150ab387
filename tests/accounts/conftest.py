"""A server with accounts only: real tables, real vault, real HTTP; password hashing made cheap."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI

from incamera.accounts import AccountService, SessionEnded
from incamera.accounts.endpoints import router
from incamera.accounts.passwords import PasswordKeeper
from incamera.kit.events import EventBus
from incamera.serving.problems import add_problem_handlers
from incamera.storage.database import Database
from incamera.storage.vault import Vault
from tests.support.clock import MovableClock

PASSWORD = "lampshade harvest 71 quiet"
EMAIL = "zoé@example.org"


@dataclass
class Server:
    """What the tests hold in hand."""

    api: FastAPI
    accounts: AccountService
    database: Database
    clock: MovableClock
    ended: list[SessionEnded]

    def client(self, address: str = "192.0.2.7", **headers: str) -> httpx2.AsyncClient:
        transport = httpx2.ASGITransport(self.api, client=(address, 50_000))
        return httpx2.AsyncClient(transport=transport, base_url="https://testserver", headers=headers)

    async def token(self) -> str:
        link = await self.accounts.ensure_setup_link()
        assert link is not None
        return link.partition("#")[2]

    async def set_up(self, client: httpx2.AsyncClient, **changes: Any) -> httpx2.Response:
        body = {
            "token": changes.get("token") or await self.token(),
            "email": EMAIL,
            "password": PASSWORD,
            "nickname": "Zoé",
            "country": "FR",
            "language": "fr",
            "age_ok": True,
        }
        return await client.post("/api/v1/setup", json=body | changes)


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[Server]:
    clock, events, ended = MovableClock(), EventBus(), []
    database = Database(f"sqlite+aiosqlite:///{tmp_path}/incamera.db")
    await database.create_all()
    vault = await Vault.open(tmp_path / "keys.db", bytes(32), ledger=tmp_path / "ledger", clock=clock)
    passwords = PasswordKeeper(time_cost=1, memory_kib=64)
    accounts = AccountService(
        database=database,
        vault=vault,
        events=events,
        clock=clock,
        passwords=passwords,
        notice_version=lambda: "2026.1",
    )
    events.subscribe(SessionEnded, ended.append)
    api = FastAPI()
    add_problem_handlers(api)
    api.include_router(router)
    api.state.database, api.state.accounts, api.state.operator_role = database, accounts, "household"
    yield Server(api, accounts, database, clock, ended)
    passwords.close()
    await vault.close()
    await database.close()
