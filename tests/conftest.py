"""Fixtures for every test. A `database` runs twice: on SQLite, and on a real PostgreSQL."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from incamera.storage.database import Database
from tests.support.database import KINDS, open_database

pytest_plugins = ("tests.support.statement_plugin",)  # every test: statements stay within their activities


@pytest.fixture(params=KINDS)
async def database(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Database]:
    """An empty database with every table."""
    async with open_database(request.param, tmp_path) as opened:
        yield opened
