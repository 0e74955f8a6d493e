"""A statement as PDF, in English or Arabic. Arabic is shaped and runs from right to left, and so do the columns."""

from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from importlib.resources import files
from zoneinfo import ZoneInfo

from fpdf import FPDF
from fpdf.enums import Align, XPos, YPos
from msgspec import Struct

from holdfast.common.language import Language
from holdfast.common.money import major_text
from holdfast.ledger import Purpose
from holdfast.payouts.statements.dto import reference
from holdfast.payouts.statements.models import Section, Statement

_FONT = "Amiri"
_LINE_MM = 6.0
_BODY_PT = 8.0
_TITLE_PT = 16.0
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
    paper = _Paper(_WORDS[language], is_from_right=language is AR)
    paper.set_creation_date(statement.period.ends_at)
    paper.add_page()
    paper.head(statement)
    for section in statement.sections:
        paper.section(section, ZoneInfo(statement.zone))
    if not statement.sections:
        paper.line(paper.words.nothing)
    return bytes(paper.output())


class _Paper(FPDF):
    def __init__(self, words: _Words, *, is_from_right: bool) -> None:
        super().__init__(orientation="landscape", format="A4")
        self.words = words
        self._is_from_right = is_from_right
        self.add_font(_FONT, "", str(_font("Amiri-Regular.ttf")))
        self.add_font(_FONT, "B", str(_font("Amiri-Bold.ttf")))
        self.set_font(_FONT, "", _BODY_PT)
        self.set_text_shaping(use_shaping_engine=True)
        self._start = Align.R if is_from_right else Align.L

    def footer(self) -> None:
        self.set_y(-12)
        self.set_font(_FONT, "", _BODY_PT)
        self.cell(0, _LINE_MM, f"{self.words.page} {self.page_no()}", align=Align.C)

    def head(self, statement: Statement) -> None:
        self.set_font(_FONT, "B", _TITLE_PT)
        self.line(self.words.title, 2 * _LINE_MM)
        self.set_font(_FONT, "", _BODY_PT)
        self._fact(self.words.payee, str(statement.payee_id))
        period = statement.period
        if period.week:
            self._fact(self.words.week, period.week)
        else:
            self._fact(self.words.session, str(period.session_id))

    def section(self, section: Section, zone: ZoneInfo) -> None:
        self.set_font(_FONT, "B", _BODY_PT + 2)
        self.line(section.currency, 2 * _LINE_MM)
        self._row(self.words.columns, style="B", is_filled=True)
        for number, row in enumerate(self._rows(section, zone)):
            if self.will_page_break(_LINE_MM):
                self.add_page()
                self._row(self.words.columns, style="B", is_filled=True)
            is_edge = number in (0, len(section.lines) + 1, len(section.lines) + 2)
            self._row(row, style="B" if is_edge else "")

    def line(self, text: str, height: float = _LINE_MM) -> None:  # type: ignore[override]
        self.cell(0, height, text, align=self._start, new_x=XPos.LMARGIN, new_y=YPos.NEXT)

    def _fact(self, name: str, value: str) -> None:
        """In cells of their own: in one Arabic line 2026-W48 would turn into W48-2026."""
        parts = [f"{name}:", value]
        widths = [self.get_string_width(part) + 2 * self.c_margin for part in parts]
        if self._is_from_right:
            parts, widths = parts[::-1], widths[::-1]
            self.set_x(self.w - self.r_margin - sum(widths))
        for part, width in zip(parts, widths, strict=True):
            self.cell(width, _LINE_MM, part)
        self.ln(_LINE_MM)

    def _rows(self, section: Section, zone: ZoneInfo) -> Iterator[Sequence[str]]:
        def numbers(*minors: int) -> list[str]:
            return [major_text(minor, section.currency) if minor else "" for minor in minors]

        def owed(minor: int) -> str:
            return major_text(minor, section.currency)

        balance = section.opening
        yield ["", self.words.opening, *[""] * 7, owed(balance)]
        for line in section.lines:
            balance += line.change
            yield [
                line.at.astimezone(zone).strftime("%Y-%m-%d %H:%M"),
                self.words.purposes.get(line.purpose, line.purpose.value),
                str(reference(line) or line.entry_id),
                *numbers(line.captured, line.refunded, line.fees, line.cash, line.paid_out, line.other),
                owed(balance),
            ]
        yield [
            "",
            self.words.total,
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
        ]
        yield ["", self.words.closing, *[""] * 7, owed(balance)]

    def _row(self, cells: Sequence[str], *, style: str = "", is_filled: bool = False) -> None:
        self.set_font(_FONT, style, _BODY_PT)
        self.set_fill_color(235)
        columns = list(enumerate(zip(cells, _WIDTHS_MM, strict=True)))
        for place, (text, width) in reversed(columns) if self._is_from_right else columns:
            is_number = place >= _NUMBERS_FROM
            self.cell(width, _LINE_MM, text, border="B", align=Align.R if is_number else self._start, fill=is_filled)
        self.ln(_LINE_MM)


_NUMBERS_FROM = 3


@cache
def _font(name: str) -> str:
    return str(files("fontpkg_amiri").joinpath("files", name))
