"""A house far from its server: cameras and edge behind a line that a test may ruin, the server near by. Real programs.

with a_distant_house(tmp_path) as house:
    house.places.line.fall_silent()
    ...
    numbers = await house.recorded_since(began_us)
"""

import asyncio
import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.support.camera import PASSWORD, running_camera
from tests.support.replay import assert_gapless, replay, timeline_path
from tests.support.sampling import TAKES_ALL
from tests.support.server import Server, running_server
from tests.support.tun_line import NEAR, Places, two_places

PICTURES_PER_S = 25
whole_only = pytest.mark.skipif(not TAKES_ALL, reason="takes a minute: INCAMERA_EVERYTHING=1 runs it")
_BACK_S = 60.0
_UNDER_WAY_BYTES = 1024 * 1024
PRIVACY_CARD = {"purpose": "To see the garden", "placement": "outdoor", "sees_public_space": False, "sound": False}


class FarEdge:
    """`incamera edge` at the far end, over TLS, with one data directory for all its lives."""

    def __init__(self, places: Places, server: Server, code: str) -> None:
        self._places, self._server, self._code = places, server, code
        self._log = server.folder / "edge.log"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        where = ("--server", f"https://{NEAR}:{self._server.port}", "--data", str(self._server.folder / "edge"))
        command = [sys.executable, "-m", "incamera", "edge", *where]
        environment = {**os.environ, "INCAMERA_EDGE_CODE": self._code}
        with self._places.far(), self._log.open("ab") as log:
            self._process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)

    def kill(self) -> None:
        """Power cut."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        self._end(signal.SIGTERM)

    def said(self, event: str) -> list[str]:
        """Its log lines about something."""
        return re.findall(rf"event={re.escape(event)} .*", self._log.read_text())

    def _end(self, number: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(number)
            self._process.wait(20)
            self._process = None


@dataclass
class DistantHouse:
    """Server, line, edge, and one recorded camera."""

    places: Places
    server: Server
    edge: FarEdge
    device_id: str
    channel_id: str

    def now_us(self) -> int:
        return time.time_ns() // 1000

    async def until(self, path: str, accept: Any, timeout_s: float = _BACK_S) -> Any:
        """Asks the API until its answer is as wanted; the event loop goes on meanwhile."""
        return await asyncio.to_thread(self.server.wait_for, path, accept, timeout_s)

    async def is_back(self) -> None:
        """The edge is on line, and no more waits there than what is under way."""

        def little_waits(body: Any) -> bool:
            return any(edge["online"] and (edge["backlog_bytes"] or 0) < _UNDER_WAY_BYTES for edge in body["items"])

        await self.until("/api/v1/edges", little_waits)

    async def whole_recording_since(self, began_us: int) -> list[int]:
        """The numbers in the pictures recorded from `began_us` to now, as soon as none is missing.

        Fails when that does not happen: what was spooled takes a while to come in, but it comes.
        """
        upto_us, deadline = self.now_us(), time.monotonic() + _BACK_S / 2
        await self.until(timeline_path(self.channel_id), lambda shown: (shown["newest_us"] or 0) > upto_us)
        wanted = int((upto_us - began_us) / 1e6 * PICTURES_PER_S)
        while True:
            try:
                numbers, _ = await replay(self.server, self.channel_id, wanted=wanted, from_us=began_us)
                assert_gapless(numbers)
            except AssertionError:
                if time.monotonic() > deadline:
                    raise
            else:
                return numbers
            await asyncio.sleep(1)

    def viewer_line(self) -> socket.socket:
        """A connection to the server from the far end, for a viewer there."""
        with self.places.far():
            line = socket.create_connection((NEAR, self.server.port), timeout=20)
        line.setblocking(False)
        return line


@contextlib.contextmanager
def a_distant_house(folder: Path) -> Iterator[DistantHouse]:
    """Everything runs and the camera is recorded. The calling thread is near for as long as the house stands."""
    with (
        two_places() as places,
        places.near(),
        running_server(folder, "--own-ca", "--host", "0.0.0.0", edge=False) as server,
    ):
        code = server.owner().post("/api/v1/edges", json={"name": "Far"}).raise_for_status().json()["code"]
        edge = FarEdge(places, server, code)
        with _camera_beside_edge(places) as address:
            edge.start()
            try:
                server.wait_for("/api/v1/edges", lambda body: any(edge["online"] for edge in body["items"]), _BACK_S)
                device = add_camera(server, f"{address}/garden/main")
                yield DistantHouse(places, server, edge, device["id"], str(device["channels"][0]["id"]))
            finally:
                places.line.heal()
                edge.stop()


def add_camera(server: Server, address: str, *, mode: str = "record") -> Any:
    """As soon as it is on line."""
    channel = {"name": "Garden", "address": address, "username": "viewer", "password": PASSWORD}
    body = {
        "kind": "camera",
        "name": "Garden",
        "time_zone": "Europe/Paris",
        "channels": [channel],
        "privacy_card": PRIVACY_CARD,
        "mode": mode,
        "sound": False,
    }
    device = server.owner().post("/api/v1/devices", json=body).raise_for_status().json()
    return server.wait_for(f"/api/v1/devices/{device['id']}", lambda shown: shown["state"]["code"] == "online", _BACK_S)


@contextlib.contextmanager
def _camera_beside_edge(places: Places) -> Iterator[str]:
    with contextlib.ExitStack() as stack:
        with places.far():
            address = stack.enter_context(running_camera("garden"))
        yield address
