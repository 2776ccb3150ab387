"""A day in twenty minutes: does anything grow that should not?

The whole product, every part a process of its own: two cameras, an edge on the far side of a TLS line, the server. All
that happens in a day happens all the time: viewers come and go by the thousand (some without a word), people look back,
ask for timelines and covers and change modes, the line is cut, cameras lose their power, and the clock of server and
edge moves on by an hour whenever a twenty-fourth of the time is over, so that keys rotate, sessions end and retention
erases what is older than six hours. Resident memory, descriptors, threads, zombies and asyncio tasks of server and edge
are sampled all the time.

`growth_*` is the median of the last third of the samples less that of the middle third; the first third is the warm-up.
A figure that grew by more than its allowance is named in the notes and the verdict is 1 (0: nothing grew).

    ./dev bench soak [--minutes 20] [--hours 24] [--joins 5] [--out FOLDER]

`--out` receives `soak.json` with all samples, `soak.svg` with their curves, and the logs. The clock needs a C compiler.
"""

import asyncio
import contextlib
import json
import os
import random
import re
import shutil
import signal
import ssl
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from statistics import median
from typing import Any, Final
from urllib.parse import urlencode

import httpx2
import psutil
import websockets

from bench.curves import render_curves
from bench.harness import BenchError, Report, add_camera, parse_options, python
from tests.faults.shim import Shim, a_shim
from tests.support.bad_line import BadLine
from tests.support.camera import PASSWORD, running_camera
from tests.support.server import Server, running_server

CAMERAS: Final = ("garden", "porch")
_KEEP: Final = "PT6H"
_LOWEST_ALLOWANCE: Final = {"rss_mib": 6.0, "descriptors": 4.0, "threads": 2.0, "tasks": 4.0, "zombies": 0.0}
_ALLOWED_SHARE: Final = {"rss_mib": 0.03}  # of the median: an allocator's habits, not a leak
_LINE_CUTS: Final = 24
_CAMERA_DROPS: Final = 12
_EVENTS_MOST_S: Final = 60.0


# --- what is measured -----------------------------------------------------------------------------------------------


@dataclass
class Samples:
    """Seconds since the start, and each figure by name."""

    at_s: list[float] = field(default_factory=list)
    figures: dict[str, list[float]] = field(default_factory=dict)

    def add(self, at_s: float, figures: dict[str, float]) -> None:
        self.at_s.append(round(at_s, 1))
        for name, value in figures.items():
            self.figures.setdefault(name, []).append(value)

    def growth(self, name: str) -> float:
        """Median of the last third less that of the middle third."""
        values = self.figures[name]
        third = len(values) // 3
        return median(values[-third:]) - median(values[third : 2 * third])


def allowance(name: str, typical: float) -> float:
    """How much a figure (`server_rss_mib`) may seem to grow."""
    kind = name.partition("_")[2]
    return max(_LOWEST_ALLOWANCE[kind], _ALLOWED_SHARE.get(kind, 0.0) * typical)


def grown(samples: Samples) -> list[str]:
    """Sentences about what grew."""
    found = []
    for name, values in samples.figures.items():
        growth, allowed = samples.growth(name), allowance(name, median(values))
        if growth > allowed:
            found.append(f"{name} grew by {growth:.1f} in the last third of the time; {allowed:.1f} is allowed")
    return found


def _figures_of(name: str, pid: int) -> dict[str, float]:
    process = psutil.Process(pid)
    zombies = sum(child.status() == psutil.STATUS_ZOMBIE for child in process.children(recursive=True))
    return {
        f"{name}_rss_mib": process.memory_info().rss / 2**20,
        f"{name}_descriptors": process.num_fds(),
        f"{name}_threads": process.num_threads(),
        f"{name}_zombies": zombies,
    }


# --- who does it ----------------------------------------------------------------------------------------------------


@dataclass
class Plan:
    """How much happens, and for how long."""

    seconds: float
    hours: int
    joins_per_s: float


class Cameras:
    """Simulated cameras that can lose their power."""

    def __init__(self) -> None:
        self._stacks: dict[str, contextlib.ExitStack] = {}
        self.ports: dict[str, int] = {}

    def start(self, name: str) -> None:
        stack = self._stacks[name] = contextlib.ExitStack()
        address = stack.enter_context(running_camera(name, port=self.ports.get(name, 0)))
        self.ports[name] = int(address.rsplit(":", 1)[1])

    def stop(self, name: str) -> None:
        self._stacks.pop(name).close()

    def close(self) -> None:
        for name in tuple(self._stacks):
            self.stop(name)


class Household:
    """The running product and everything that happens to it. `done` counts what did."""

    def __init__(self, server: Server, edge: "subprocess.Popen[bytes]", line: BadLine, cameras: Cameras) -> None:
        self.server, self.edge, self.line, self.cameras = server, edge, line, cameras
        self.channels: list[str] = []
        self.devices: list[str] = []
        self.done: Counter[str] = Counter()
        self._api = asyncio.Lock()
        self._trust = ssl.create_default_context(cafile=str(server.data / "tls" / "ca.crt"))
        self._edge_log = server.folder / "edge.log"

    async def ask(self, method: str, path: str, body: Any = None) -> Any:
        """The API as the owner, who signs in again when the session has ended. None when it said no."""
        async with self._api:
            response = await asyncio.to_thread(self._ask, method, path, body)
        self.done[f"answers_{response.status_code}"] += 1
        return response.json() if response.is_success and response.content else None

    def _ask(self, method: str, path: str, body: Any) -> httpx2.Response:
        response = self.server.owner().request(method, path, json=body)
        if response.status_code == 401:
            self.server.sign_in_again()
            response = self.server.owner().request(method, path, json=body)
        return response

    # --- what happens -----------------------------------------------------------------------------------------------

    async def view(self) -> None:
        """One viewer: live or back, for a moment, leaving politely or not."""
        channel, purpose = random.choice(self.channels), random.choice(("live", "live", "live", "playback"))
        answer = await self.ask("POST", f"/api/v1/channels/{channel}/tickets", {"for": purpose, "streams": ["main"]})
        if answer is None:
            return
        url = f"{self.server.url.replace('http', 'ws', 1)}/media/{purpose}"
        socket = await websockets.connect(url, ssl=self._trust, max_queue=None, open_timeout=20)
        try:
            await socket.send(json.dumps({"open": answer["tickets"][0]["ticket"]}))
            await self._watch(socket, purpose)
            self.done[f"viewers_{purpose}"] += 1
        finally:
            if random.random() < 0.3:
                socket.transport.abort()  # a lid that is shut, a lift
            else:
                await socket.close()

    async def _watch(self, socket: Any, purpose: str) -> None:
        with contextlib.suppress(TimeoutError, websockets.ConnectionClosed):
            async with asyncio.timeout(random.uniform(0.1, 4.0)):
                async for data in socket:
                    message = json.loads(data) if isinstance(data, str) else {}
                    if purpose == "playback" and message.get("type") == "opened" and message["from_us"]:
                        at = random.randint(message["from_us"], message["to_us"])
                        verb = random.choice(("play", "scrub"))
                        speed = {"speed": 4} if verb == "play" else {}
                        said = {verb: {"handle": message["handle"], "at_us": at, "request": 1, **speed}}
                        await socket.send(json.dumps(said))

    async def look_around(self) -> None:
        """What a page asks besides."""
        channel = random.choice(self.channels)
        now = datetime.now().astimezone()
        span = urlencode(
            {
                "from": (now - timedelta(hours=2)).isoformat(),
                "to": (now + timedelta(hours=30)).isoformat(),
                "resolution_s": 60,
            }
        )
        await self.ask("GET", f"/api/v1/channels/{channel}/timeline?{span}")
        await self.ask("GET", "/api/v1/devices")
        if random.random() < 0.2:
            await self.ask("POST", f"/api/v1/channels/{channel}/cover/refresh")
        if random.random() < 0.1:
            mode = random.choice(("record", "record", "live", "off"))
            await self.ask("PATCH", f"/api/v1/channels/{channel}", {"mode": mode})
            await asyncio.sleep(3)
            await self.ask("PATCH", f"/api/v1/channels/{channel}", {"mode": "record"})
        self.done["looked_around"] += 1

    async def cut_line(self) -> None:
        self.line.cut()
        self.done["line_cuts"] += 1

    async def drop_camera(self) -> None:
        name = random.choice(CAMERAS)
        await asyncio.to_thread(self.cameras.stop, name)
        await asyncio.sleep(2)
        await asyncio.to_thread(self.cameras.start, name)
        self.done["camera_drops"] += 1

    # --- how it is --------------------------------------------------------------------------------------------------

    async def sample(self) -> dict[str, float]:
        metrics = await self._metrics()
        tasks = re.search(r"^incamera_asyncio_tasks (\S+)", metrics, re.MULTILINE)
        assert tasks is not None
        self.edge.send_signal(signal.SIGUSR1)
        return {
            **_figures_of("server", self.server.pid),
            "server_tasks": float(tasks[1]),
            **_figures_of("edge", self.edge.pid),
            "edge_tasks": await self._edge_tasks(),
        }

    async def _metrics(self) -> str:
        async with self._api:
            response = await asyncio.to_thread(lambda: self.server.owner().get("/metrics"))
        return response.raise_for_status().text

    async def _edge_tasks(self) -> float:
        await asyncio.sleep(0.3)
        return float(re.findall(r"event=edge.figures tasks=(\d+)", self._edge_log.read_text())[-1])

    def errors(self) -> Counter[str]:
        """Log events of level error, by name, of both programs."""
        found: Counter[str] = Counter()
        for line in self.server.log.read_text().splitlines():
            with contextlib.suppress(ValueError):
                said = json.loads(line)
                if said.get("level") in ("error", "critical"):
                    found[str(said["event"])] += 1
        found.update(re.findall(r"level=error event=(\S+)", self._edge_log.read_text()))
        return found


# --- the run --------------------------------------------------------------------------------------------------------


def run(options: Sequence[str]) -> Report:
    given = parse_options(options, minutes=20.0, hours=24, joins=5.0, out="")
    if shutil.which("gcc") is None and shutil.which("cc") is None:
        raise BenchError("a day in minutes needs a clock that is written in C: install a C compiler (gcc)")
    plan = Plan(given["minutes"] * 60, given["hours"], given["joins"])
    samples, done, errors = asyncio.run(soak(plan, Path(given["out"]) if given["out"] else None))
    return make_report(samples, done, errors)


def make_report(samples: Samples, done: Counter[str], errors: Counter[str]) -> Report:
    """The figures and the verdict."""
    report = Report("soak", "")
    for name, values in samples.figures.items():
        report.add(f"typical_{name}", median(values), "")
        report.add(f"growth_{name}", samples.growth(name), "")
    for name, count in sorted(done.items()):
        report.add(name, count, "")
    trouble = grown(samples) + [f"{count} log lines of level error: {name}" for name, count in errors.items()]
    report.add("verdict", float(bool(trouble)), "")
    report.notes += trouble
    return report


async def soak(plan: Plan, out: Path | None) -> tuple[Samples, Counter[str], Counter[str]]:
    """Runs it all; what was sampled, what happened, and what the logs call an error."""
    with tempfile.TemporaryDirectory(prefix="incamera-soak-") as name, _a_clock(Path(name)) as clock:
        async with _household(Path(name), clock) as household:
            samples = await _live_through(household, clock, plan)
            errors = household.errors()
        if out is not None:
            _keep(out, samples, household, plan)
        return samples, household.done, errors


@contextlib.contextmanager
def _a_clock(folder: Path) -> Iterator[Shim]:
    """A wall clock that can be moved; the disk below the programs stays whole."""
    untouched = folder / "untouched"
    untouched.mkdir()
    with a_shim(folder, untouched) as shim:
        yield shim


@contextlib.asynccontextmanager
async def _household(folder: Path, clock: Shim) -> AsyncIterator[Household]:
    moved = {name: value for name, value in clock.environment().items() if name not in os.environ}
    options = ("--own-ca", "--host", "127.0.0.1")
    cameras = Cameras()
    with contextlib.ExitStack() as stack:
        stack.callback(cameras.close)
        for name in CAMERAS:
            cameras.start(name)
        server = stack.enter_context(running_server(folder, *options, edge=False, environment=moved))
        code = server.owner().post("/api/v1/edges", json={"name": "Soak"}).raise_for_status().json()["code"]
        async with BadLine(server.port) as line:
            edge = stack.enter_context(
                _edge(folder, f"https://127.0.0.1:{line.port}", {**moved, "INCAMERA_EDGE_CODE": code})
            )
            household = Household(server, edge, line, cameras)
            await asyncio.to_thread(_settle, household)
            yield household


@contextlib.contextmanager
def _edge(folder: Path, url: str, environment: dict[str, str]) -> Iterator["subprocess.Popen[bytes]"]:
    command = python("incamera", "edge", "--server", url, "--data", str(folder / "edge"))
    with (folder / "edge.log").open("wb") as log:
        edge = subprocess.Popen(command, env={**os.environ, **environment}, stdout=log, stderr=log)
    try:
        yield edge
    finally:
        edge.terminate()
        edge.wait(15)


def _settle(household: Household) -> None:
    server = household.server
    server.wait_for("/api/v1/edges", lambda body: any(edge["online"] for edge in body["items"]), 60)
    for name in CAMERAS:
        address = f"rtsp://127.0.0.1:{household.cameras.ports[name]}/{name}/sub"
        household.channels.append(add_camera(server, address, mode="record", name=name, password=PASSWORD))
    for channel in household.channels:
        server.owner().patch(f"/api/v1/channels/{channel}", json={"keep": _KEEP}).raise_for_status()


async def _live_through(household: Household, clock: Shim, plan: Plan) -> Samples:
    samples, started = Samples(), time.monotonic()
    hours_passed = 0

    async def pass_an_hour() -> None:
        nonlocal hours_passed
        hours_passed += 1
        clock.move_clock(hours_passed * 3600)
        household.done["hours"] += 1

    async def sample() -> None:
        samples.add(time.monotonic() - started, await household.sample())

    rare = min(plan.seconds, _EVENTS_MOST_S * _LINE_CUTS)
    happenings: list[tuple[Callable[[], Awaitable[None]], float]] = [
        (household.look_around, 2.0),
        (household.cut_line, rare / _LINE_CUTS),
        (household.drop_camera, rare / _CAMERA_DROPS),
        (pass_an_hour, plan.seconds / plan.hours if plan.hours else plan.seconds * 2),
        (sample, max(1.0, plan.seconds / 240)),
    ]
    tasks = [asyncio.create_task(_repeat(household, what, every_s)) for what, every_s in happenings]
    tasks.append(asyncio.create_task(_let_join(household, plan.joins_per_s)))
    try:
        await asyncio.wait(tasks, timeout=plan.seconds, return_when=asyncio.FIRST_EXCEPTION)
        for task in tasks:
            if task.done():
                task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    return samples


async def _repeat(household: Household, what: Callable[[], Awaitable[None]], every_s: float) -> None:
    while True:
        await asyncio.sleep(every_s)
        await what()


async def _let_join(household: Household, per_s: float) -> None:
    """Viewers at random moments; at most 60 at a time, so that a slow machine is not buried."""
    async with asyncio.TaskGroup() as group:
        there: set[asyncio.Task[None]] = set()
        while True:
            await asyncio.sleep(random.expovariate(per_s))
            there = {task for task in there if not task.done()}
            if len(there) < 60:
                there.add(group.create_task(_view(household)))


async def _view(household: Household) -> None:
    try:
        await household.view()
    except (OSError, TimeoutError, websockets.WebSocketException, httpx2.HTTPError) as error:
        household.done[f"viewers_failed_{type(error).__name__}"] += 1


def _keep(out: Path, samples: Samples, household: Household, plan: Plan) -> None:
    out.mkdir(parents=True, exist_ok=True)
    curves = {
        "Resident memory (MiB)": ("server_rss_mib", "edge_rss_mib"),
        "Descriptors": ("server_descriptors", "edge_descriptors"),
        "Threads": ("server_threads", "edge_threads"),
        "Tasks": ("server_tasks", "edge_tasks"),
    }
    panels = {title: {name: samples.figures[name] for name in names} for title, names in curves.items()}
    viewers = sum(household.done[f"viewers_{purpose}"] for purpose in ("live", "playback"))
    title = f"{plan.hours} h in {plan.seconds / 60:.0f} min: {viewers} viewers"
    (out / "soak.svg").write_text(render_curves(title, samples.at_s, panels))
    (out / "soak.json").write_text(
        json.dumps({"at_s": samples.at_s, "figures": samples.figures, "done": household.done})
    )
    for log in ("server.log", "edge.log"):
        shutil.copy(household.server.folder / log, out / log)
