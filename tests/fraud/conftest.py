"""The watched till, for every test of fraud."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.fraud.watch import Watch, open_watch

from holdfast.database import Database


@pytest.fixture
async def watch(database: Database, owner: Database, tmp_path: Path) -> AsyncIterator[Watch]:
    async with open_watch(database, owner, tmp_path) as opened:
        # Readers of the log begin at its end.
        await opened.count()
        yield opened
