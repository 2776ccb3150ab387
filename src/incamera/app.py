"""The server's composition root: settings → adapters → features → one ASGI application. The one list of features.

Read `Incamera.open` from top to bottom: it is the order in which a server comes to life, and its exit stack is the
order in which it stops. Nothing below this file knows how anything else is made.
"""

import asyncio
import importlib
import json
import os
import pkgutil
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import structlog
import uvloop
from fastapi import APIRouter, FastAPI
from starlette.types import ASGIApp

import incamera
from incamera import __version__
from incamera.access import processing as access_processing
from incamera.accounts import AccountService
from incamera.accounts import endpoints as accounts_endpoints
from incamera.accounts import processing as accounts_processing
from incamera.accounts.dependencies import SESSION_COOKIE
from incamera.accounts.passwords import PasswordKeeper
from incamera.config import LOOPBACK_NAMES, PREFIX, Settings, Transport
from incamera.kit.clock import SystemClock
from incamera.kit.events import EventBus
from incamera.live import LiveService
from incamera.live import endpoints as live_endpoints
from incamera.live import processing as live_processing
from incamera.live.socket import LIVE_PATH
from incamera.maintenance import ledger_path, make_backup
from incamera.privacy import Activity, declare_log_events, guard_database
from incamera.privacy.lint import check_everything
from incamera.privacy.marks import collected
from incamera.privacy.operator_file import Operator, load_operator
from incamera.privacy.registry import Registry
from incamera.serving import logs
from incamera.serving import processing as serving_processing
from incamera.serving.background import background
from incamera.serving.guards import BodyLimit, HostGuard, OriginGuard, ProxyAddress, SecurityHeaders
from incamera.serving.health import health_router
from incamera.serving.idempotency import Idempotency, RepeatGuard
from incamera.serving.listener import Listener, StopSignal, bind
from incamera.serving.openapi import describe
from incamera.serving.problems import add_problem_handlers
from incamera.serving.requests_seen import RequestLog
from incamera.serving.static import WebApp
from incamera.serving.tls import Certificate, load_certificate, machine_names, own_certificate
from incamera.serving.trust_page import render_fingerprint, trust_router
from incamera.storage import migrations, root_key
from incamera.storage.data_directory import DataDirectory, lock, open_data_directory
from incamera.storage.database import Database
from incamera.storage.jobs import JobQueue  # noqa: F401
from incamera.storage.vault import Vault
from incamera.streams import Hub, SocketPolicy, SocketServer

log = structlog.get_logger(__name__)
declare_log_events(None, {"server.ready": ("port", "transport"), "server.stopped": ()})

Say = Callable[[str], None]
WEB_FOLDER: Final = Path(__file__).parent / "_web"
API_TITLE: Final = "Incamera"
API_SUMMARY: Final = "Cameras that stay behind closed doors."


@dataclass(frozen=True, slots=True)
class Feature:
    """What a feature hands to the composition root."""

    name: str
    activities: tuple[Activity, ...]
    router: APIRouter | None = None


# What is served outside ASGI: path and purpose, for the description of the API.
SOCKETS: Final = {
    "/media/live": "Live pictures and sound; JSON text and binary frames. Opens with tickets.",
    "/media/playback": "Recorded pictures and sound; JSON text and binary frames. Opens with tickets.",
    "/uplink/v1": "Edges bring media and take orders; Ed25519 key of the edge. Not for browsers.",
}

# Highest first. What is not in here is neither reachable nor declared.
FEATURES: Final = (
    Feature("live", live_processing.ACTIVITIES, live_endpoints.router),
    Feature("serving", serving_processing.ACTIVITIES),
    Feature("access", access_processing.ACTIVITIES),
    Feature("accounts", accounts_processing.ACTIVITIES, accounts_endpoints.router),
)


def create_api() -> FastAPI:
    """The control API with all its routes, connected to nothing: for serving and for its own description."""
    api = FastAPI(
        title=API_TITLE,
        summary=API_SUMMARY,
        version=__version__,
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    add_problem_handlers(api)
    for feature in FEATURES:
        if feature.router is not None:
            api.include_router(feature.router)
    return api


def make_registry(operator: Operator) -> Registry:
    """The registry over everything this program declares."""
    import_tables()
    return Registry([activity for feature in FEATURES for activity in feature.activities], operator)


def import_tables() -> None:
    """Loads every table of every feature, for migrations and for the lint."""
    for module in pkgutil.walk_packages(incamera.__path__, "incamera."):
        if module.name.endswith(".tables"):
            importlib.import_module(module.name)


@dataclass(frozen=True, slots=True)
class Foundation:
    """What is opened before any feature: the directory, the key, the sockets."""

    directory: DataDirectory
    root_key: bytes
    root_key_file: Path | None
    ledger: Path


class Incamera:
    """A running server. `open` in a task, `stop` through its exit stack."""

    def __init__(self, settings: Settings, say: Say) -> None:
        self.settings = settings
        self.clock = SystemClock()
        self.events = EventBus()
        self._say = say
        self._not_ready: str | None = "starting"

    async def run(self, stop: StopSignal) -> None:
        """Serves until told to stop."""
        async with AsyncExitStack() as stack:
            await self._open(stack)
            self._not_ready = None
            await stop.wait()
            self._not_ready = "stopping"
        log.info("server.stopped")

    async def _open(self, stack: AsyncExitStack) -> None:
        settings = self.settings
        sockets = bind(settings.host, settings.port)  # first: a taken port leaves nothing behind
        for sock in sockets:
            stack.callback(sock.close)
        foundation = open_foundation(settings, stack)
        certificate = obtain_certificate(settings, foundation.directory, self.clock)
        registry = make_registry(load_operator(privacy_file(settings)))
        database, vault = await self._open_storage(foundation, registry, stack)

        api = create_api()
        media = SocketServer(SocketPolicy(trusted_proxies=settings.behind_proxy))
        hub = Hub(self.clock)
        passwords = PasswordKeeper()
        stack.callback(passwords.close)
        accounts = AccountService(
            database=database,
            vault=vault,
            events=self.events,
            clock=self.clock,
            passwords=passwords,
            notice_version=lambda: __version__,
        )
        live = LiveService(database=database, vault=vault, hub=hub, events=self.events, clock=self.clock)
        stack.push_async_callback(live.close)
        media.add_route(LIVE_PATH, live.make_socket)
        api.state.database = database
        api.state.registry = registry
        api.state.operator_role = registry.operator.deployment.role
        api.state.accounts = accounts
        api.state.live = live

        token = settings.metrics_token.get_secret_value() if settings.metrics_token else None
        api.include_router(health_router(lambda: self._not_ready, token))
        if certificate is not None and certificate.ca is not None:
            api.include_router(trust_router(certificate.ca))
        add_description(api, SOCKETS)
        work = {"live": live.run}
        await stack.enter_async_context(background(self.clock, work))
        listener = Listener(
            guarded(api, settings, RepeatGuard(database, vault, accounts, self.clock, SESSION_COOKIE.name)),
            sockets,
            websockets=media.protocol_class(),
            tls=certificate.context() if certificate else None,
        )
        stack.push_async_callback(listener.stop)
        await listener.start()
        address = public_url(settings, listener.port)
        if (link := await accounts.ensure_setup_link(address)) is not None:
            self._say(f"set up this server, once, at {link}")
        self._announce(listener.port, certificate)

    async def _open_storage(
        self, foundation: Foundation, registry: Registry, stack: AsyncExitStack
    ) -> tuple[Database, Vault]:
        database = Database(self.settings.database_url)
        stack.push_async_callback(database.close)
        await migrations.upgrade(
            database,
            before=lambda _revision: make_backup(
                foundation.directory, self.settings.database_url, foundation.root_key, None, self.clock
            ),
        )
        guard_database(database, registry)
        vault = await Vault.open(
            foundation.directory.keys_path, foundation.root_key, ledger=foundation.ledger, clock=self.clock
        )
        stack.push_async_callback(vault.close)
        return database, vault

    def _announce(self, port: int, certificate: Certificate | None) -> None:
        settings = self.settings
        if certificate is not None and certificate.ca is not None:
            self._say(f"fingerprint of the own CA {render_fingerprint(certificate.ca.read_bytes())}")
        self._say(f"ready {public_url(settings, port)}")
        log.info("server.ready", port=port, transport=settings.transport.value)


def open_foundation(settings: Settings, stack: AsyncExitStack) -> Foundation:
    """Opens and locks the data directory and finds its root key."""
    known_id = root_key.remembered_id(settings.data, settings.root_key_file)
    directory = open_data_directory(settings.data, known_id=known_id)
    stack.enter_context(lock(directory))
    given = settings.root_key.get_secret_value() if settings.root_key else None
    key, key_file = root_key.obtain(directory, given=given, key_file=settings.root_key_file)
    os.environ.pop(f"{PREFIX}ROOT_KEY", None)  # no child process and no crash report inherits it
    return Foundation(directory, key, key_file, ledger_path(settings.ledger_file, directory, key_file))


def privacy_file(settings: Settings) -> Path | None:
    """The operator's file: the one named, else the one in the data directory if it is there."""
    usual = settings.data / "privacy.toml"
    return settings.privacy_file or (usual if usual.exists() else None)


def obtain_certificate(settings: Settings, directory: DataDirectory, clock: SystemClock) -> Certificate | None:
    """The certificate to serve with; None where the listener speaks plain HTTP."""
    if settings.tls_cert is not None and settings.tls_key is not None:
        return load_certificate(settings.tls_cert, settings.tls_key)
    if settings.transport is Transport.OWN_CA:
        name = urlsplit(settings.public_url).hostname if settings.public_url else None
        return own_certificate(directory.folder("tls"), machine_names(settings.host, name), clock.now())
    return None


def public_url(settings: Settings, port: int) -> str:
    """The address to open in a browser."""
    if settings.public_url is not None:
        return settings.public_url
    scheme = "https" if settings.transport in (Transport.TLS_FILES, Transport.OWN_CA) else "http"
    host = "localhost" if settings.is_loopback or settings.host in ("0.0.0.0", "::") else settings.host  # noqa: S104
    return f"{scheme}://{f'[{host}]' if ':' in host else host}:{port}"


def guarded(api: FastAPI, settings: Settings, repeats: RepeatGuard) -> ASGIApp:
    """The API behind its guards; `serving.guards` draws their order."""
    api.mount("/", WebApp(WEB_FOLDER))
    is_plain = settings.transport is Transport.PLAIN_LOOPBACK
    name = urlsplit(settings.public_url).hostname if settings.public_url else None
    names = LOOPBACK_NAMES | ({settings.host} - {"localhost"}) | ({name} if name else set())
    app: ASGIApp = Idempotency(api, repeats)
    app = BodyLimit(app)
    app = OriginGuard(app, settings.public_url)
    app = HostGuard(app, frozenset(names) if is_plain else None)
    app = SecurityHeaders(app, hsts=not is_plain)
    app = RequestLog(app)
    return ProxyAddress(app, settings.behind_proxy)


def add_description(api: FastAPI, sockets: dict[str, str]) -> None:
    """`/openapi.json`, made once when first asked for."""
    described: dict[str, Any] = {}

    def openapi() -> dict[str, Any]:
        if not described:
            described.update(describe(api, sockets))
        return described

    api.openapi = openapi  # type: ignore[method-assign]  # FastAPI's documented way to change the description
    api.openapi_url = "/openapi.json"
    api.setup()


def serve(settings: Settings, say: Say) -> int:
    """`incamera serve`: runs until SIGTERM or SIGINT."""
    events = {name: event.keys for name, event in collected().log_events.items()}
    logs.configure(settings.log_level, events)
    os.umask(0o077)  # whatever a library creates, nobody else reads it

    async def run() -> None:
        stop = StopSignal()
        stop.install()
        await Incamera(settings, say).run(stop)

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(run())
    return 0


def render_openapi() -> str:
    """`incamera openapi`: the description of every route, without opening anything."""
    api = create_api()
    api.include_router(health_router(lambda: None, None))
    return json.dumps(describe(api, SOCKETS), indent=1, ensure_ascii=False)


def check_declarations(settings: Settings) -> list[str]:
    """What the registry's rules and the bijection lint find, one sentence each."""
    registry = make_registry(load_operator(privacy_file(settings)))
    return [str(problem) for problem in check_everything(registry, create_api())]
