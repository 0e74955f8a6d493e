"""Transactions that may be booked later: they take what is available, and nothing of what is there."""

from uuid import uuid4

import pytest
from tests.ledger.books import SANDBOX, now, posted, rolled_up, transfer

from holdfast.common.actor import UserId
from holdfast.common.money import Amount, egp
from holdfast.database import Database
from holdfast.ledger import (
    FEES,
    Account,
    Exchange,
    NoExchange,
    Overdrawn,
    PendingEnd,
    PendingEnded,
    PendingOutcome,
    PendingUnknown,
    Purpose,
    Transaction,
    Unbalanced,
    available,
    balance,
    end_pending,
    guarded_balances,
    open_pending,
)


async def standing(database: Database, account: Account) -> tuple[int, int]:
    """What an account has, and what of it is available."""
    async with database.reading() as tx:
        had, free = await balance(tx, account), await available(tx, account)
    return sum(amount.minor for amount in had), sum(amount.minor for amount in free)


async def opened(database: Database, transaction: Transaction) -> int:
    async with database.transaction() as tx:
        return await open_pending(tx, [transaction])


async def ended(database: Database, transaction: Transaction, outcome: PendingOutcome) -> None:
    async with database.transaction() as tx:
        await end_pending(tx, [PendingEnd(transaction.id, transaction.purpose, outcome, transaction.at)])


@pytest.fixture
async def wallet(database: Database) -> Account:
    filled = Account.wallet(UserId.new())
    await posted(database, [transfer(SANDBOX, filled, egp(50), await now(database))])
    return filled


@pytest.mark.parametrize("rolls_up", [False, True])
@pytest.mark.parametrize(("outcome", "left"), [(PendingOutcome.POSTED, 3_000), (PendingOutcome.VOIDED, 5_000)])
async def test_what_is_pending_is_not_available_and_counts_in_no_balance(
    database: Database, wallet: Account, outcome: PendingOutcome, left: int, rolls_up: bool
) -> None:
    payout = transfer(wallet, FEES, egp(20), await now(database), purpose=Purpose.PAYOUT_PAID)
    assert [await opened(database, payout) for _ in range(2)] == [2, 0]
    if rolls_up:
        await rolled_up(database, 4)
    assert await standing(database, wallet) == (5_000, 3_000)
    # What is still to come is not there yet.
    assert await standing(database, FEES) == (0, 0)
    async with database.reading() as tx:
        assert await guarded_balances(tx, [(wallet, "EGP")]) == {(wallet, "EGP"): egp(30)}
    for _ in range(2):
        await ended(database, payout, outcome)
    assert await standing(database, wallet) == (left, left)
    if rolls_up:
        await rolled_up(database, 4 if outcome is PendingOutcome.POSTED else 2)
    assert await standing(database, wallet) == (left, left)
    assert await standing(database, FEES) == (5_000 - left, 5_000 - left)


async def test_more_than_is_available_cannot_be_set_aside(database: Database, wallet: Account) -> None:
    at = await now(database)
    assert await opened(database, transfer(wallet, FEES, egp(30), at)) == 2
    with pytest.raises(Overdrawn):
        await opened(database, transfer(wallet, FEES, egp(21), at))
    with pytest.raises(Overdrawn):
        await posted(database, [transfer(wallet, FEES, egp(21), at)])
    assert await standing(database, wallet) == (5_000, 2_000)


async def test_it_ends_in_one_way(database: Database, wallet: Account) -> None:
    kept = transfer(wallet, FEES, egp(20), await now(database))
    await opened(database, kept)
    await ended(database, kept, PendingOutcome.VOIDED)
    with pytest.raises(PendingEnded):
        await ended(database, kept, PendingOutcome.POSTED)
    assert await standing(database, wallet) == (5_000, 5_000)


async def test_what_was_never_pending_does_not_end(database: Database, wallet: Account) -> None:
    with pytest.raises(PendingUnknown):
        await ended(database, transfer(wallet, FEES, egp(20), await now(database)), PendingOutcome.POSTED)


async def test_two_purposes_of_one_thing_end_apart(database: Database, wallet: Account) -> None:
    thing, at = uuid4(), await now(database)
    fee = transfer(wallet, FEES, egp(1), at, of=thing)
    fare = transfer(wallet, SANDBOX, egp(10), at, of=thing, purpose=Purpose.PAYOUT_PAID)
    async with database.transaction() as tx:
        assert await open_pending(tx, [fee, fare]) == 4
        await end_pending(
            tx,
            [
                PendingEnd(thing, fee.purpose, PendingOutcome.POSTED, at),
                PendingEnd(thing, fare.purpose, PendingOutcome.VOIDED, at),
            ],
        )
        await end_pending(tx, [])
    assert await standing(database, wallet) == (4_900, 4_900)


async def test_what_is_out_of_balance_or_in_two_currencies_is_not_set_aside(database: Database, wallet: Account) -> None:
    fine = transfer(wallet, FEES, egp(1), await now(database))
    with pytest.raises(Unbalanced):
        await opened(database, Transaction(fine.id, fine.purpose, fine.at, fine.entries[:1]))
    entries = (*fine.entries, *transfer(SANDBOX, FEES, Amount("USD", 1), fine.at).entries)
    for rate in (None, Exchange(egp(1), Amount("USD", 1))):
        with pytest.raises(NoExchange):
            await opened(database, Transaction(fine.id, fine.purpose, fine.at, entries, rate))
