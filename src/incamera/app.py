"""The server's composition root: settings → adapters → features → one ASGI application. The one list of features.

Read `Incamera._open` from top to bottom: it is the order in which a server comes to life, and its exit stack,
backwards, the order in which it stops: the local edge, the listeners, the work in the background, recordings, keys,
rows. Nothing below this file knows how anything else is made.
"""

import asyncio
import importlib
import json
import os
import pkgutil
import socket
from collections.abc import Callable, Sequence
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
from incamera.accounts import jobs as accounts_jobs
from incamera.accounts import processing as accounts_processing
from incamera.accounts.dependencies import SESSION_COOKIE
from incamera.accounts.erasure import AccountErasure
from incamera.accounts.passwords import PasswordKeeper
from incamera.config import LOOPBACK_NAMES, PREFIX, Settings, Transport
from incamera.devices import (
    CoverService,
    DeviceFeed,
    DevicePlans,
    DeviceRemoved,
    DeviceService,
    DeviceServices,
    EdgeAdmission,
    EdgeDesk,
    EdgeService,
    RemovalService,
    ServerAddress,
    ViewingLogs,
    ViewingSource,
)
from incamera.devices import endpoints as devices_endpoints
from incamera.devices import processing as devices_processing
from incamera.devices.model import render_keep
from incamera.kit.clock import Clock, LateClock, newest_file_at
from incamera.kit.events import EventBus
from incamera.kit.memory import give_back_memory, keep_memory_private, settle_memory
from incamera.live import LIVE_PATH, LiveService
from incamera.live import endpoints as live_endpoints
from incamera.live import processing as live_processing
from incamera.maintenance import ledger_path, make_backup, privacy_file, remove_leftovers
from incamera.playback import PLAYBACK_PATH, PlaybackService
from incamera.playback import endpoints as playback_endpoints
from incamera.playback import processing as playback_processing
from incamera.privacy import (
    Activity,
    CookieGuard,
    Registry,
    RetentionEngine,
    RetentionTarget,
    collected,
    declare_log_events,
    guard_database,
)
from incamera.privacy import commands as privacy_commands
from incamera.privacy.lint import check_everything, list_routes
from incamera.privacy.operator_file import Operator, load_operator
from incamera.privacy.rules import findings
from incamera.privacy.time_agreement import time_agreement
from incamera.privacy.versions import current_version
from incamera.protocol.messages import StreamMode
from incamera.recording import Recorder
from incamera.recording import processing as recording_processing
from incamera.serving import logs
from incamera.serving import processing as serving_processing
from incamera.serving.background import background
from incamera.serving.edge_bindings import EdgeBindings
from incamera.serving.figures import Figures, free_bytes, published
from incamera.serving.guards import BodyLimit, HostGuard, OriginGuard, ProxyAddress, SecurityHeaders
from incamera.serving.health import health_router
from incamera.serving.idempotency import Idempotency, RepeatGuard
from incamera.serving.listener import Listener, PortTaken, StopSignal, bind
from incamera.serving.local_edge import EdgeInputs, LocalEdge, recall_port
from incamera.serving.openapi import describe
from incamera.serving.problems import add_problem_handlers
from incamera.serving.requests_seen import RequestLog
from incamera.serving.static import WebApp
from incamera.serving.tls import Certificate, Renewal, load_certificate, machine_names, own_certificate
from incamera.serving.trust_page import render_fingerprint, trust_router
from incamera.storage import migrations, root_key
from incamera.storage.data_directory import DataDirectory, lock, open_data_directory
from incamera.storage.database import Database
from incamera.storage.jobs import JobQueue
from incamera.storage.vault import Vault
from incamera.storage.volume import VolumeState
from incamera.streams import UPLINK_PATH, Hub, SocketPolicy, SocketServer, UplinkContext, UplinkDirectory
from incamera.website import CameraSign
from incamera.website import endpoints as website_endpoints
from incamera.website import processing as website_processing

log = structlog.get_logger(__name__)
declare_log_events(
    None, {"server.clock_not_set": ("goes_on_from",), "server.ready": ("port", "transport"), "server.stopped": ()}
)

Say = Callable[[str], None]
WEB_FOLDER: Final = Path(__file__).parent / "_web"
HUB_CARE_S: Final = 10.0
MEMORY_CARE_S: Final = 60.0

# What is served outside ASGI: path and purpose, for the description of the API.
SOCKETS: Final = {
    "/media/live": "Live pictures and sound; JSON text and binary frames. Opens with tickets.",
    "/media/playback": "Recorded pictures and sound; JSON text and binary frames. Opens with tickets.",
    "/uplink/v1": "Edges bring media and take orders; Ed25519 key of the edge. Not for browsers.",
}


@dataclass(frozen=True, slots=True)
class Feature:
    """What a feature hands to the composition root."""

    name: str
    activities: tuple[Activity, ...]
    router: APIRouter | None = None


# Highest first. What is not in here is neither reachable nor declared.
FEATURES: Final = (
    Feature("website", website_processing.ACTIVITIES, website_endpoints.router),
    Feature("playback", playback_processing.ACTIVITIES, playback_endpoints.router),
    Feature("recording", recording_processing.ACTIVITIES),
    Feature("live", live_processing.ACTIVITIES, live_endpoints.router),
    Feature("devices", devices_processing.ACTIVITIES, devices_endpoints.router),
    Feature("access", access_processing.ACTIVITIES),
    Feature("accounts", accounts_processing.ACTIVITIES, accounts_endpoints.router),
    Feature("serving", serving_processing.ACTIVITIES),
)


def create_api() -> FastAPI:
    """The control API with all its routes, connected to nothing: for serving and for its own description."""
    api = FastAPI(
        title="Incamera",
        summary="Cameras that stay behind closed doors.",
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


def make_registry(operator: Operator, api: FastAPI | None = None) -> Registry:
    """The registry over everything this program declares."""
    import_tables()
    return Registry(declared_activities(), operator, routes=list_routes(api or create_api()))


def declared_activities() -> list[Activity]:
    """What all features declare."""
    return [activity for feature in FEATURES for activity in feature.activities]


class DeviceSigns:
    """What `website` shows of a camera, from what `devices` knows of it."""

    def __init__(self, plans: DevicePlans) -> None:
        self._plans = plans

    async def find_sign(self, code: str) -> CameraSign | None:
        """See `website.CameraSigns`."""
        device = await self._plans.find_signed(code)
        if device is None or device.card is None:
            return None
        modes = {channel.mode for channel in device.channels}
        mode = next(mode for mode in (StreamMode.RECORD, StreamMode.LIVE, StreamMode.OFF) if mode in modes)
        recorded = [channel.keep for channel in device.channels if channel.mode is StreamMode.RECORD]
        return CameraSign(
            purpose=device.card.purpose,
            placement=device.card.placement.value,
            sees_public_space=device.card.sees_public_space,
            staff_informed=bool(device.card.staff_informed),
            sound=any(channel.sound for channel in device.channels),
            mode=mode.value,
            keep=render_keep(max(recorded)) if recorded else None,
        )


def import_tables() -> None:
    """Loads every table of every feature, for migrations and for the lint."""
    for module in pkgutil.walk_packages(incamera.__path__, "incamera."):
        if module.name.endswith(".tables"):
            importlib.import_module(module.name)


# --- a server's life ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Foundation:
    """What is opened before any feature."""

    directory: DataDirectory
    root_key: bytes
    root_key_file: Path | None
    ledger: Path


@dataclass(frozen=True, slots=True)
class Core:
    """What every feature is built on."""

    registry: Registry
    database: Database
    vault: Vault
    clock: Clock
    events: EventBus
    jobs: JobQueue
    hub: Hub


@dataclass(frozen=True, slots=True)
class Features:
    """The services of this server, wired."""

    accounts: AccountService
    live: LiveService
    recorder: Recorder
    playback: PlaybackService
    uplinks: UplinkDirectory
    devices: DeviceServices
    signs: DeviceSigns
    retention: RetentionEngine


class Incamera:
    """A server from its start to its end."""

    def __init__(self, settings: Settings, say: Say) -> None:
        self.settings = settings
        self.clock = LateClock(newest_file_at(settings.data))
        self._say = say
        self._not_ready: str | None = "starting"

    async def run(self, stop: StopSignal) -> None:
        """Serves until told to stop."""
        async with AsyncExitStack() as stack:
            await self._open(stack)
            settle_memory()
            self._not_ready = None
            await stop.wait()
            self._not_ready = "stopping"
        log.info("server.stopped")

    async def _open(self, stack: AsyncExitStack) -> None:
        settings = self.settings
        if self.clock.is_guessing:
            log.warning("server.clock_not_set", goes_on_from=self.clock.now().isoformat(timespec="seconds"))
        sockets = bind(settings.host, settings.port)  # first: a taken port leaves nothing behind
        for sock in sockets:
            stack.callback(sock.close)
        port = int(sockets[0].getsockname()[1])
        foundation = open_foundation(settings, stack)
        certificate = obtain_certificate(settings, foundation.directory, self.clock)
        bindings = EdgeBindings(certificate, settings.tls_cert, is_behind_proxy=bool(settings.behind_proxy))
        core = await self._open_core(foundation, stack)
        url = public_url(settings, port)
        features = await assemble(
            core, foundation.directory, bindings, lambda: ServerAddress(url, bindings.fingerprint), stack
        )

        media = SocketServer(SocketPolicy(trusted_proxies=settings.behind_proxy, public_url=settings.public_url))
        media.add_route(LIVE_PATH, features.live.make_socket)
        media.add_route(PLAYBACK_PATH, features.playback.make_socket)
        media.add_route(UPLINK_PATH, features.uplinks.make_socket, is_for_browsers=False)
        api = self._connect_api(core, features, certificate)
        await stack.enter_async_context(features.retention.running())
        work, tls = work_of(core, features), certificate.context() if certificate else None
        if certificate is not None and tls is not None:
            work["certificate"] = Renewal(certificate, tls, self.clock, bindings.renewed).run
        await stack.enter_async_context(background(self.clock, work))
        repeats = RepeatGuard(core.database, core.vault, features.accounts, self.clock, SESSION_COOKIE.name)
        listener = Listener(
            guarded(api, settings, repeats),
            sockets,
            websockets=media.protocol_class(),
            tls=tls,
        )
        stack.push_async_callback(listener.stop)
        stack.enter_context(published(figures_of(features, media, foundation.directory)))
        features.recorder.volume.on_change(features.devices.feed.tell_of_volume)
        stack.callback(features.devices.feed.close)  # event streams would hold the listener's stop
        await listener.start()
        if settings.edge:
            await self._start_local_edge(foundation.directory, features, listener.port, stack)
        await self._announce(features.accounts, port, certificate)

    async def _open_core(self, foundation: Foundation, stack: AsyncExitStack) -> Core:
        url = self.settings.database_url
        import_tables()
        # `load` judges: a server whose declarations do not hold does not start.
        registry = Registry.load(
            declared_activities(), load_operator(privacy_file(self.settings)), routes=list_routes(create_api())
        )
        database = Database(url)
        stack.push_async_callback(database.close)
        await migrations.upgrade(
            database,
            before=lambda _revision: make_backup(foundation.directory, url, foundation.root_key, None, self.clock),
        )
        guard_database(database, registry)
        vault = await Vault.open(
            foundation.directory.keys_path, foundation.root_key, ledger=foundation.ledger, clock=self.clock
        )
        stack.push_async_callback(vault.close)
        jobs, hub = JobQueue(database, self.clock), Hub(self.clock)
        return Core(registry, database, vault, self.clock, EventBus(), jobs, hub)

    def _connect_api(self, core: Core, features: Features, certificate: Certificate | None) -> FastAPI:
        api = create_api()
        token = self.settings.metrics_token.get_secret_value() if self.settings.metrics_token else None
        api.include_router(health_router(lambda: self._not_ready, token, lambda: features.recorder.volume.state))
        if certificate is not None and certificate.ca is not None:
            api.include_router(trust_router(certificate.ca))
        add_description(api)
        api.state.database, api.state.registry = core.database, core.registry
        api.state.operator_role = core.registry.operator.deployment.role
        api.state.clock = core.clock
        api.state.accounts, api.state.live, api.state.devices = features.accounts, features.live, features.devices
        api.state.playback = features.playback
        api.state.retention, api.state.signs = features.retention, features.signs
        return api

    async def _start_local_edge(
        self, directory: DataDirectory, features: Features, port: int, stack: AsyncExitStack
    ) -> None:
        folder = directory.folder("edge")
        if self.settings.transport is not Transport.PLAIN_LOOPBACK:
            # TLS on loopback would cost more than all the rest of the media path: a listener for the uplink alone.
            door = SocketServer(SocketPolicy())
            door.add_route(UPLINK_PATH, features.uplinks.make_socket, is_for_browsers=False)
            inner = Listener(nothing_here, bind_inner(folder), websockets=door.protocol_class(), tls=None)
            stack.push_async_callback(inner.stop)
            await inner.start()
            port = inner.port
        inputs = EdgeInputs(self.settings.edge_files, self.settings.edge_device)
        local = LocalEdge(folder, f"http://127.0.0.1:{port}", features.devices.edges.invite_local, self.clock, inputs)
        stack.push_async_callback(local.stop)
        local.start()

    async def _announce(self, accounts: AccountService, port: int, certificate: Certificate | None) -> None:
        address = public_url(self.settings, port)
        if certificate is not None and certificate.ca is not None:
            self._say(f"trust {address}/trust, fingerprint {render_fingerprint(certificate.ca.read_bytes())}")
        if (link := await accounts.ensure_setup_link(address)) is not None:
            self._say(f"set up this server, once, at {link}")
        self._say(f"ready {address}")
        log.info("server.ready", port=port, transport=self.settings.transport.value)


async def assemble(
    core: Core,
    directory: DataDirectory,
    bindings: EdgeBindings,
    address: Callable[[], ServerAddress],
    stack: AsyncExitStack,
) -> Features:
    """Builds every feature and opens what needs opening, lowest first."""
    database, vault, clock, events = core.database, core.vault, core.clock, core.events
    passwords = PasswordKeeper()
    stack.callback(passwords.close)
    accounts = AccountService(
        database=database,
        vault=vault,
        events=events,
        clock=clock,
        passwords=passwords,
        notice_version=lambda: current_version(core.registry),
    )
    accounts_jobs.schedule(core.jobs, accounts)
    plans = DevicePlans(database, vault)
    recorder = Recorder(database, vault, directory.folder("media"), plans, clock, events)
    desk = EdgeDesk(database=database, vault=vault, clock=clock, events=events)
    uplinks = UplinkDirectory(
        UplinkContext(
            hub=core.hub,
            authenticator=EdgeAdmission(database, clock),
            registry=desk,
            recorder=recorder,
            spool_key=vault.spool_private_key(),
            bindings=bindings,
            clock=clock,
        )
    )
    edges = EdgeService(
        database=database, vault=vault, clock=clock, connections=uplinks, server=address, spool_of=desk.spool_of
    )
    live = LiveService(database=database, vault=vault, hub=core.hub, events=events, clock=clock, sessions=accounts)
    playback = PlaybackService(database=database, recorder=recorder, live=live, clock=clock)
    devices = assemble_devices(core, accounts, edges, uplinks, [live_viewings(live), recorded_viewings(playback)])
    devices.removal.on_erase(live.erase_device)
    devices.removal.on_erase(recorder.erase_device)
    devices.removal.on_erase(playback.erase_device)
    events.subscribe(DeviceRemoved, lambda removed: forget_channels(core.hub, removed))
    await recorder.start()
    stack.push_async_callback(recorder.stop)
    stack.push_async_callback(live.close)
    stack.push_async_callback(playback.close)
    stack.push_async_callback(uplinks.settle)
    retention = RetentionEngine(
        database,
        core.registry,
        clock,
        targets=retention_targets(core, recorder, devices),
        is_time_agreed=time_agreement(directory.path / privacy_commands.TIME_AGREED_FILE),
    )
    recorder.hold_to(lambda: retention.require_running("B5.record"))
    return Features(accounts, live, recorder, playback, uplinks, devices, DeviceSigns(plans), retention)


def assemble_devices(
    core: Core, accounts: AccountService, edges: EdgeService, uplinks: UplinkDirectory, sources: Sequence[ViewingSource]
) -> DeviceServices:
    """The use cases of devices, and who tells them what."""
    database, vault, clock, events, hub = core.database, core.vault, core.clock, core.events, core.hub
    devices = DeviceService(
        database=database, vault=vault, clock=clock, events=events, edges=edges, uplinks=uplinks, viewers=hub
    )
    removal = RemovalService(
        database=database, vault=vault, clock=clock, events=events, jobs=core.jobs, devices=devices, uplinks=uplinks
    )
    covers = CoverService(database=database, vault=vault, clock=clock, events=events, snapshots=uplinks, viewers=hub)
    viewings = ViewingLogs(database=database, clock=clock, accounts=accounts)
    for source in sources:
        viewings.add_source(source)
    feed = DeviceFeed(database=database, clock=clock, events=events, accounts=accounts, devices=devices, viewers=hub)
    return DeviceServices(devices, removal, edges, covers, viewings, feed)


def forget_channels(hub: Hub, removed: DeviceRemoved) -> None:
    """Nothing of a removed device stays in memory."""
    for channel_id in removed.channel_ids:
        hub.forget_channel(channel_id)


def live_viewings(live: LiveService) -> ViewingSource:
    """Who watched live."""
    return ViewingSource("live", "B4.live_view", live.log.latest)


def recorded_viewings(playback: PlaybackService) -> ViewingSource:
    """Who looked back."""
    return ViewingSource("playback", "B5.playback", playback.log.latest)


def retention_targets(core: Core, recorder: Recorder, devices: DeviceServices) -> dict[str, RetentionTarget]:
    """Who erases what SQL alone cannot: media, and what dies with a key."""
    return {
        "account.closed_at": AccountErasure(core.database, core.vault),
        "B7.name_cover/cover": devices.covers,
        "B5.record/recording": recorder.retention(sees_public_space=False),
        "B5.record/recording_public_space": recorder.retention(sees_public_space=True),
        "device.removed_at": devices.removal,
    }


def figures_of(features: Features, media: SocketServer, directory: DataDirectory) -> Figures:
    """What `/metrics` tells of this server beside requests and the process."""
    recorded = features.recorder.figures
    return Figures(
        gauges={
            ("live_sockets", "Pages with a live socket."): lambda: media.connection_count(LIVE_PATH),
            ("playback_sockets", "Pages that look back."): lambda: media.connection_count(PLAYBACK_PATH),
            ("edges_connected", "Edges on line."): lambda: features.uplinks.edge_count,
            ("event_streams", "Pages that follow changes."): lambda: features.devices.feed.count,
            ("asyncio_tasks", "Tasks of the event loop."): lambda: len(asyncio.all_tasks()),
            ("media_free_bytes", "Free space for recordings."): free_bytes(directory.folder("media")),
            ("media_volume_trouble", "1 while the volume of the recordings does not do its work."): lambda: (
                features.recorder.volume.state is not VolumeState.WELL
            ),
        },
        counters={
            ("recorded_bytes", "Bytes of recordings written."): lambda: recorded.written_bytes,
            ("evicted_segments", "Segments erased early for want of room."): lambda: recorded.evicted_segments,
            ("damaged_stretches", "Stretches of recordings found unreadable."): lambda: recorded.damaged_stretches,
            ("failed_writes", "Writes of recordings that failed."): lambda: recorded.failed_writes,
            ("clamped_times", "Chunks whose wall time lay in the future."): lambda: recorded.clamped_times,
        },
    )


def work_of(core: Core, features: Features) -> dict[str, Callable[[], Any]]:
    """Everything that goes on beside the requests."""

    async def care_for_hub() -> None:
        while True:
            await core.clock.sleep(HUB_CARE_S)
            core.hub.drop_stale()

    async def care_for_memory() -> None:
        while True:
            await core.clock.sleep(MEMORY_CARE_S)
            await asyncio.to_thread(give_back_memory)

    return {
        "live": features.live.run,
        "playback": features.playback.run,
        "covers": features.devices.covers.run,
        "jobs": core.jobs.run,
        "hub": care_for_hub,
        "memory": care_for_memory,
    }


# --- parts ----------------------------------------------------------------------------------------------------------


def open_foundation(settings: Settings, stack: AsyncExitStack) -> Foundation:
    """Opens and locks the data directory and finds its root key."""
    known_id = root_key.remembered_id(settings.data, settings.root_key_file)
    directory = open_data_directory(settings.data, known_id=known_id)
    stack.enter_context(lock(directory))
    remove_leftovers(directory)
    given = settings.root_key.get_secret_value() if settings.root_key else None
    key, key_file = root_key.obtain(directory, given=given, key_file=settings.root_key_file)
    os.environ.pop(f"{PREFIX}ROOT_KEY", None)  # no child process and no crash report inherits it
    return Foundation(directory, key, key_file, ledger_path(settings.ledger_file, directory, key_file))


def obtain_certificate(settings: Settings, directory: DataDirectory, clock: Clock) -> Certificate | None:
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
    api.router.default = WebApp(WEB_FOLDER)  # after every route, so that a wrong method is 405 and not a page
    is_plain = settings.transport is Transport.PLAIN_LOOPBACK
    name = urlsplit(settings.public_url).hostname if settings.public_url else None
    names = LOOPBACK_NAMES | ({settings.host} - {"localhost"}) | ({name} if name else set())
    app: ASGIApp = Idempotency(api, repeats)
    app = BodyLimit(app)
    app = OriginGuard(app, settings.public_url)
    app = HostGuard(app, frozenset(names) if is_plain else None)
    app = SecurityHeaders(app, hsts=not is_plain)
    app = CookieGuard(app)
    app = RequestLog(app)
    return ProxyAddress(app, settings.behind_proxy)


async def nothing_here(scope: Any, receive: Any, send: Any) -> None:
    """The HTTP side of the inner listener, which is for the local edge's uplink alone."""
    if scope["type"] == "http":
        await send({"type": "http.response.start", "status": 404, "headers": []})
        await send({"type": "http.response.body", "body": b""})


def bind_inner(folder: Path) -> list[socket.socket]:
    """The port that an edge left behind by a killed server still dials, or a free one."""
    try:
        return bind("127.0.0.1", recall_port(folder))
    except PortTaken:
        return bind("127.0.0.1", 0)


def add_description(api: FastAPI) -> None:
    """`/openapi.json`, made once when first asked for."""
    described: dict[str, Any] = {}

    def openapi() -> dict[str, Any]:
        if not described:
            described.update(describe(api, SOCKETS))
        return described

    api.openapi = openapi  # type: ignore[method-assign]  # FastAPI's documented way to change the description
    api.openapi_url = "/openapi.json"
    api.setup()


# --- commands -------------------------------------------------------------------------------------------------------


def serve(settings: Settings, say: Say) -> int:
    """`incamera serve`: runs until SIGTERM or SIGINT."""
    events = {name: event.keys for name, event in collected().log_events.items()}
    logs.configure(settings.log_level, events)
    os.umask(0o077)  # whatever a library creates, nobody else reads it
    keep_memory_private()  # the root key is in it

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


def privacy_command(arguments: Sequence[str], say: Say) -> int:
    """`incamera privacy`: see `privacy.commands`."""

    def load(operator: Operator) -> privacy_commands.Loaded:
        api = create_api()
        return privacy_commands.Loaded(make_registry(operator, api), api)

    return privacy_commands.run(arguments, load, say)


def check_declarations(settings: Settings) -> list[str]:
    """What the registry's rules and the bijection lint find, one sentence each."""
    api = create_api()
    registry = make_registry(load_operator(privacy_file(settings)), api)
    return [str(problem) for problem in [*findings(registry), *check_everything(registry, api)]]
