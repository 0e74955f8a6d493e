"""A shop for the tests of sessions."""

import pytest
from tests.shop import Shop

from holdfast.database import Database


@pytest.fixture
async def shop(database: Database) -> Shop:
    opened = Shop(database)
    await opened.open()
    return opened
