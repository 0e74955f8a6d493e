"""Deadlines, to the microsecond. A hold has lapsed at its deadline itself, for every statement that judges it, and by the time of
that statement: a transaction that has waited must not take the time at which it began for now.
"""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text
from tests.inventory.conftest import Freeze
from tests.inventory.core import FIVE_MINUTES, Core

from holdfast.inventory import HoldId, PoolId, repository
from holdfast.inventory.models import Hold

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
DEADLINE = NOON + FIVE_MINUTES
JUST_BEFORE = DEADLINE - timedelta(microseconds=1)
JUST_AFTER = DEADLINE + timedelta(microseconds=1)


@pytest.fixture
async def held(core: Core, freeze: Freeze) -> tuple[PoolId, HoldId]:
    """A pool of three, of which two are held from noon to the deadline."""
    freeze(NOON)
    (pool,) = await core.open(3)
    return pool, await core.hold({pool: 2})


async def test_a_hold_begins_and_ends_when_its_statement_says(core: Core, held: tuple[PoolId, HoldId]) -> None:
    async with core.database.transaction() as tx:
        (row,) = await tx.rows(text("SELECT created_at, expires_at FROM holds"))
    assert (row["created_at"], row["expires_at"]) == (NOON, DEADLINE)


@pytest.mark.parametrize("now", [JUST_BEFORE, DEADLINE, JUST_AFTER], ids=["before", "at", "after"])
async def test_every_statement_draws_the_line_at_the_same_instant(
    core: Core, held: tuple[PoolId, HoldId], freeze: Freeze, now: datetime
) -> None:
    pool, hold = held
    freeze(now)
    lives = now < DEADLINE
    async with core.database.transaction() as tx:
        assert await core.inventory.lock_holds(tx, [hold]) == {hold: Hold(hold, DEADLINE, lives)}
        assert (await core.inventory.free(tx, [pool]))[pool].free == (1 if lives else 3)
        assert await repository.next_deadlines(tx, [pool]) == ({pool: DEADLINE} if lives else {})
        assert await core.inventory.seconds_until_next_deadline(tx) == (DEADLINE - now).total_seconds()
        assert await repository.lock_lapsed(tx, {pool: 9}) == ([] if lives else [hold])
        assert await repository.lock_some_lapsed(tx, 9) == ([] if lives else [hold])
        later = await core.inventory.extend(tx, hold, DEADLINE)
        assert later == (Hold(hold, DEADLINE, True) if lives else None)
        await core.inventory.lock_pools(tx, [pool])
        assert list(await core.inventory.confirm(tx, [hold])) == ([hold] if lives else [])


async def test_a_deadline_is_never_moved_earlier(core: Core, held: tuple[PoolId, HoldId]) -> None:
    _, hold = held
    async with core.database.transaction() as tx:
        await core.inventory.lock_holds(tx, [hold])
        assert await core.inventory.extend(tx, hold, JUST_BEFORE) == Hold(hold, DEADLINE, True)
        assert await core.inventory.extend(tx, hold, JUST_AFTER) == Hold(hold, JUST_AFTER, True)
        assert (await core.inventory.lock_holds(tx, [hold]))[hold].expires_at == JUST_AFTER


async def test_a_pool_is_closed_at_the_time_of_the_statement_and_once(core: Core, held: tuple[PoolId, HoldId], freeze: Freeze) -> None:
    pool, _ = held
    for now in (NOON, DEADLINE):
        freeze(now)
        async with core.database.transaction() as tx:
            before = (await core.inventory.lock_pools(tx, [pool]))[pool]
            await core.inventory.close(tx, [pool])
            after = (await core.inventory.lock_pools(tx, [pool]))[pool]
        assert after.closed_at == NOON
        assert after.version == before.version + (1 if now == NOON else 0)
