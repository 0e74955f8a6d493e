"""Posting while balances are rolled up, days closed and pending transactions ended; each also without its guard."""

import asyncio
from contextlib import suppress
from uuid import uuid4

from sqlalchemy import text
from tests.ledger import guards as _guards
from tests.ledger.books import SANDBOX, ZONE, days_ago, earn, now, posted, rolled_up, transfer, wrongly_sealed
from tests.races import guarded_and, race

from holdfast.common.actor import UserId
from holdfast.common.money import egp
from holdfast.database import Database
from holdfast.ledger import (
    FEES,
    Account,
    Overdrawn,
    PendingEnd,
    PendingEnded,
    PendingOutcome,
    Purpose,
    balance,
    end_pending,
    open_pending,
    post,
)
from holdfast.ledger.days import Days
from holdfast.ledger.repository import SQL
from holdfast.ledger.roll_up import RollUp

assert _guards


async def fees(database: Database) -> tuple[int, int]:
    """What the account of fees has, as told and by sum."""
    async with database.reading() as tx:
        (told,) = await balance(tx, FEES)
        summed = await tx.value(
            text("SELECT sum(amount) FROM ledger_entries e JOIN ledger_accounts a ON a.id = e.account_id WHERE a.kind = 'FEES'")
        )
    return told.minor, summed


@guarded_and("ledger.without_horizon")
async def test_what_commits_late_is_not_lost(database: Database, owner_url: str, guard: str | None) -> None:
    at, roll_up = await now(database), RollUp(database)
    await earn(database, 1, at)

    async def once() -> str | None:
        async with database.transaction() as slow:
            await post(slow, [transfer(SANDBOX, FEES, egp(1), at)])
            await earn(database, 2, at)
            await roll_up.roll_up_some()
        await roll_up.roll_up_some()
        told, summed = await fees(database)
        return None if told == summed else f"{told} instead of {summed}"

    await race(once, guard, owner_url, rounds=3)


@guarded_and("ledger.without_roll_up_lock")
async def test_two_workers_add_nothing_up_twice(database: Database, owner_url: str, guard: str | None) -> None:
    at = await now(database)
    workers = [RollUp(database) for _ in range(4)]

    async def once() -> str | None:
        for _ in range(3):
            await earn(database, 1, at)
        await asyncio.gather(*(worker.roll_up_some() for worker in workers))
        told, summed = await fees(database)
        return None if told == summed else f"{told} instead of {summed}"

    await race(once, guard, owner_url, rounds=5)


async def test_balances_are_exact_while_many_post_and_one_rolls_up(database: Database) -> None:
    at, roll_up = await now(database), RollUp(database)
    await earn(database, 1, at)
    seen: list[int] = []

    async def sell() -> None:
        for _ in range(15):
            await earn(database, 1, at)

    async def look() -> None:
        for _ in range(60):
            told, summed = await fees(database)
            # The sum is taken a moment later, so there may be more of it.
            assert told <= summed
            seen.append(told)

    async def add_up() -> None:
        for _ in range(40):
            await roll_up.roll_up_some(limit=7)

    await asyncio.gather(*(sell() for _ in range(6)), look(), add_up())
    # Balances only grow here: one that fell had lost an entry, if only for a moment.
    assert seen == sorted(seen)
    assert await fees(database) == (9_100, 9_100)


@guarded_and("ledger.without_waiting")
async def test_a_day_is_sealed_with_what_was_under_way(database: Database, owner_url: str, guard: str | None) -> None:
    await earn(database, 1, await days_ago(database, 40))
    days = Days(database, zone=ZONE)

    async def once() -> str | None:
        async with database.reading() as tx:
            last = await tx.value(text("SELECT coalesce(max(ends_at), business_now() - interval '40 days') FROM ledger_days"))
        async with database.transaction() as slow:
            # Its ids and its look at what is closed are taken; its COMMIT comes later.
            await post(slow, [transfer(SANDBOX, FEES, egp(1), last)])
            closing = asyncio.create_task(days.close_next())
            # However long we wait here, it must not be sealed: the guard waits for us, the control is done in a moment.
            await asyncio.wait([closing], timeout=0.3)
        assert await closing
        wrong = await wrongly_sealed(database)
        return f"sealed too early: {wrong}" if wrong else None

    await race(once, guard, owner_url, rounds=2)


@guarded_and("ledger.without_closings")
async def test_nothing_is_posted_into_a_closed_day(database: Database, owner_url: str, guard: str | None) -> None:
    at = await days_ago(database, 3)
    await earn(database, 1, at)
    assert await Days(database, zone=ZONE).close_next()

    async def once() -> str | None:
        before = await now(database)
        late = transfer(SANDBOX, FEES, egp(1), at)
        await posted(database, [late])
        async with database.reading() as tx:
            moved = await tx.rows(text("SELECT posted_at FROM ledger_entries WHERE transaction_id = :id"), id=late.id)
        if any(entry["posted_at"] < before for entry in moved):
            return "posted into a closed day"
        return "not as sealed" if await wrongly_sealed(database) else None

    await race(once, guard, owner_url, rounds=2)


async def fill(database: Database, pounds: int) -> Account:
    wallet = Account.wallet(UserId.new())
    await posted(database, [transfer(SANDBOX, wallet, egp(pounds), await now(database))])
    return wallet


@guarded_and("ledger.without_pending_wall")
async def test_what_is_pending_is_not_spent(database: Database, owner_url: str, guard: str | None) -> None:
    at = await now(database)

    async def once() -> str | None:
        wallet = await fill(database, 30)

        async def reserve() -> bool:
            try:
                async with database.transaction() as tx:
                    await open_pending(tx, [transfer(wallet, SANDBOX, egp(20), at, purpose=Purpose.RESERVED)])
            except Overdrawn:
                return False
            return True

        async def spend() -> bool:
            try:
                await posted(database, [transfer(wallet, FEES, egp(20), at)])
            except Overdrawn:
                return False
            return True

        had = await asyncio.gather(reserve(), spend(), reserve(), spend())
        return None if sum(had) == 1 else f"{sum(had)} had the same money"

    await race(once, guard, owner_url, rounds=5)


@guarded_and("ledger.without_one_end")
async def test_a_pending_transaction_ends_once(database: Database, owner_url: str, guard: str | None) -> None:
    at = await now(database)

    async def once() -> str | None:
        wallet, charge = await fill(database, 50), uuid4()
        async with database.transaction() as tx:
            await open_pending(tx, [transfer(wallet, FEES, egp(20), at, of=charge)])

        async def end(outcome: PendingOutcome) -> PendingOutcome | None:
            try:
                async with database.transaction() as tx:
                    await end_pending(tx, [PendingEnd(charge, Purpose.CAPTURE, outcome, at)])
            except PendingEnded:
                return None
            return outcome

        told = await asyncio.gather(*(end(outcome) for outcome in (*PendingOutcome, *PendingOutcome)))
        async with database.reading() as tx:
            (left,) = await balance(tx, wallet)
            pending = await tx.value(text("SELECT sum(sign * amount) FROM ledger_pending_entries WHERE transaction_id = :id"), id=charge)
        heard = {outcome for outcome in told if outcome}
        if len(heard) != 1 or pending != 0:
            return f"ended as {heard}, {pending} pending"
        return None if left == (egp(30) if heard == {PendingOutcome.POSTED} else egp(50)) else f"{heard}, and {left} are left"

    await race(once, guard, owner_url, rounds=5)


class Killed(Exception):
    """Before its COMMIT, so the server rolls back what it did."""


async def die_rolling_up(database: Database) -> int:
    added = 0
    with suppress(Killed):
        async with database.transaction() as tx:
            added = await tx.value(SQL.roll_up, epoch=-1, xid="0", limit=100)
            raise Killed
    return added


async def test_a_killed_roll_up_is_done_again(database: Database) -> None:
    await earn(database, 5, await now(database))
    async with asyncio.timeout(20):
        while (added := await die_rolling_up(database)) == 0:
            await asyncio.sleep(0.01)
    assert added == 2
    assert await fees(database) == (500, 500)
    await rolled_up(database, 2)
    assert await fees(database) == (500, 500)
