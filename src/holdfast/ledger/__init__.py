"""Double entry: every capture, fee, refund and payout, as transactions that sum to zero."""

from holdfast.ledger.models import (
    FEES,
    PAYOUTS_DUE,
    REFUNDS_DUE,
    RESERVED,
    Account,
    AccountKind,
    Entry,
    EntryId,
    Overdrawn,
    PostedEntry,
    Purpose,
    Transaction,
    Unbalanced,
)
from holdfast.ledger.repository import balance, entries_of, guarded_balances, post, posted

__all__ = [
    "FEES",
    "PAYOUTS_DUE",
    "REFUNDS_DUE",
    "RESERVED",
    "Account",
    "AccountKind",
    "Entry",
    "EntryId",
    "Overdrawn",
    "PostedEntry",
    "Purpose",
    "Transaction",
    "Unbalanced",
    "balance",
    "entries_of",
    "guarded_balances",
    "post",
    "posted",
]
