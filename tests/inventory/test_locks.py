"""Which rows a statement locks, how strongly, in which order, and for whom it waits: seen from a second connection.

A row that somebody keeps locked stops the statement in the middle, so that what it has locked by then can be tried from outside.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any
from uuid import UUID

import psycopg
import pytest
from psycopg import errors, sql
from sqlalchemy import text
from tests.inventory.core import Core, without_indexes

from holdfast.bookings import repository as bookings
from holdfast.database import Database, Query
from holdfast.inventory import PoolId, repository

SOON = timedelta(microseconds=1)


class Outside:
    """Somebody else's connection, who looks at rows and may keep one."""

    def __init__(self, connection: psycopg.AsyncConnection[Any]) -> None:
        self._connection = connection

    async def keep(self, table: str, row: UUID) -> None:
        """Lock a row until ``let_go``."""
        await self._connection.execute(sql.SQL("SELECT 1 FROM {} WHERE id = %s FOR UPDATE").format(sql.Identifier(table)), (row,))

    async def let_go(self) -> None:
        await self._connection.rollback()

    async def can_take(self, table: str, row: UUID, strength: str) -> bool:
        """Whether a lock of that strength is to be had at once."""
        ask = sql.SQL("SELECT 1 FROM {} WHERE id = %s FOR {} NOWAIT").format(sql.Identifier(table), sql.SQL(strength))
        try:
            async with self._connection.transaction(force_rollback=True):
                await self._connection.execute(ask, (row,))
        except errors.LockNotAvailable:
            return False
        return True

    async def somebody_waits(self) -> bool:
        # Unlike pg_stat_activity, this is told to everybody.
        cursor = await self._connection.execute("SELECT count(*) FROM pg_locks WHERE NOT granted")
        row = await cursor.fetchone()
        return row is not None and row[0] > 0


@asynccontextmanager
async def outside(owner_url: str) -> AsyncIterator[Outside]:
    async with await psycopg.AsyncConnection.connect(owner_url) as connection:
        yield Outside(connection)
        await connection.rollback()


async def rows_to_lock(core: Core, table: str) -> list[UUID]:
    """Three rows of a table, in the order of their ids and written the other way round."""
    if table == "pools":
        return list(await core.open(1, 1, 1))
    (pool,) = await core.open(9)
    held = [await core.hold({pool: 1}) for _ in range(3)]
    async with core.database.transaction() as tx:
        if table == "bookings":
            for hold in sorted(held, reverse=True):
                await tx.run(
                    text(
                        "INSERT INTO bookings (id, customer_id, kind, owner_id, quantity, status, fare, service_fee, currency, payee_id,"
                        " held_until, available_after) VALUES (:id, :id, 'session', :id, 1, 'PENDING', 1, 1, 'EGP', :id, business_now(), 1)"
                    ),
                    id=hold,
                )
        else:
            for hold in sorted(held, reverse=True):
                await tx.run(text("UPDATE holds SET created_at = created_at WHERE id = :id"), id=hold)
    return sorted(held)


ORDERED = [
    pytest.param(repository.SQL.lock_pools, "pools", id="pools"),
    pytest.param(repository.SQL.lock_holds, "holds", id="holds"),
    pytest.param(bookings.SQL.lock, "bookings", id="bookings"),
]


@pytest.mark.parametrize(("query", "table"), ORDERED)
@pytest.mark.parametrize("kept", [0, 1, 2], ids=["first", "middle", "last"])
async def test_rows_are_locked_by_id_and_waited_for(core: Core, owner_url: str, query: Query, table: str, kept: int) -> None:
    """Whoever waits for a row has locked all those before it and none after it: two who do so cannot wait for each other."""
    ids = await rows_to_lock(core, table)

    async def lock() -> Sequence[object]:
        async with core.database.transaction() as tx:
            await without_indexes(tx)
            found = await tx.rows(query, ids=list(reversed(ids)))
            return [row["id"] for row in found]

    async with outside(owner_url) as keeper, outside(owner_url) as looker:
        await keeper.keep(table, ids[kept])
        locking = asyncio.create_task(lock())
        while not await looker.somebody_waits():
            assert not locking.done(), "it did not wait for a row that somebody has"
            await asyncio.sleep(0.005)
        free = [await looker.can_take(table, row, "SHARE") for row in ids]
        await keeper.let_go()
        assert await locking == ids
    assert free == [row > ids[kept] for row in ids]


def strengths(*, foreign_keys_wait: bool) -> dict[str, bool]:
    return {"UPDATE": False, "NO KEY UPDATE": False, "SHARE": False, "KEY SHARE": not foreign_keys_wait}


@pytest.mark.parametrize(
    ("query", "table", "foreign_keys_wait"),
    [
        pytest.param(repository.SQL.lock_pools, "pools", False, id="lock_pools"),
        pytest.param(repository.SQL.lock_pools_nobody_has, "pools", False, id="lock_pools_nobody_has"),
        pytest.param(repository.SQL.lock_holds, "holds", True, id="lock_holds"),
        pytest.param(bookings.SQL.lock, "bookings", False, id="bookings"),
    ],
)
async def test_a_lock_is_as_strong_as_it_has_to_be(core: Core, owner_url: str, query: Query, table: str, foreign_keys_wait: bool) -> None:
    """Nobody else may change the row, nor share it with whoever wants it to stay as it is; whoever only refers to it need not wait."""
    ids = await rows_to_lock(core, table)
    async with outside(owner_url) as looker, core.database.transaction() as tx:
        await tx.rows(query, ids=ids[:1])
        found = {strength: await looker.can_take(table, ids[0], strength) for strength in strengths(foreign_keys_wait=True)}
        assert found == strengths(foreign_keys_wait=foreign_keys_wait)
        assert await looker.can_take(table, ids[1], "UPDATE")


@pytest.mark.parametrize("query", [repository.SQL.lock_lapsed, repository.SQL.lock_some_lapsed], ids=lambda query: query.name)
async def test_lapsed_holds_are_locked_but_for_those_that_somebody_has(core: Core, owner_url: str, query: Query) -> None:
    (pool,) = await core.open(9)
    held = [await core.hold({pool: 1})]
    (first, second), _ = await core.try_claim({pool: 1}, {pool: 1}, lifetime=SOON)
    parameters = {"pool_ids": [pool], "quantities": [9], "spare": 0} if query is repository.SQL.lock_lapsed else {"limit": 9, "oldest": 9}
    async with outside(owner_url) as keeper, outside(owner_url) as looker:
        await keeper.keep("holds", first)
        async with core.database.transaction() as tx:
            assert [row["id"] for row in await tx.rows(query, **parameters)] == [second]
            assert not await looker.can_take("holds", second, "KEY SHARE")
            assert await looker.can_take("holds", held[0], "UPDATE")


async def test_pools_that_somebody_has_are_left_out_and_their_holds_wait_for_the_next_time(core: Core, owner_url: str) -> None:
    free, stuck = await core.open(3, 3)
    (one, both), _ = await core.try_claim({free: 1}, {free: 1, stuck: 2}, lifetime=SOON)
    async with outside(owner_url) as keeper:
        await keeper.keep("pools", stuck)
        async with core.database.transaction() as tx:
            assert await core.inventory.expire(tx, 9) == 1
        assert core.told.given_back_ids == [one]
        async with core.database.transaction() as tx:
            assert await core.inventory.expire(tx, 9) == 0
        assert core.told.given_back_ids == [one]
    seen = await core.see()
    assert (set(seen.holds), seen.pools[free], seen.pools[stuck]) == ({both}, (1, 0, 3, False), (2, 0, 2, False))
    async with core.database.transaction() as tx:
        assert await core.inventory.expire(tx, 9) == 1
    assert (await core.see()).holds == {}


async def test_a_stuck_pool_is_waited_for_a_quarter_of_a_second_and_everything_else_as_ever(database_url: str, owner_url: str) -> None:
    """One connection, so that what a transaction leaves set is what the next one finds."""
    single = Database(database_url, name="test single", connections=1, readers=0)
    core = Core(single)
    try:
        pools = await core.open(1, 1)
        async with single.transaction() as tx:
            usual = await tx.value(text("SHOW lock_timeout"))
            await core.inventory.lock_pools(tx, pools[:1])
            assert await tx.value(text("SHOW lock_timeout")) == usual == "2s"
            await tx.run(repository.SQL.short_wait)
            assert await tx.value(text("SHOW lock_timeout")) == "250ms"
        async with single.transaction() as tx:
            assert await tx.value(text("SHOW lock_timeout")) == usual
        async with outside(owner_url) as keeper:
            await keeper.keep("pools", pools[1])
            with pytest.raises(errors.LockNotAvailable):
                await lock_both(core, pools)
    finally:
        await single.close()


async def lock_both(core: Core, pools: Sequence[PoolId]) -> None:
    async with core.database.transaction() as tx:
        began = await tx.value(text("SELECT clock_timestamp()"))
        try:
            await core.inventory.lock_pools(tx, pools)
        finally:
            async with await psycopg.AsyncConnection.connect(core.database.url) as other:
                cursor = await other.execute("SELECT clock_timestamp()")
                row = await cursor.fetchone()
                assert row is not None
                assert row[0] - began < timedelta(seconds=1.5), "it waited as long as for any other lock"
