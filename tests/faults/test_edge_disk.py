"""An edge whose disk is full, read-only, over quota, failing, stalled, or takes writes in part, and its server is away.

Promise: the edge goes on, its memory stays bounded, what does not fit is lost oldest first and the timeline says why,
live is there as soon as the server is, and with the disk comes back all that belongs to it. Real programs; the shim
stands between the edge and its spool.
"""

import asyncio
import errno
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.faults.distant_house import add_camera
from tests.faults.shim import CHANGES, Action, Operation, Shim, a_shim
from tests.support.camera import running_camera
from tests.support.replay import timeline_path
from tests.support.sampling import sample
from tests.support.server import Server, running_server
from tests.support.viewer import watching

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]

CAMERAS = 6  # 1.5 Mbit/s each: four times the memory of the edge, 4 MiB, is full after four seconds
PATIENCE_S = 150.0  # what an edge sent and nobody answered goes again after half a minute, and once more
_MIB = 2**20


@dataclass
class Edge:
    """`incamera edge` on a disk that obeys the test."""

    process: psutil.Process
    shim: Shim
    data: Path
    log: Path

    def says(self, event: str) -> bool:
        return f"event={event} " in self.log.read_text()

    def spool_files(self) -> list[Path]:
        return list((self.data / "spool").glob("*.spool"))


@dataclass
class Site:
    """A server, and an edge that records cameras for it, one life per test."""

    server: Server
    shim: Shim
    folder: Path
    channel_ids: list[str]

    @contextmanager
    def edge(self, code: str = "") -> Iterator[Edge]:
        """One life of the edge, ended as by an operator."""
        data, log = self.folder / "edge", self.folder / "edge.log"
        log.write_bytes(b"")
        command = [sys.executable, "-m", "incamera", "edge", "--server", self.server.url, "--data", str(data)]
        environment = self.shim.environment(INCAMERA_EDGE_CODE=code)
        with log.open("ab") as output:
            process = subprocess.Popen(
                [*command, "--memory-mib", "1"], env=environment, stdout=output, stderr=subprocess.STDOUT
            )
        try:
            self.server.wait_for("/api/v1/edges", lambda body: any(it["online"] for it in body["items"]), PATIENCE_S)
            yield Edge(psutil.Process(process.pid), self.shim, data, log)
            assert process.poll() is None, log.read_text()[-4000:]
        finally:
            self.shim.heal()
            process.terminate()
            process.wait(20)
        assert process.returncode == 0
        assert "Traceback" not in log.read_text()

    def timeline(self, channel_id: str) -> Any:
        return self.server.owner().get(timeline_path(channel_id)).raise_for_status().json()

    def wait_for_recording(self, since_us: int) -> None:
        """Until every camera is recorded to a moment after this one."""
        for channel_id in self.channel_ids:
            path = timeline_path(channel_id)
            self.server.wait_for(path, lambda it: (it["newest_us"] or 0) > since_us, PATIENCE_S)

    def causes(self, since_us: int) -> set[str]:
        """Of the gaps that end after this moment, over all cameras."""
        gaps = [gap for channel_id in self.channel_ids for gap in self.timeline(channel_id)["gaps"]]
        return {gap["cause"] for gap in gaps if gap["to_us"] > since_us}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("site")
    (folder / "edge").mkdir()
    with (
        a_shim(folder, folder / "edge") as shim,
        running_camera("garden") as address,
        running_server(folder, edge=False) as server,
    ):
        code = server.owner().post("/api/v1/edges", json={"name": "Far"}).raise_for_status().json()["code"]
        site = Site(server, shim, folder, [])
        with site.edge(code):
            for _ in range(CAMERAS):
                device = add_camera(server, f"{address}/garden/main")
                site.channel_ids.append(str(device["channels"][0]["id"]))
        yield site


TROUBLES = {
    "full": (Action.FAIL, errno.ENOSPC, CHANGES),
    "over quota": (Action.FAIL, errno.EDQUOT, (Operation.OPEN, Operation.WRITE)),
    "read-only": (Action.FAIL, errno.EROFS, CHANGES),
    "failing": (Action.FAIL, errno.EIO, CHANGES),
    "failing to sync": (Action.FAIL, errno.EIO, (Operation.SYNC,)),
    "stalled": (Action.STALL, 0, (Operation.SYNC,)),
}


@pytest.mark.parametrize("trouble", sample(list(TROUBLES), one_of=3))
def test_an_edge_whose_disk_refuses_loses_the_oldest_says_so_and_goes_on(site: Site, trouble: str) -> None:
    action, error, operations = TROUBLES[trouble]
    with site.edge() as edge:
        site.wait_for_recording(now_us())
        before = edge.process.memory_info().rss

        site.shim.order(action, last=-1, error=error, operations=operations, only="/spool/")
        site.server.kill()
        killed_us = now_us()
        until(lambda: edge.says("edge.spool_full"))
        site.server.start()
        grown = edge.process.memory_info().rss - before
        site.server.sign_in_again()
        started_us = now_us()
        asyncio.run(see_live(site.server, site.channel_ids[0], 25))
        site.wait_for_recording(started_us)
        assert site.shim.hits > 0
        site.shim.heal()
        spooled = set(edge.spool_files())
        site.wait_for_recording(now_us())

        until(lambda: "spool_full" in site.causes(killed_us), lambda: site.causes(killed_us))
        assert grown < 48 * _MIB
        assert action is Action.STALL or edge.says("edge.spool_write_failed") or error in (errno.ENOSPC, errno.EDQUOT)
        until(lambda: not spooled & set(edge.spool_files()))


def test_writes_that_the_disk_takes_in_part_cost_nothing(site: Site) -> None:
    with site.edge() as edge:
        site.wait_for_recording(now_us())
        began_us = now_us()

        site.shim.order(Action.SHORTEN, last=-1, operations=(Operation.WRITE,), only="/spool/")
        site.server.kill()
        until(lambda: len(edge.spool_files()) >= CAMERAS)
        site.server.start()
        site.server.sign_in_again()
        back_us = now_us()
        site.wait_for_recording(back_us)

        assert site.shim.hits > 0
        for channel_id in site.channel_ids:
            site.server.wait_for(
                timeline_path(channel_id), lambda shown: covered(shown, began_us, back_us) > 0.95, PATIENCE_S
            )


async def see_live(server: Server, channel_id: str, pictures: int) -> None:
    """Opens the camera and gets new pictures."""
    async with watching(server, channel_id, "main") as (viewer, handles):
        main = handles["main"]
        await viewer.until(lambda: main in viewer.streams and len(viewer.streams[main].pictures) >= pictures)


def covered(timeline: Any, from_us: int, to_us: int) -> float:
    """Which share of a stretch is recorded."""
    runs = [run for run in timeline["runs"] if run["stream"] == "main"]
    recorded_us: int = sum(max(0, min(run["to_us"], to_us) - max(run["from_us"], from_us)) for run in runs)
    return recorded_us / (to_us - from_us)


def until(condition: Any, explain: Any = lambda: "it did not come to that") -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, explain()
        time.sleep(0.05)


def now_us() -> int:
    return time.time_ns() // 1000
