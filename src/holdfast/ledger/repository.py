"""Posting, and balances by sum."""

from collections.abc import Sequence

from holdfast.common.money import Amount
from holdfast.database import Tx, queries
from holdfast.ledger.models import Account, AccountId, EntryId, Transaction, Unbalanced

SQL = queries(__file__)


async def post(tx: Tx, transactions: Sequence[Transaction]) -> int:
    """Book transactions in the commit of what they book; one that is booked already is left as it is.

    Returns how many entries were written. Accounts come last but one in the order of locks (``docs/explain/locking.md``).
    Raises Unbalanced.
    """
    require_balance(transactions)
    lines = [(transaction, entry) for transaction in transactions for entry in transaction.entries if entry.amount.minor]
    if not lines:
        return 0
    accounts = sorted({(entry.account, entry.amount.currency) for _, entry in lines})
    await tx.run(
        SQL.open_accounts,
        ids=[AccountId.new() for _ in accounts],
        kinds=[account.kind.value for account, _ in accounts],
        owners=[account.owner for account, _ in accounts],
        currencies=[currency for _, currency in accounts],
    )
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
    return written


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
