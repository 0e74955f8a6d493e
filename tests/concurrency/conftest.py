"""Two counters of one shop: a race inside one process, and between two."""

from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest
from tests.shop import Shop

from holdfast.database import Database


@dataclass(frozen=True)
class TwoCounters:
    """The same shop as two processes see it, each with connections, batches and a memory of its own."""

    one: Shop
    two: Shop


@pytest.fixture
async def counters(database: Database, database_url: str) -> AsyncIterator[TwoCounters]:
    other = Database(database_url, name="test two")
    one, two = Shop(database, live_holds_max=100), Shop(other, live_holds_max=100)
    await one.open()
    two.route_id, two.station_id = one.route_id, one.station_id
    yield TwoCounters(one, two)
    await other.close()
