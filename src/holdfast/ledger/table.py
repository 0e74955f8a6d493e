"""A statement as CSV, for a spreadsheet."""

import csv
import io

from holdfast.common.money import major_text
from holdfast.ledger.dto import shown_owner
from holdfast.ledger.models import Statement

_STARTS_A_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_HEAD = ("postedAt", "account", "owner", "purpose", "transactionId", "received", "given", "balance", "currency")


def as_csv(statement: Statement) -> bytes:
    """One row for the opening, one for each entry, one for the closing. UTF-8 with its mark, which spreadsheets want to see."""
    account, period, currency = statement.account, statement.period, statement.account.currency
    written = io.StringIO()
    table = csv.writer(written, quoting=csv.QUOTE_ALL, lineterminator="\r\n")
    whose = (account.kind.value, safe(shown_owner(account)))

    def amount(minor: int) -> str:
        return major_text(minor, currency)

    table.writerow(_HEAD)
    table.writerow((period.starts_at.isoformat(), *whose, "OPENING", "", "", "", amount(statement.opening), currency))
    for entry, balance in zip(statement.entries, statement.balances, strict=True):
        received = amount(entry.amount) if entry.amount > 0 else ""
        given = amount(-entry.amount) if entry.amount < 0 else ""
        what = (entry.purpose.value, str(entry.transaction_id))
        table.writerow((entry.posted_at.isoformat(), *whose, *what, received, given, amount(balance), currency))
    table.writerow((period.ends_at.isoformat(), *whose, "CLOSING", "", "", "", amount(statement.closing), currency))
    return written.getvalue().encode("utf-8-sig")


def safe(text: str) -> str:
    """A text that no spreadsheet takes for a formula. Numbers of ours need it not, and would be none any more."""
    return f"'{text}" if text.startswith(_STARTS_A_FORMULA) else text
