"""A front door for each test."""

import pytest
from tests.auth.front_door import FrontDoor

from holdfast.database import Database


@pytest.fixture
def door(database: Database) -> FrontDoor:
    """Without Redis, so that every test also shows that none is needed."""
    return FrontDoor(database)
