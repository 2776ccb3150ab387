"""What the benchmarks share: the clip, the camera, a server with an owner, children, and the report.

Everything that takes long to make (the clip, a peer's packages) stays in `.dev/bench`.
"""

import contextlib
import hashlib
import json
import os
import platform
import select
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from tests.support.server import Server, running_server

ROOT = Path(__file__).resolve().parent.parent
CACHE = ROOT / ".dev" / "bench"
START_S = 60.0


class BenchError(Exception):
    """Why a benchmark cannot run, in one sentence that says what to do."""


# --- figures --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured number."""

    name: str
    value: float
    unit: str


@dataclass(frozen=True, slots=True)
class Peer:
    """The same measurement of somebody else's program."""

    name: str
    version: str
    figures: list[Figure]

    def figure(self, name: str) -> float | None:
        return next((it.value for it in self.figures if it.name == name), None)


@dataclass(slots=True)
class Report:
    """What a benchmark found. `compared` names the figure of the ratio: ours over the best peer's, lower is better."""

    bench: str
    compared: str
    figures: list[Figure] = field(default_factory=list)
    peers: list[Peer] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def add(self, name: str, value: float, unit: str) -> None:
        self.figures.append(Figure(name, round(value, 4), unit))

    @property
    def ratio(self) -> float | None:
        ours = next((it.value for it in self.figures if it.name == self.compared), None)
        theirs = [value for peer in self.peers if (value := peer.figure(self.compared))]
        return round(ours / min(theirs), 3) if ours is not None and theirs else None

    def render_json(self) -> str:
        machine = f"{os.cpu_count()} cores, {platform.machine()}, {platform.system()} {platform.release()}"
        return json.dumps(
            {
                "bench": self.bench,
                "figures": [asdict(it) for it in self.figures],
                "peers": [asdict(it) for it in self.peers],
                "ratio": self.ratio,
                "notes": [machine, *self.notes],
            }
        )

    def render_table(self) -> str:
        columns = [("incamera", self.figures), *((f"{it.name} {it.version}", it.figures) for it in self.peers)]
        names = list(dict.fromkeys(figure.name for _, figures in columns for figure in figures))
        lines = [f"{self.bench:34}" + "".join(f"  {title:>24}" for title, _ in columns)]
        for name in names:
            cells = [next((f"{it.value:.3f} {it.unit}" for it in figs if it.name == name), "") for _, figs in columns]
            lines.append(f"{name:34}" + "".join(f"{cell:>26}" for cell in cells))
        lines += [f"ratio of {self.compared}: {self.ratio}"] if self.ratio is not None else []
        return "\n".join([*lines, *self.notes])


# --- parts ----------------------------------------------------------------------------------------------------------


class Child:
    """A program that says when it is ready, and ends with the benchmark."""

    def __init__(self, process: "subprocess.Popen[str]", said: str) -> None:
        self.process, self.said = process, said

    @property
    def pid(self) -> int:
        return self.process.pid

    def output(self) -> str:
        """Waits for its end and returns the rest of what it printed."""
        rest, _ = self.process.communicate()
        return rest


@contextlib.contextmanager
def child(*command: str, ready: str, cwd: Path = ROOT) -> Iterator[Child]:
    """Starts `command` and waits for a line that contains `ready`."""
    with tempfile.TemporaryFile("w+") as log:
        process = subprocess.Popen(command, cwd=cwd, stdout=subprocess.PIPE, stderr=log, text=True)
        try:
            yield Child(process, _wait_for(process, ready, log))
        finally:
            if process.poll() is None:
                process.terminate()
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(5)
            if process.poll() is None:
                process.kill()
                process.wait()
            if process.stdout is not None:
                process.stdout.close()


def _wait_for(process: "subprocess.Popen[str]", ready: str, log: Any) -> str:
    assert process.stdout is not None
    deadline = time.monotonic() + START_S
    while True:
        readable, _, _ = select.select([process.stdout], [], [], max(0.0, deadline - time.monotonic()))
        line = process.stdout.readline() if readable else ""
        if not line:
            log.seek(0)
            raise BenchError(f"{process.args!r} did not start: {log.read()[-500:].strip() or 'it said nothing'}")
        if ready in line:
            return line.strip()


def python(module: str, *arguments: str) -> list[str]:
    """The command line of one of our modules."""
    return [sys.executable, "-m", module, *arguments]


def viewers_program() -> Path:
    """`viewers.c`, compiled once; raises BenchError where there is no C compiler."""
    source = ROOT / "bench" / "viewers.c"
    program = CACHE / f"viewers-{hashlib.sha256(source.read_bytes()).hexdigest()[:8]}"
    if not program.exists():
        compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
        if compiler is None:
            raise BenchError("a thousand viewers are played by bench/viewers.c: install a C compiler (gcc)")
        CACHE.mkdir(parents=True, exist_ok=True)
        fresh = program.with_suffix(".new")
        subprocess.run([compiler, "-O2", "-o", str(fresh), str(source)], check=True)
        fresh.rename(program)
    return program


@contextlib.contextmanager
def clip_cameras(count: int, profile: str = "steady") -> Iterator[list[str]]:
    """Addresses of `count` cameras that play the clip of a profile (`bench.clip`) for ever."""
    from bench.clip import FPS, PROFILES, reference_clip

    sound = ("sound",) if PROFILES[profile].has_sound else ()
    with _cameras(str(reference_clip(profile)), str(count), str(FPS), *sound) as addresses:
        yield addresses


@contextlib.contextmanager
def small_cameras(count: int) -> Iterator[list[str]]:
    """Addresses of the small streams of as many cameras."""
    from bench.clip import SMALL_FPS, small_clip

    with _cameras(str(small_clip()), str(count), str(SMALL_FPS)) as addresses:
        yield addresses


@contextlib.contextmanager
def _cameras(clip: str, count: str, *options: str) -> Iterator[list[str]]:
    with child(*python("bench.cameras", clip, count, *options), ready="ready ") as cameras:
        port = cameras.said.split()[-1]
        yield [f"rtsp://127.0.0.1:{port}/camera{number}" for number in range(int(count))]


@contextlib.contextmanager
def our_server(*options: str) -> Iterator[Server]:
    """`incamera serve` with its local edge and an owner who is signed in."""
    with (
        tempfile.TemporaryDirectory(prefix="incamera-bench-") as folder,
        running_server(Path(folder), *options) as server,
    ):
        wait_for_edge(server)
        yield server


@contextlib.contextmanager
def our_server_over_tls() -> Iterator[tuple[Server, int]]:
    """A server that speaks TLS only, and the process id of an edge that an owner enrolled as on another machine."""
    with (
        tempfile.TemporaryDirectory(prefix="incamera-bench-") as folder,
        running_server(Path(folder), "--own-ca", "--host", "127.0.0.1", edge=False) as server,
    ):
        code = server.owner().post("/api/v1/edges", json={"name": "Bench"}).raise_for_status().json()["code"]
        where = ("--server", server.url, "--data", str(Path(folder) / "far-edge"))
        environment = {**os.environ, "INCAMERA_EDGE_CODE": code}
        with (Path(folder) / "edge.log").open("wb") as log:
            edge = subprocess.Popen(python("incamera", "edge", *where), env=environment, stdout=log, stderr=log)
        try:
            wait_for_edge(server)
            yield server, edge.pid
        finally:
            edge.terminate()
            edge.wait(15)


def wait_for_edge(server: Server) -> None:
    """Returns when an edge of this server is connected."""
    server.owner()
    server.wait_for("/api/v1/edges", lambda body: any(_is_online(edge) for edge in body["items"]), START_S)


def add_camera(
    server: Server, address: str, *, mode: str, name: str = "Bench", password: str = "", sound: bool = False
) -> str:
    """Adds a camera through the API; the id of its channel."""
    login = {"username": "viewer", "password": password} if password else {}
    body = {
        "kind": "camera",
        "name": name,
        "time_zone": "Europe/Paris",
        "channels": [{"name": name, "address": address, **login}],
        "privacy_card": {
            "purpose": "measuring",
            "placement": "indoor",
            "sees_public_space": False,
            "staff_informed": True,
            "sound": sound,
        },
        "mode": mode,
        "sound": sound,
    }
    response = server.owner().post("/api/v1/devices", json=body)
    if response.is_error:
        raise BenchError(f"the camera could not be added: {response.text}")
    return str(response.json()["channels"][0]["id"])


def tickets(server: Server, channel_id: str, count: int) -> list[str]:
    """Tickets for that many viewers of the main stream."""
    words = []
    for _ in range(count):
        response = server.owner().post(
            f"/api/v1/channels/{channel_id}/tickets", json={"for": "live", "streams": ["main"]}
        )
        response.raise_for_status()
        words.append(str(response.json()["tickets"][0]["ticket"]))
    return words


def wait_until_online(server: Server) -> None:
    """Returns when every camera sends."""
    server.wait_for(
        "/api/v1/devices", lambda body: all(it["state"]["code"] == "online" for it in body["items"]), START_S
    )


def _is_online(edge: dict[str, Any]) -> bool:
    return bool(edge.get("online") or edge.get("connected"))


def parse_options(options: Sequence[str], **defaults: Any) -> dict[str, Any]:
    """`--name value` pairs over defaults; the type is that of the default."""
    import argparse

    parser = argparse.ArgumentParser()
    for name, default in defaults.items():
        parser.add_argument(
            f"--{name.replace('_', '-')}", type=type(default) if default is not None else str, default=default
        )
    return vars(parser.parse_args(list(options)))
