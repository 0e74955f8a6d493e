"""A world for each journey."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import redis.asyncio as redis_module
from tests.world import World, open_world


@pytest.fixture
async def world(database_url: str, redis_url: str, redis: redis_module.Redis, tmp_path: Path) -> AsyncIterator[World]:
    async with open_world(database_url, redis_url, tmp_path) as opened:
        yield opened
