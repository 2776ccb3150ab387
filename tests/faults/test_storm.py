"""Five hundred edges (150 in a usual run) lose their server at one moment and come back to it.

Promise: all are back, the server answers and shows pictures meanwhile, nobody is locked out, and who comes back does so
at a moment of its own.
"""

import asyncio
import os
import re
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from tests.faults.distant_house import add_camera
from tests.faults.many_edges import multiply
from tests.support.camera import running_camera
from tests.support.sampling import TAKES_ALL
from tests.support.server import Server, running_server
from tests.support.viewer import watching

pytestmark = [pytest.mark.slow, pytest.mark.quiet]

EDGES = 500 if TAKES_ALL else 150
_MIB = 2**20


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < 2 * EDGES:
        pytest.skip(f"{EDGES} edges need more than the {hard} descriptors that a process may have here")
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))  # the server inherits it
    try:
        with running_server(tmp_path, "--own-ca", "--host", "127.0.0.1") as running:
            yield running
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


async def test_many_edges_come_back_after_a_restart(server: Server, tmp_path: Path) -> None:
    folder = tmp_path / "edges"
    folder.mkdir()
    online(server, 1)
    newcomer = make_code(server)
    with running_camera("garden") as address, edges(server, folder / "0", make_code(server)):
        online(server, 2)
        device = add_camera(server, f"{address}/garden/sub", mode="live")
        server.stop()
    multiply(folder, server.data / "incamera.db", EDGES - 1)
    server.start()
    server.sign_in_again()
    with running_camera("garden", port=int(address.rsplit(":", 1)[1])), many_edges(server, folder) as said:
        await until_connected(server)
        before = psutil.Process(server.pid).memory_info().rss

        said_before = len(server.log.read_text())
        server.kill()
        killed_at_s = time.monotonic()
        await asyncio.sleep(3)  # all of them try in vain a few times
        server.start()
        server.sign_in_again()
        async with watching(server, device["channels"][0]["id"], "main") as (viewer, handles):
            main = handles["main"]
            await viewer.until(lambda: main in viewer.streams and viewer.streams[main].pictures, 60)
        await until_connected(server)

        moments = connections(said, killed_at_s)
        assert len(moments) == EDGES, "somebody was thrown out again"
        assert max(moments) - min(moments) > 0.5, "all of them came at once"
        process = psutil.Process(server.pid)
        assert process.memory_info().rss < before + 100 * _MIB
        assert process.num_fds() < EDGES + 100
        with edges(server, tmp_path / "newcomer", newcomer):  # whom nobody has locked out
            online(server, EDGES + 2)
        assert '"level": "error"' not in server.log.read_text()[said_before:]


def online(server: Server, count: int) -> None:
    """Waits for so many edges; the local one counts."""
    server.wait_for("/api/v1/edges", lambda body: sum(edge["online"] for edge in body["items"]) == count, 60)


def make_code(server: Server) -> str:
    return str(server.owner().post("/api/v1/edges", json={"name": "Far"}).raise_for_status().json()["code"])


@contextmanager
def edges(server: Server, data: Path, code: str) -> Iterator[None]:
    """One edge as a program of its own."""
    command = [sys.executable, "-m", "incamera", "edge", "--server", server.url, "--data", str(data)]
    with (server.folder / "edge.log").open("ab") as log:
        edge = subprocess.Popen(command, env={**os.environ, "INCAMERA_EDGE_CODE": code}, stdout=log, stderr=log)
    try:
        yield
    finally:
        edge.terminate()
        edge.wait(20)


@contextmanager
def many_edges(server: Server, folder: Path) -> Iterator[Path]:
    """All edges in this folder, in one process; yields the file that tells what happens to them."""
    said = server.folder / "said"
    command = [sys.executable, "-m", "tests.faults.many_edges", server.url, str(folder)]
    with said.open("wb") as file, subprocess.Popen(command, stdout=file, stderr=subprocess.STDOUT) as process:
        try:
            yield said
        finally:
            process.terminate()


def connections(said: Path, since_s: float) -> list[float]:
    """When edges were welcomed, to a tenth of a second."""
    moments = re.findall(r"^edge.connected (\d+\.\d)", said.read_text(), re.MULTILINE)
    return [moment for moment in map(float, moments) if moment >= since_s]


async def until_connected(server: Server) -> None:
    """All of them, and the local one; the server has to answer all the while."""
    async with asyncio.timeout(90):
        while True:
            assert server.owner().get("/healthz").status_code == 200
            metrics = server.owner().get("/metrics").text
            connected = re.search(r"^incamera_edges_connected (\S+)", metrics, re.MULTILINE)
            if connected is not None and float(connected[1]) == EDGES + 1:
                return
            await asyncio.sleep(0.2)
