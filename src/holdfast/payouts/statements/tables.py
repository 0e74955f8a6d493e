"""A statement as CSV."""

from collections.abc import Iterator

from holdfast.common.money import major_text
from holdfast.documents.sheet import Number, sheet
from holdfast.payouts.statements.dto import reference
from holdfast.payouts.statements.models import Section, Statement

_COLUMNS = (
    "at", "what", "entry_id", "reference", "session_id", "captured", "refunded", "fees", "cash", "paid_out", "other", "change", "balance",
    "currency",
)  # fmt: skip


def statement_sheet(statement: Statement) -> bytes:
    """Each currency begins with what was owed before, and every line says what was owed after it."""
    return sheet(_COLUMNS, [row for section in statement.sections for row in _rows(statement, section)])


def _rows(statement: Statement, section: Section) -> Iterator[tuple[str, ...]]:
    def number(minor: int) -> str:
        return Number(major_text(minor, section.currency))

    nothing = ("",) * 7
    balance = section.opening
    yield (statement.period.starts_at.isoformat(), "OPENING_BALANCE", "", "", "", *nothing, number(balance), section.currency)
    for line in section.lines:
        balance += line.change
        amounts = (line.captured, line.refunded, line.fees, line.cash, line.paid_out, line.other, line.change, balance)
        yield (
            line.at.isoformat(),
            line.purpose.value,
            str(line.entry_id),
            str(reference(line) or ""),
            str(line.session_id or ""),
            *map(number, amounts),
            section.currency,
        )
    yield (statement.period.ends_at.isoformat(), "CLOSING_BALANCE", "", "", "", *nothing, number(balance), section.currency)
