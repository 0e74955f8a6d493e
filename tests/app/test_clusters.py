"""What the tests themselves stand on."""

from collections.abc import Callable
from datetime import datetime, timedelta

import psycopg
import pytest
from redis.asyncio import Redis
from sqlalchemy import text
from tests.clusters import TEMPLATE_MONTHS_AHEAD

from holdfast.app.migration import migrate
from holdfast.app.revisions import is_current
from holdfast.database import Database

NOW = text("SELECT business_now()")


async def test_the_program_has_the_lesser_role(database: Database) -> None:
    async with database.reading() as tx:
        assert await tx.value(text("SELECT current_user")) == "holdfast_app"

    async def make_a_table() -> None:
        async with database.transaction() as tx:
            await tx.run(text("CREATE TABLE mine (id integer)"))

    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        await make_a_table()


async def test_nothing_is_less_durable_than_in_production(database: Database) -> None:
    async with database.reading() as tx:
        for setting in ("fsync", "full_page_writes", "synchronous_commit", "data_checksums"):
            assert await tx.value(text(f"SELECT current_setting('{setting}')")) == "on", setting


@pytest.mark.parametrize("turn", [1, 2])
async def test_each_test_has_a_database_of_its_own(owner: Database, turn: int) -> None:
    async with owner.transaction() as tx:
        await tx.run(text("CREATE TABLE only_here (turn integer)"))


async def test_time_moves(database: Database, move_time: Callable[[timedelta], None]) -> None:
    async with database.reading() as tx:
        before: datetime = await tx.value(NOW)
    move_time(timedelta(minutes=5))
    async with database.reading() as tx:
        after: datetime = await tx.value(NOW)
    assert timedelta(minutes=5) <= after - before < timedelta(minutes=6)


async def test_redis_starts_empty(redis: Redis) -> None:
    assert await redis.dbsize() == 0
    await redis.set("left", "behind")


async def test_redis_is_empty_again(redis: Redis) -> None:
    assert await redis.dbsize() == 0


def test_migrating_again_changes_nothing(owner_url: str, database_url: str) -> None:
    assert migrate(owner_url, months_ahead=TEMPLATE_MONTHS_AHEAD) == []
    assert is_current(database_url)
