"""The till, for every test of clearing."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.payments.till import Till, open_till

from holdfast.database import Database


@pytest.fixture
async def till(database: Database, owner: Database, tmp_path: Path) -> AsyncIterator[Till]:
    async with open_till(database, owner, tmp_path) as opened:
        yield opened
