"""Posting to the ledger, against a real database."""

from datetime import UTC, datetime

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from holdfast.common.actor import UserId
from holdfast.common.money import Amount, egp
from holdfast.database import Database
from holdfast.ledger import (
    EXCHANGE,
    FEES,
    REFUNDS_DUE,
    Account,
    AccountKind,
    Entry,
    Exchange,
    NoExchange,
    Purpose,
    Transaction,
    Unbalanced,
    UnknownCurrency,
    balance,
    post,
    repository,
)
from holdfast.payments import PaymentId

NOW = datetime(2030, 1, 1, tzinfo=UTC)
SANDBOX = Account.gateway("sandbox")


def capture(payee: UserId, *, fare: Amount, fee: Amount) -> Transaction:
    entries = (Entry(SANDBOX, -(fare + fee)), Entry(Account.payee(payee), fare), Entry(FEES, fee))
    return Transaction(PaymentId.new(), Purpose.CAPTURE, NOW, entries)


async def test_balances_are_sums_of_entries(database: Database) -> None:
    payee = UserId.new()
    async with database.transaction() as tx:
        assert await post(tx, [capture(payee, fare=egp(30), fee=egp(1)), capture(payee, fare=egp(15), fee=egp(1))]) == 6
    async with database.reading() as tx:
        assert await balance(tx, Account.payee(payee)) == [egp(45)]
        assert await balance(tx, FEES) == [egp(2)]
        assert await balance(tx, SANDBOX) == [egp(-47)]
        assert await balance(tx, REFUNDS_DUE) == []


async def test_a_second_posting_changes_nothing(database: Database) -> None:
    payee = UserId.new()
    booked = capture(payee, fare=egp(30), fee=egp(1))
    for expected in (3, 0):
        async with database.transaction() as tx:
            assert await post(tx, [booked]) == expected
    async with database.reading() as tx:
        assert await balance(tx, Account.payee(payee)) == [egp(30)]


async def test_entries_of_nothing_are_left_out(database: Database) -> None:
    async with database.transaction() as tx:
        assert await post(tx, [capture(UserId.new(), fare=egp(30), fee=egp(0))]) == 2


async def test_currencies_are_kept_apart(database: Database) -> None:
    payee = UserId.new()
    async with database.transaction() as tx:
        await post(tx, [capture(payee, fare=egp(30), fee=egp(1)), capture(payee, fare=Amount("JPY", 500), fee=Amount("JPY", 10))])
    async with database.reading() as tx:
        assert await balance(tx, Account.payee(payee)) == [egp(30), Amount("JPY", 500)]


@pytest.mark.parametrize(
    "entries", [(Entry(SANDBOX, egp(-31)), Entry(FEES, egp(30))), (Entry(SANDBOX, egp(-1)), Entry(FEES, Amount("USD", 100)))]
)
async def test_what_does_not_sum_to_zero_is_refused_twice(
    database: Database, monkeypatch: pytest.MonkeyPatch, entries: tuple[Entry, ...]
) -> None:
    crooked = Transaction(PaymentId.new(), Purpose.CAPTURE, NOW, entries)
    async with database.transaction() as tx:
        with pytest.raises(Unbalanced):
            await post(tx, [crooked])
    monkeypatch.setattr(repository, "require_balance", lambda transactions: None)
    with pytest.raises(psycopg.errors.CheckViolation):
        async with database.transaction() as tx:
            await post(tx, [crooked])


@pytest.mark.parametrize("change", ["UPDATE ledger_entries SET amount = 1", "DELETE FROM ledger_entries", "TRUNCATE ledger_entries"])
@pytest.mark.parametrize(
    ("table", "column"),
    [
        ("ledger_entries", "amount"),
        ("ledger_transactions", "currency"),
        ("ledger_accounts", "currency"),
        ("ledger_pending_transactions", "currency"),
        ("ledger_pending_entries", "amount"),
        ("ledger_pending_ends", "outcome"),
        ("ledger_closings", "ends_at"),
        ("ledger_days", "seal"),
        ("ledger_day_balances", "balance"),
    ],
)
async def test_the_program_cannot_rewrite_the_books(database: Database, change: str, table: str, column: str) -> None:
    change = change.replace("amount = 1", f"{column} = {column}")
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        async with database.transaction() as tx:
            await tx.run(text(change.replace("ledger_entries", table)))


POUNDS = Account(AccountKind.GATEWAY, "pounds")
DOLLARS = Account(AccountKind.GATEWAY, "dollars")


def exchanged(rate: Exchange | None, *, egp_in: int = 5_000, usd_out: int = 100) -> Transaction:
    """Somebody gave pounds for dollars."""
    pounds, dollars = Amount("EGP", egp_in), Amount("USD", usd_out)
    entries = (Entry(POUNDS, -pounds), Entry(EXCHANGE, pounds), Entry(EXCHANGE, -dollars), Entry(DOLLARS, dollars))
    return Transaction(PaymentId.new(), Purpose.EXCHANGED, NOW, entries, rate)


async def test_one_currency_is_exchanged_for_another_at_a_rate(database: Database) -> None:
    booked = exchanged(Exchange(Amount("EGP", 5_000), Amount("USD", 100)))
    async with database.transaction() as tx:
        assert await post(tx, [booked]) == 4
        rows = await tx.rows(
            text("SELECT currency, currencies, exchanged FROM ledger_transactions WHERE id = :id ORDER BY 1"), id=booked.id
        )
    assert [tuple(row.values()) for row in rows] == [("EGP", 2, 5_000), ("USD", 2, -100)]
    async with database.reading() as tx:
        assert await balance(tx, EXCHANGE) == [Amount("EGP", 5_000), Amount("USD", -100)]


@pytest.mark.parametrize(
    "rate",
    [
        None,
        Exchange(Amount("EGP", 4_999), Amount("USD", 100)),
        Exchange(Amount("USD", 100), Amount("EGP", 5_000)),
        Exchange(Amount("EGP", 5_000), Amount("KWD", 100)),
        Exchange(Amount("EGP", 0), Amount("USD", 0)),
    ],
)
async def test_two_currencies_need_the_rate_at_which_they_are_exchanged(database: Database, rate: Exchange | None) -> None:
    async with database.transaction() as tx:
        with pytest.raises(NoExchange):
            await post(tx, [exchanged(rate)])


async def test_a_rate_without_an_exchange_is_refused(database: Database) -> None:
    one = capture(UserId.new(), fare=egp(30), fee=egp(1))
    async with database.transaction() as tx:
        with pytest.raises(NoExchange):
            await post(tx, [Transaction(one.id, one.purpose, one.at, one.entries, Exchange(egp(1), Amount("USD", 1)))])


async def test_the_database_refuses_two_currencies_without_an_exchange(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = (capture(UserId.new(), fare=Amount(currency, 30), fee=Amount(currency, 0)) for currency in ("EGP", "USD"))
    monkeypatch.setattr(repository, "require_balance", lambda transactions: None)
    with pytest.raises(psycopg.errors.CheckViolation, match="ledger_transactions_exchanged"):
        async with database.transaction() as tx:
            await post(tx, [Transaction(PaymentId.new(), Purpose.CAPTURE, NOW, first.entries + second.entries)])


async def test_what_is_no_money_is_not_posted(database: Database) -> None:
    async with database.transaction() as tx:
        with pytest.raises(UnknownCurrency):
            await post(tx, [capture(UserId.new(), fare=Amount("XAU", 30), fee=Amount("XAU", 1))])


amounts = st.integers(min_value=-(10**12), max_value=10**12)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.sampled_from([SANDBOX, FEES, REFUNDS_DUE]), amounts), max_size=6), st.sampled_from(["EGP", "JPY", "KWD"]))
async def test_whatever_is_posted_sums_to_zero(database: Database, moves: list[tuple[Account, int]], currency: str) -> None:
    entries = tuple(
        entry
        for account, minor in moves
        for entry in (Entry(account, Amount(currency, minor)), Entry(Account(AccountKind.BANK), Amount(currency, -minor)))
    )
    async with database.transaction() as tx:
        await post(tx, [Transaction(PaymentId.new(), Purpose.CAPTURE, NOW, entries)])
        sums = await tx.rows(text("SELECT transaction_id, currency FROM ledger_entries GROUP BY 1, 2 HAVING sum(amount) <> 0"))
        assert not sums
