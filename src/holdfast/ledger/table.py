"""A statement as CSV, for a spreadsheet."""

from collections.abc import Iterator, Sequence

from holdfast.common.money import major_text
from holdfast.documents import Number, sheet
from holdfast.ledger.dto import shown_owner
from holdfast.ledger.models import Statement

_HEAD = ("postedAt", "account", "owner", "purpose", "transactionId", "received", "given", "balance", "currency")


def as_csv(statement: Statement) -> bytes:
    """One row for the opening, one for each entry, one for the closing."""
    return sheet(_HEAD, _rows(statement), is_marked=True)


def _rows(statement: Statement) -> Iterator[Sequence[str]]:
    account, period, currency = statement.account, statement.period, statement.account.currency
    whose = (account.kind.value, shown_owner(account))

    def amount(minor: int) -> Number:
        return Number(major_text(minor, currency))

    yield (period.starts_at.isoformat(), *whose, "OPENING", "", "", "", amount(statement.opening), currency)
    for entry, balance in zip(statement.entries, statement.balances, strict=True):
        received = amount(entry.amount) if entry.amount > 0 else ""
        given = amount(-entry.amount) if entry.amount < 0 else ""
        what = (entry.purpose.value, str(entry.transaction_id))
        yield (entry.posted_at.isoformat(), *whose, *what, received, given, amount(balance), currency)
    yield (period.ends_at.isoformat(), *whose, "CLOSING", "", "", "", amount(statement.closing), currency)
