"""Fixtures for every test. A `database` runs twice: on SQLite, and on a real PostgreSQL."""

import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from incamera.storage.database import Database
from tests.support import network
from tests.support.database import KINDS, open_database


def pytest_configure() -> None:
    network.watch()


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Requirement book 4.8: an undeclared remote address fails the run."""
    if hasattr(session.config, "workeroutput"):  # run side by side: the one who started this process decides
        session.config.workeroutput["foreign"] = network.foreign
    elif network.foreign:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
        sys.stderr.write(f"\ntests connected to {sorted(set(network.foreign))}; no test may reach the network\n")


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """A process that ran some of the tests has ended: what it found counts for the run."""
    network.foreign += getattr(node, "workeroutput", {}).get("foreign", [])


pytest_plugins = ("tests.support.statement_plugin",)  # every test: statements stay within their activities


@pytest.fixture(params=KINDS)
async def database(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Database]:
    """An empty database with every table."""
    async with open_database(request.param, tmp_path) as opened:
        yield opened
