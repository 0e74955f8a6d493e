"""A city for each test."""

from collections.abc import AsyncIterator

import pytest
from tests.routes.city import City, Visitor

from holdfast.database import Database


@pytest.fixture
def city(database: Database) -> City:
    return City(database)


@pytest.fixture
async def visitor(city: City) -> AsyncIterator[Visitor]:
    async with city.served() as visitor:
        yield visitor


@pytest.fixture
def admin(visitor: Visitor) -> Visitor:
    return visitor.named("admin")
