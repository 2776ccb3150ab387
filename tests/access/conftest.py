"""Access on both databases."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from incamera.storage.database import Database
from tests.support.household import Household, open_household


@pytest.fixture
async def server(database: Database, tmp_path: Path) -> AsyncIterator[Household]:
    async with open_household(database, tmp_path) as household:
        yield household
