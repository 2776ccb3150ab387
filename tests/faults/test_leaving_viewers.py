"""Viewers that leave all at once, and viewers that stop reading: what that does to the others and to the server.

Promise: nobody else loses a picture, and what they used comes back. (200 viewers leaving at once end a well-known media
server.)
"""

import asyncio
import contextlib
import json
import re
import shutil
import signal
import subprocess
import time
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.faults.distant_house import add_camera
from tests.support.camera import read_counters, running_camera
from tests.support.replay import assert_gapless
from tests.support.sampling import TAKES_ALL
from tests.support.server import Server, running_server
from tests.support.viewer import get_tickets, watching

pytestmark = [pytest.mark.slow, pytest.mark.quiet]

PROGRAM = Path(__file__).resolve().parents[2] / "bench" / "viewers.c"
MANY = 1000 if TAKES_ALL else 300
_MIB = 2**20


@dataclass
class Watched:
    """A server with one camera that is live."""

    server: Server
    channel_id: str
    program: Path

    def crowd(self, count: int, seconds: float, *options: str) -> "subprocess.Popen[str]":
        """So many viewers, all of them receiving. Blocks, so call it in a thread."""
        hello = self.program.with_name(f"hello-{count}")
        said = [
            json.dumps({"open": get_tickets(self.server, self.channel_id, "live", "main")[0]}) for _ in range(count)
        ]
        hello.write_text("\n".join(said))
        where = ("ws", str(self.server.port), "/media/live", str(count), str(seconds), "--hello", str(hello))
        process = subprocess.Popen([str(self.program), *where, *options], stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        assert "STEADY" in process.stdout.readline()
        return process

    def until(self, condition: Callable[[], bool]) -> None:
        """Blocks, too."""
        deadline = time.monotonic() + 60
        while not condition():
            assert time.monotonic() < deadline
            time.sleep(0.2)

    @property
    def live_sockets(self) -> float:
        return self._figure("incamera_live_sockets")

    def _figure(self, name: str) -> float:
        found = re.search(rf"^{name} (\S+)", self.server.owner().get("/metrics").text, re.MULTILINE)
        assert found is not None
        return float(found[1])


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None:
        pytest.skip("crowds of viewers are played by a program in C, and there is no C compiler here")
    folder = tmp_path_factory.mktemp("crowd")
    program = folder / "viewers"
    subprocess.run([compiler, "-O2", "-o", str(program), str(PROGRAM)], check=True)
    with running_camera("garden") as address, running_server(folder) as server:
        server.owner()
        server.wait_for("/api/v1/edges", lambda body: any(edge["online"] for edge in body["items"]), 60)
        device = add_camera(server, f"{address}/garden/main", mode="live")
        yield Watched(server, str(device["channels"][0]["id"]), program)
        assert '"level": "error"' not in server.log.read_text()


@contextlib.asynccontextmanager
async def unbroken(watched: Watched) -> AsyncIterator[None]:
    """Somebody who watches all the while, and sees every picture."""
    async with watching(watched.server, watched.channel_id, "main") as (viewer, handles):
        reading = asyncio.create_task(viewer.until(lambda: False, 300))
        try:
            await asyncio.sleep(1)
            yield
            await asyncio.sleep(2)
        finally:
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)
    (part,) = viewer.streams[handles["main"]].parts
    assert_gapless(read_counters(part.media))


@contextlib.asynccontextmanager
async def comes_back(watched: Watched) -> AsyncIterator[None]:
    """The server holds afterwards what it held before: descriptors to the number, memory but for a little."""
    process = psutil.Process(watched.server.pid)
    descriptors, memory = process.num_fds(), process.memory_info().rss
    yield
    await asyncio.to_thread(watched.until, lambda: watched.live_sockets == 1)
    # The owner's own requests come and go.
    await asyncio.to_thread(watched.until, lambda: process.num_fds() <= descriptors + 3)
    assert process.memory_info().rss < memory + 64 * _MIB


@pytest.mark.parametrize("is_reading", [True, False], ids=["while they read", "while much is unread"])
async def test_two_hundred_viewers_leave_at_once(watched: Watched, is_reading: bool) -> None:
    """Killed while they read, most connections end with FIN; with data unread, the kernel sends RST."""
    async with unbroken(watched), comes_back(watched):
        crowd = await asyncio.to_thread(watched.crowd, 200, 60)
        if not is_reading:
            crowd.send_signal(signal.SIGSTOP)
            await asyncio.sleep(3)
        crowd.kill()
        crowd.communicate()


async def test_ten_of_many_viewers_stop_reading(watched: Watched) -> None:
    """Of a thousand in a whole run."""
    async with unbroken(watched), comes_back(watched):
        crowd = await asyncio.to_thread(watched.crowd, MANY, 2, "--stop", "10")
        output, _ = await asyncio.to_thread(crowd.communicate)
    quiet, _, stopped = windows(output)

    assert quiet["receiving"] == MANY
    assert stopped["receiving"] == MANY - 10
    assert stopped["min_mbit_s"] > 0.8 * quiet["min_mbit_s"]


def windows(output: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(output)
    return found
