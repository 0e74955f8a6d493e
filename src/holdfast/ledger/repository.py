"""Posting, and balances by sum."""

from collections.abc import Sequence
from uuid import UUID

from msgspec import Struct
from psycopg.errors import CheckViolation

from holdfast.common.money import Amount
from holdfast.database import Tx, queries
from holdfast.ledger.models import (
    GUARDED,
    Account,
    AccountId,
    AccountKind,
    Entry,
    EntryId,
    GuardedBalanceTable,
    Overdrawn,
    PostedEntry,
    Purpose,
    Transaction,
    Unbalanced,
)

SQL = queries(__file__)


class _Balance(Struct, frozen=True):
    kind: AccountKind
    owner: str
    currency: str
    minor: int


async def post(tx: Tx, transactions: Sequence[Transaction]) -> int:
    """Book transactions in the commit of what they book; one that is booked already is left as it is.

    Returns how many entries were written. Accounts come last but one in the order of locks (``docs/explain/locking.md``).
    Raises Unbalanced, and Overdrawn where an account would go below zero that may not.
    """
    require_balance(transactions)
    lines = [(transaction, entry) for transaction in transactions for entry in transaction.entries if entry.amount.minor]
    if not lines:
        return 0
    accounts = sorted({(entry.account, entry.amount.currency) for _, entry in lines})
    await tx.run(SQL.open_accounts, ids=[AccountId.new() for _ in accounts], guarded=sorted(GUARDED), **_named(accounts))
    if guarded := [account for account in accounts if account[0].is_guarded]:
        await tx.run(SQL.lock_guarded, **_named(guarded))
    try:
        written: int = await tx.value(
            SQL.post,
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


async def guarded_balances(tx: Tx, accounts: Sequence[tuple[Account, str]]) -> dict[tuple[Account, str], Amount]:
    """What guarded accounts have in a currency each; one that was never opened has nothing. Locks nothing: ``post`` judges again."""
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
    """Refuse what does not sum to zero in each currency. Raises Unbalanced."""
    for transaction in transactions:
        sums: dict[str, int] = {}
        for entry in transaction.entries:
            sums[entry.amount.currency] = sums.get(entry.amount.currency, 0) + entry.amount.minor
        if any(sums.values()):
            raise Unbalanced(f"{transaction.purpose} of {transaction.id}: {sums}")


async def balance(tx: Tx, account: Account) -> list[Amount]:
    """What an account has, one amount for each currency that it ever had."""
    return await tx.all(SQL.balance, Amount, kind=account.kind.value, owner=account.owner)


async def posted(tx: Tx, transaction_id: UUID, purpose: Purpose) -> tuple[Entry, ...]:
    """The entries of one transaction, for another that takes them back."""
    rows = await tx.all(SQL.posted, _Balance, transaction_id=transaction_id, purpose=purpose.value)
    return tuple(Entry(Account(row.kind, row.owner), Amount(row.currency, row.minor)) for row in rows)


async def entries_of(tx: Tx, account: Account, currency: str, before: EntryId | None, limit: int) -> list[PostedEntry]:
    """What an account received and gave in a currency, newest first, after the entry ``before``."""
    return await tx.all(
        SQL.entries_of, PostedEntry, kind=account.kind.value, owner=account.owner, currency=currency, before=before, limit=limit
    )
