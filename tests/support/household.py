"""Accounts and devices behind real HTTP, with real tables and a real vault, on whatever database a test gives.

The one double is the edge at the far end of the uplink (`ScriptedEdges`): it answers what the test wrote down.
"""

import base64
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx2
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from fastapi import FastAPI

from incamera.access import processing as access_processing
from incamera.accounts import AccountId, AccountService, SessionEnded
from incamera.accounts import endpoints as accounts_endpoints
from incamera.accounts import processing as accounts_processing
from incamera.accounts import repository as accounts_repository
from incamera.accounts.model import Account
from incamera.accounts.passwords import PasswordKeeper
from incamera.devices import (
    CoverService,
    DeviceFeed,
    DevicePlans,
    DeviceService,
    DeviceServices,
    EdgeAdmission,
    EdgeDesk,
    EdgeService,
    RemovalService,
    ServerAddress,
    ViewingLogs,
)
from incamera.devices import endpoints as devices_endpoints
from incamera.devices import processing as devices_processing
from incamera.kit.events import EventBus
from incamera.kit.ids import new_id
from incamera.live import processing as live_processing
from incamera.playback import processing as playback_processing
from incamera.privacy import guard_database, open_session
from incamera.privacy.registry import Registry
from incamera.protocol.messages import AnySource, CameraFault, ProbeResult, SnapshotResult
from incamera.serving.problems import add_problem_handlers
from incamera.storage.database import Database
from incamera.storage.jobs import JobQueue
from incamera.storage.vault import Vault
from incamera.streams import EdgeNotConnected, Hub
from tests.support.clock import MovableClock

PASSWORD = "lampshade harvest 71 quiet"
EMAIL = "zoé@example.org"
COOKIE = "__Host-session"

# A grey JPEG of 16x16, with an EXIF segment that must not survive.
_GREY = base64.b64decode(
    "/9j//gAQTGF2YzYyLjI4LjEwMgD/2wBDAAgEBAQEBAUFBQUFBQYGBgYGBgYGBgYGBgYHBwcICAgHBwcGBgcHCAgICAkJCQgICAgJCQoKCgwMCwsODg4R"
    "ERT/xABKAAEAAAAAAAAAAAAAAAAAAAAAAQEAAAAAAAAAAAAAAAAAAAAAEAEAAAAAAAAAAAAAAAAAAAAAEQEAAAAAAAAAAAAAAAAAAAAA/8AAEQgAEAAQ"
    "AwEiAAIRAAMRAP/aAAwDAQACEQMRAD8AAA//2Q=="
)
EXIF = b"Exif\x00\x00GPS 48.8584 N 2.2945 E"
JPEG = _GREY[:2] + b"\xff\xe1" + (len(EXIF) + 2).to_bytes(2, "big") + EXIF + _GREY[2:]


@dataclass
class ScriptedEdges:
    """Edges that are connected, and what they answer."""

    connected: set[UUID] = field(default_factory=set)
    refreshed: list[UUID] = field(default_factory=list)
    disconnected: list[UUID] = field(default_factory=list)
    probed: list[AnySource] = field(default_factory=list)
    fault: CameraFault = CameraFault.NONE
    faults: dict[str, CameraFault] = field(default_factory=dict)  # by address, where it differs
    picture: bytes = JPEG
    certificate: str = ""
    taken_us: int = 0

    def is_connected(self, edge_id: UUID) -> bool:
        return edge_id in self.connected

    def refresh_desired(self, edge_id: UUID) -> None:
        self.refreshed.append(edge_id)

    def disconnect(self, edge_id: UUID, reason: str) -> None:
        self.disconnected.append(edge_id)

    async def probe(self, edge_id: UUID, source: AnySource) -> ProbeResult:
        if edge_id not in self.connected:
            raise EdgeNotConnected
        self.probed.append(source)
        return ProbeResult(
            request_id=edge_id,
            fault=self.faults.get(getattr(source, "url", ""), self.fault),
            video_codec="avc1.64001f",
            audio_codec="PCMA",
            width=1920,
            height=1080,
            picture=self.picture,
            certificate=self.certificate,
        )

    async def snapshot(self, edge_id: UUID, channel_id: UUID) -> SnapshotResult:
        if edge_id not in self.connected:
            raise EdgeNotConnected
        return SnapshotResult(request_id=edge_id, channel_id=channel_id, taken_us=self.taken_us, picture=self.picture)


@dataclass
class Household:
    """A server in hand."""

    api: FastAPI
    database: Database
    vault: Vault
    clock: MovableClock
    events: EventBus
    accounts: AccountService
    jobs: JobQueue
    hub: Hub
    edges: ScriptedEdges
    admission: EdgeAdmission
    desk: EdgeDesk
    plans: DevicePlans
    services: DeviceServices
    ended: list[SessionEnded]

    def client(self, address: str = "192.0.2.7", **headers: str) -> httpx2.AsyncClient:
        """Nobody yet, at this address."""
        transport = httpx2.ASGITransport(self.api, client=(address, 50_000))
        return httpx2.AsyncClient(transport=transport, base_url="https://testserver", headers=headers)

    async def token(self) -> str:
        link = await self.accounts.ensure_setup_link()
        assert link is not None
        return link.partition("#")[2]

    async def set_up(self, client: httpx2.AsyncClient, **changes: Any) -> httpx2.Response:
        """What the first owner does."""
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

    async def another_account(self, client: httpx2.AsyncClient, email: str = "max@example.org") -> AccountId:
        """Somebody else on the same server, signed in with this client."""
        account = Account(AccountId(new_id()), email, "Max", "DE", "en", self.clock.now())
        hasher = PasswordKeeper(time_cost=1, memory_kib=64)
        password_hash = await hasher.hash(PASSWORD)
        hasher.close()
        async with open_session(self.database, "B1a.register", "C.age_check") as db:
            await accounts_repository.add_account(
                db,
                account,
                email_tag=self.vault.pseudonym("account.email", email),
                password_hash=password_hash,
                notice_version="2026.1",
                key=await self.vault.create_account_key(account.id),
            )
        answer = await client.post("/api/v1/sign-in", json={"email": email, "password": PASSWORD})
        assert answer.status_code == 200, answer.text
        return account.id

    async def local_edge(self) -> UUID:
        """The edge beside the server, enrolled and connected."""
        code = await self.services.edges.invite_local()
        identity = await self.admission.enrol(code, a_public_key(), "incamera-edge/0.1.0")
        self.edges.connected.add(identity.edge_id)
        return identity.edge_id


def a_public_key() -> bytes:
    return Ed25519PrivateKey.generate().public_key().public_bytes_raw()


def activities() -> list[Any]:
    """What the features in this household declare."""
    found = [
        *access_processing.ACTIVITIES,
        *accounts_processing.ACTIVITIES,
        *devices_processing.ACTIVITIES,
        *live_processing.ACTIVITIES,
        *playback_processing.ACTIVITIES,
    ]
    return list({activity.id: activity for activity in found}.values())


@asynccontextmanager
async def open_household(
    database: Database, folder: Path, *, guard: Callable[[Database, Registry], None] = guard_database
) -> AsyncIterator[Household]:
    """Everything put together as `app.py` does it, with cheap password hashing."""
    clock, events, ended = MovableClock(), EventBus(), list[SessionEnded]()
    guard(database, Registry(activities()))
    vault = await Vault.open(folder / "keys.db", bytes(32), ledger=folder / "ledger", clock=clock)
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
    desk = EdgeDesk(database=database, vault=vault, clock=clock, events=events)
    jobs, hub, scripted = JobQueue(database, clock), Hub(clock), ScriptedEdges()
    edges = EdgeService(
        database=database,
        vault=vault,
        clock=clock,
        connections=scripted,
        server=lambda: ServerAddress("https://cam.example.org", "ab" * 32),
        spool_of=desk.spool_of,
    )
    devices = DeviceService(
        database=database,
        vault=vault,
        clock=clock,
        events=events,
        edges=edges,
        uplinks=scripted,
        viewers=hub,
    )
    services = DeviceServices(
        devices=devices,
        removal=RemovalService(
            database=database,
            vault=vault,
            clock=clock,
            events=events,
            jobs=jobs,
            devices=devices,
            uplinks=scripted,
        ),
        edges=edges,
        covers=CoverService(
            database=database, vault=vault, clock=clock, events=events, snapshots=scripted, viewers=hub
        ),
        viewings=ViewingLogs(database=database, clock=clock, accounts=accounts),
        feed=DeviceFeed(database=database, clock=clock, events=events, accounts=accounts, devices=devices, viewers=hub),
    )
    api = FastAPI()
    add_problem_handlers(api)
    api.include_router(accounts_endpoints.router)
    api.include_router(devices_endpoints.router)
    api.state.database, api.state.accounts, api.state.devices = database, accounts, services
    api.state.operator_role = "household"
    yield Household(
        api=api,
        database=database,
        vault=vault,
        clock=clock,
        events=events,
        accounts=accounts,
        jobs=jobs,
        hub=hub,
        edges=scripted,
        admission=EdgeAdmission(database, clock),
        desk=desk,
        plans=DevicePlans(database, vault),
        services=services,
        ended=ended,
    )
    services.feed.close()
    passwords.close()
    await vault.close()
