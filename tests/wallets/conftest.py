"""The market, for every test of wallets, and a second process of it."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.payments.market import Market, open_market

from holdfast.database import Database
from holdfast.payments.gateways.sandbox import SandboxGateway


@pytest.fixture
async def market(database: Database, tmp_path: Path) -> AsyncIterator[Market]:
    async with open_market(database, tmp_path) as opened:
        yield opened


@pytest.fixture
async def other(market: Market, database_url: str) -> AsyncIterator[Market]:
    """Another process of the same market."""
    database = Database(database_url, name="another process")
    gateway = market.payments.gateways["sandbox"]
    assert isinstance(gateway, SandboxGateway)
    yield Market(database, gateway)
    await database.close()
