"""Posting, pending transactions, and balances."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import date, datetime
from uuid import UUID

from msgspec import Struct
from psycopg.errors import CheckViolation

from holdfast.common.currencies import DIGITS
from holdfast.common.money import Amount
from holdfast.database import Query, Tx, queries
from holdfast.ledger.models import (
    GUARDED,
    Account,
    AccountId,
    AccountKind,
    Entry,
    EntryId,
    GuardedBalanceTable,
    LedgerAccount,
    NoExchange,
    Overdrawn,
    PendingEnd,
    PendingEnded,
    PendingOutcome,
    PendingUnknown,
    Period,
    PostedEntry,
    Purpose,
    StandingAccount,
    Transaction,
    TrialBalance,
    TrialRow,
    Unbalanced,
    UnknownCurrency,
)

SQL = queries(__file__)

CURRENCIES_MAX = 2
"""A transaction exchanges one currency for one other, or none."""


class _Balance(Struct, frozen=True):
    kind: AccountKind
    owner: str
    currency: str
    minor: int


class _Standing(Struct, frozen=True):
    currency: str
    balance: int
    pending: int


class _PendingEntry(Struct, frozen=True):
    transaction_id: UUID
    purpose: Purpose
    kind: AccountKind
    owner: str
    currency: str
    amount: int


class _Ended(Struct, frozen=True):
    id: UUID
    purpose: Purpose
    outcome: PendingOutcome


async def post(tx: Tx, transactions: Sequence[Transaction]) -> int:
    """Book transactions in the commit of what they book; one that is booked already is left as it is.

    Returns how many entries were written. Accounts come last but one in the order of locks (``docs/explain/locking.md``).
    Raises Unbalanced, NoExchange, UnknownCurrency, and Overdrawn where an account would go below zero that may not.
    """
    require_balance(transactions)
    return await _write(tx, SQL.post, transactions)


async def open_pending(tx: Tx, transactions: Sequence[Transaction]) -> int:
    """Set aside what transactions would take, until each is posted or voided; one that is pending already is left as it is.

    Nothing of it counts in balances; what would be taken no longer counts as available. Returns how many entries were written.
    Raises Unbalanced, NoExchange (a pending transaction is in one currency), UnknownCurrency and Overdrawn.
    """
    require_balance(transactions)
    if any(transaction.exchange for transaction in transactions):
        raise NoExchange("A pending transaction is in one currency: exchange when it is posted")
    return await _write(tx, SQL.open_pending, transactions)


async def end_pending(tx: Tx, ends: Sequence[PendingEnd]) -> None:
    """Post pending transactions, or void them, each once: one that ended in the same way before is left as it is.

    Raises PendingUnknown, PendingEnded where one ended in the other way, and what ``post`` raises.
    """
    if not ends:
        return
    ids = [end.id for end in ends]
    entries: defaultdict[tuple[UUID, Purpose], list[Entry]] = defaultdict(list)
    for row in await tx.all(SQL.pending_entries, _PendingEntry, ids=ids):
        entries[row.transaction_id, row.purpose].append(Entry(Account(row.kind, row.owner), Amount(row.currency, row.amount)))
    accounts = {(entry.account, entry.amount.currency) for end in ends for entry in entries[end.id, end.purpose]}
    await _lock_guarded(tx, sorted(accounts))
    ended = await tx.all(
        SQL.end_pending,
        _Ended,
        ids=ids,
        purposes=[end.purpose.value for end in ends],
        outcomes=[end.outcome.value for end in ends],
        ended_ats=[end.at for end in ends],
    )
    # What another transaction ended is in no snapshot that was taken before the wait for it, so it is looked for anew.
    outcomes = {(row.id, row.purpose): row.outcome for row in await tx.all(SQL.pending_ends, _Ended, ids=ids)}
    for end in ends:
        found = outcomes.get((end.id, end.purpose))
        if found is None:
            raise PendingUnknown(f"{end.purpose} of {end.id}")
        if found is not end.outcome:
            raise PendingEnded(f"{end.purpose} of {end.id} was {found} before")
    now = {(row.id, row.purpose) for row in ended if row.outcome is PendingOutcome.POSTED}
    await post(tx, [Transaction(e.id, e.purpose, e.at, tuple(entries[e.id, e.purpose])) for e in ends if (e.id, e.purpose) in now])


async def _write(tx: Tx, statement: Query, transactions: Sequence[Transaction]) -> int:
    lines = [(transaction, entry) for transaction in transactions for entry in transaction.entries if entry.amount.minor]
    if not lines:
        return 0
    accounts = sorted({(entry.account, entry.amount.currency) for _, entry in lines})
    await tx.run(SQL.open_accounts, ids=[AccountId.new() for _ in accounts], guarded=sorted(GUARDED), **_named(accounts))
    await _lock_guarded(tx, accounts)
    try:
        written: int = await tx.value(
            statement,
            ids=[EntryId.new() for _ in lines],
            transaction_ids=[transaction.id for transaction, _ in lines],
            purposes=[transaction.purpose.value for transaction, _ in lines],
            posted_ats=[transaction.at for transaction, _ in lines],
            kinds=[entry.account.kind.value for _, entry in lines],
            owners=[entry.account.owner for _, entry in lines],
            amounts=[entry.amount.minor for _, entry in lines],
            currencies=[entry.amount.currency for _, entry in lines],
        )
    except CheckViolation as violation:
        if violation.diag.table_name == GuardedBalanceTable.__tablename__:
            raise Overdrawn from violation
        raise
    return written


async def _lock_guarded(tx: Tx, accounts: Sequence[tuple[Account, str]]) -> None:
    if guarded := [account for account in accounts if account[0].is_guarded]:
        await tx.run(SQL.lock_guarded, **_named(guarded))


async def guarded_balances(tx: Tx, accounts: Sequence[tuple[Account, str]]) -> dict[tuple[Account, str], Amount]:
    """What guarded accounts have in a currency each, without what is pending; one that was never opened has nothing.

    Locks nothing: ``post`` judges again.
    """
    rows = await tx.all(SQL.guarded_balances, _Balance, **_named(accounts)) if accounts else []
    found = {(Account(row.kind, row.owner), row.currency): row.minor for row in rows}
    return {account: Amount(account[1], found.get(account, 0)) for account in accounts}


def _named(accounts: Sequence[tuple[Account, str]]) -> dict[str, list[str]]:
    return {
        "kinds": [account.kind.value for account, _ in accounts],
        "owners": [account.owner for account, _ in accounts],
        "currencies": [currency for _, currency in accounts],
    }


def require_balance(transactions: Sequence[Transaction]) -> None:
    """Refuse what does not sum to zero in each currency, and two currencies without an exchange at the rate that is named.

    Raises Unbalanced, NoExchange, UnknownCurrency.
    """
    for transaction in transactions:
        name = f"{transaction.purpose} of {transaction.id}"
        sums: dict[str, int] = {}
        exchanged: dict[str, int] = {}
        for entry in transaction.entries:
            if entry.amount.minor == 0:
                continue
            currency, minor = entry.amount.currency, entry.amount.minor
            sums[currency] = sums.get(currency, 0) + minor
            if entry.account.kind is AccountKind.EXCHANGE:
                exchanged[currency] = exchanged.get(currency, 0) + minor
        if any(sums.values()):
            raise Unbalanced(f"{name}: {sums}")
        if unknown := sums.keys() - DIGITS.keys():
            raise UnknownCurrency(f"{name}: {sorted(unknown)}")
        rate = transaction.exchange
        if len(sums) < CURRENCIES_MAX and rate is None:
            continue
        if rate is None or len(sums) > CURRENCIES_MAX or min(rate.given.minor, rate.received.minor) <= 0:
            raise NoExchange(f"{name}: {sorted(sums)}")
        if exchanged != {rate.given.currency: rate.given.minor, rate.received.currency: -rate.received.minor}:
            raise NoExchange(f"{name}: {exchanged} is not {rate.given} for {rate.received}")


async def balance(tx: Tx, account: Account, *, at: datetime | None = None) -> list[Amount]:
    """What an account has, one amount for each currency that it ever had; or what it had when the instant ``at`` began.

    What happened just before ``at`` may be committed after it: an instant is settled once no transaction of its time runs.
    """
    return [Amount(row.currency, row.balance) for row in await _standing(tx, account, at)]


async def available(tx: Tx, account: Account) -> list[Amount]:
    """What an account has and is not pending, one amount for each currency. What it is still to receive does not count."""
    return [Amount(row.currency, row.balance - row.pending) for row in await _standing(tx, account, None)]


async def _standing(tx: Tx, account: Account, at: datetime | None) -> list[_Standing]:
    named = {"kind": account.kind.value, "owner": account.owner}
    if at is None:
        return await tx.all(SQL.balances, _Standing, **named)
    return await tx.all(SQL.balances_at, _Standing, at=at, **named)


async def posted(tx: Tx, transaction_id: UUID, purpose: Purpose) -> tuple[Entry, ...]:
    """The entries of one transaction, for another that takes them back."""
    rows = await tx.all(SQL.posted, _Balance, transaction_id=transaction_id, purpose=purpose.value)
    return tuple(Entry(Account(row.kind, row.owner), Amount(row.currency, row.minor)) for row in rows)


async def entries_of(tx: Tx, account: Account, currency: str, before: EntryId | None, limit: int) -> list[PostedEntry]:
    """What an account received and gave in a currency, newest first, after the entry ``before``."""
    return await tx.all(
        SQL.entries_of, PostedEntry, kind=account.kind.value, owner=account.owner, currency=currency, before=before, limit=limit
    )


async def one_snapshot(tx: Tx) -> None:
    await tx.run(SQL.one_snapshot)


async def take_long(tx: Tx) -> None:
    await tx.run(SQL.take_long)


async def account(tx: Tx, account_id: AccountId) -> LedgerAccount | None:
    return await tx.first(SQL.account, LedgerAccount, id=account_id)


async def accounts(
    tx: Tx, after: AccountId | None, limit: int, *, kind: AccountKind | None = None, owner: str | None = None
) -> list[StandingAccount]:
    return await tx.all(SQL.accounts, StandingAccount, after=after, limit=limit, kind=kind.value if kind else None, owner=owner)


async def trial_balance(tx: Tx, at: datetime | None) -> TrialBalance:
    """All accounts by kind and currency, when the instant ``at`` began, by default now."""
    at = at or await tx.value(SQL.now)
    assert at is not None
    return TrialBalance(at, tuple(await tx.all(SQL.trial_balance, TrialRow, at=at)))


async def period(tx: Tx, first_day: date | None, last_day: date | None, *, days: int, zone: str) -> Period:
    found = await tx.first(SQL.period, Period, first_day=first_day, last_day=last_day, days=days, zone=zone)
    assert found is not None
    return found


async def entries_between(tx: Tx, account_id: AccountId, span: Period, limit: int) -> list[PostedEntry]:
    """What an account received and gave in a period, in the order of time."""
    days = {"starts_at": span.starts_at, "ends_at": span.ends_at}
    return await tx.all(SQL.entries_between, PostedEntry, account_id=account_id, limit=limit, **days)
