"""A statement as PDF, in English or Arabic."""

from collections.abc import Iterator, Mapping, Sequence
from zoneinfo import ZoneInfo

from msgspec import Struct

from holdfast.common.language import Language
from holdfast.common.money import major_text
from holdfast.documents import Paper, Row, Table
from holdfast.ledger import Purpose
from holdfast.payouts.statements.dto import reference
from holdfast.payouts.statements.models import Section, Statement

# The width of an A4 page on its side, without its margins of 10 mm.
_WIDTHS_MM: Sequence[float] = (27, 32, 66, 21, 21, 18, 21, 23, 21, 27)

AR, EN = Language.AR, Language.EN


class _Words(Struct, frozen=True):
    """What stands on the paper besides numbers and ids."""

    title: str
    payee: str
    week: str
    session: str
    page: str
    nothing: str
    opening: str
    total: str
    closing: str
    columns: Sequence[str]
    purposes: Mapping[Purpose, str]


_WORDS: Mapping[Language, _Words] = {
    EN: _Words(
        title="Statement of earnings",
        payee="Payee",
        week="Week",
        session="Session",
        page="Page",
        nothing="Nothing happened in this time.",
        opening="Owed at the start",
        total="Together",
        closing="Owed at the end",
        columns=("When", "What", "Which", "Captured", "Refunded", "Fees", "Cash", "Paid out", "Other", "Owed"),
        purposes={
            Purpose.CAPTURE: "Payment",
            Purpose.REFUND_OWED: "Refund",
            Purpose.PAYOUT_APPROVED: "Payout",
            Purpose.PAYOUT_RETURNED: "Payout sent back",
            Purpose.CASH_KEPT: "Cash",
            Purpose.CHARGEBACK: "Chargeback",
            Purpose.CHARGEBACK_WON: "Chargeback won",
            Purpose.EXCHANGED: "Exchange",
            Purpose.ADJUSTED: "Correction",
        },
    ),
    AR: _Words(
        title="كشف حساب المستحقات",
        payee="المستحق",
        week="الأسبوع",
        session="الرحلة",
        page="صفحة",
        nothing="لم يحدث شيء في هذه المدة.",
        opening="المستحق في البداية",
        total="المجموع",
        closing="المستحق في النهاية",
        columns=("متى", "ماذا", "المرجع", "المحصّل", "المردود", "الرسوم", "نقدًا", "المصروف", "أخرى", "المستحق"),
        purposes={
            Purpose.CAPTURE: "دفع",
            Purpose.REFUND_OWED: "ردّ مبلغ",
            Purpose.PAYOUT_APPROVED: "صرف",
            Purpose.PAYOUT_RETURNED: "صرف مرتجع",
            Purpose.CASH_KEPT: "نقدًا",
            Purpose.CHARGEBACK: "اعتراض على دفع",
            Purpose.CHARGEBACK_WON: "اعتراض مرفوض",
            Purpose.EXCHANGED: "تحويل عملة",
            Purpose.ADJUSTED: "تصحيح",
        },
    ),
}


def statement_paper(statement: Statement, language: Language) -> bytes:
    """The statement on as many pages as it needs. The same statement is the same file."""
    words, period = _WORDS[language], statement.period
    paper = Paper(language, words.page, body_pt=8.0, line_mm=6.0, is_landscape=True)
    paper.set_creation_date(period.ends_at)
    paper.put_title(words.title)
    paper.put_fact(f"{words.payee}:", str(statement.payee_id))
    if period.week:
        paper.put_fact(f"{words.week}:", period.week)
    else:
        paper.put_fact(f"{words.session}:", str(period.session_id))
    for section in statement.sections:
        paper.put_heading(section.currency)
        paper.put_table(Table(words.columns, _WIDTHS_MM, numbers_from=3), _rows(section, words, ZoneInfo(statement.zone)))
    if not statement.sections:
        paper.put_fact(words.nothing)
    return bytes(paper.output())


def _rows(section: Section, words: _Words, zone: ZoneInfo) -> Iterator[Row]:
    def numbers(*minors: int) -> list[str]:
        return [major_text(minor, section.currency) if minor else "" for minor in minors]

    def owed(minor: int) -> str:
        return major_text(minor, section.currency)

    balance = section.opening
    yield Row(["", words.opening, *[""] * 7, owed(balance)], is_bold=True)
    for line in section.lines:
        balance += line.change
        yield Row(
            [
                line.at.astimezone(zone).strftime("%Y-%m-%d %H:%M"),
                words.purposes.get(line.purpose, line.purpose.value),
                str(reference(line) or line.entry_id),
                *numbers(line.captured, line.refunded, line.fees, line.cash, line.paid_out, line.other),
                owed(balance),
            ]
        )
    yield Row(
        [
            "",
            words.total,
            "",
            *numbers(
                sum(line.captured for line in section.lines),
                sum(line.refunded for line in section.lines),
                sum(line.fees for line in section.lines),
                sum(line.cash for line in section.lines),
                sum(line.paid_out for line in section.lines),
                sum(line.other for line in section.lines),
            ),
            "",
        ],
        is_bold=True,
    )
    yield Row(["", words.closing, *[""] * 7, owed(balance)], is_bold=True)
