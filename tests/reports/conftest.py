"""The market, for every test of reports."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.payments.market import Market, open_market

from holdfast.database import Database


@pytest.fixture
async def market(database: Database, tmp_path: Path) -> AsyncIterator[Market]:
    async with open_market(database, tmp_path) as opened:
        yield opened
