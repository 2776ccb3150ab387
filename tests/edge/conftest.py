"""An edge in the test process, with a server and a camera that obey the test. The production event loop."""

import argparse
import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import uvloop

from incamera.edge.courier import SpoolLimits
from incamera.edge.main import Edge, EdgeOptions, add_arguments
from incamera.edge.uplink import UplinkTiming
from incamera.kit.clock import SystemClock
from tests.support.unit_source import Camera
from tests.support.uplink_server import CODE, UplinkServer


def pytest_asyncio_loop_factories(config: Any, item: Any) -> Mapping[str, Callable[[], Any]]:
    return {"uvloop": uvloop.new_event_loop}


class RunningEdge:
    """Starts and ends lives of one edge."""

    def __init__(self, data: Path, server: UplinkServer, camera: Camera) -> None:
        self.data, self.server, self.camera = data, server, camera
        self.spool = SpoolLimits()
        self.timing = UplinkTiming(longest_delay_s=1.0)
        self._edge: Edge | None = None
        self._task: asyncio.Task[None] | None = None

    async def start(self, *, url: str = "", code: str | None = CODE) -> None:
        self.data.mkdir(exist_ok=True)
        parser = argparse.ArgumentParser()
        add_arguments(parser)
        given = ["--server", url or self.server.url, "--data", str(self.data), "--unconfined"]
        options = EdgeOptions.parse(parser.parse_args([*given, "--code", code] if code else given))
        self._edge = Edge(replace(options, spool=self.spool), SystemClock(), self.camera.make_source, self.timing)
        await self._edge.open()
        self._task = asyncio.create_task(self._edge.run())

    async def stop(self) -> None:
        """As SIGTERM does."""
        assert self._edge is not None
        await self._edge.close()
        await self.kill()

    async def kill(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None

    def spool_files(self) -> list[Path]:
        return sorted((self.data / "spool").glob("*.spool"))


@asynccontextmanager
async def running_server() -> AsyncIterator[UplinkServer]:
    server = UplinkServer()
    await server.start()
    try:
        yield server
    finally:
        await server.stop()


@pytest.fixture
async def server() -> AsyncIterator[UplinkServer]:
    async with running_server() as server:
        yield server


@pytest.fixture
def camera() -> Camera:
    return Camera()


@pytest.fixture
async def edge(tmp_path: Path, server: UplinkServer, camera: Camera) -> AsyncIterator[RunningEdge]:
    edge = RunningEdge(tmp_path / "edge", server, camera)
    try:
        yield edge
    finally:
        if edge._task is not None:
            await edge.stop()
