"""A statement as PDF, in English or Arabic. Arabic letters are joined and run from right to left, and so do the columns."""

from collections.abc import Mapping, Sequence
from importlib.resources import files
from typing import Literal
from zoneinfo import ZoneInfo

from fpdf import FPDF
from fpdf.enums import Align, TextDirection
from msgspec import Struct

from holdfast.common.language import Language, language_of
from holdfast.common.money import major_text
from holdfast.ledger.dto import shown_owner
from holdfast.ledger.models import AccountKind, Purpose, Statement

LINES_MAX = 1_000
"""How many entries are put on paper at most: each takes a millisecond or two."""

_FONT = "Amiri"
_LINE_MM = 6.5
_BODY_PT, _TITLE_PT = 9.0, 17.0
# The width of an A4 page without its margins of 10 mm: when, what, which, received, given, balance.
_WIDTHS_MM: Sequence[float] = (30, 38, 62, 20, 20, 20)
_NUMBERS_FROM = 3
_GAP_MM = 3.0


class Words(Struct, frozen=True):
    """What stands on the paper besides numbers and ids."""

    title: str
    account: str
    days: str
    currency: str
    page: str
    opening: str
    closing: str
    columns: Sequence[str]
    kinds: Mapping[AccountKind, str]
    purposes: Mapping[Purpose, str]


WORDS: Mapping[Language, Words] = {
    Language.EN: Words(
        title="Statement of account",
        account="Account",
        days="Days",
        currency="Currency",
        page="Page",
        opening="Balance at the start",
        closing="Balance at the end",
        columns=("When", "What", "Which", "Received", "Given", "Balance"),
        kinds={
            AccountKind.GATEWAY: "Payment gateway",
            AccountKind.PAYEE: "Payee",
            AccountKind.FEES: "Fees",
            AccountKind.REFUNDS_DUE: "Refunds due",
            AccountKind.PAYOUTS_DUE: "Payouts due",
            AccountKind.BANK: "Bank",
            AccountKind.WALLET: "Wallet",
            AccountKind.GIFT_CARD: "Gift card",
            AccountKind.RESERVED: "Set aside",
            AccountKind.CASH: "Cash at the driver",
            AccountKind.TAX: "Tax",
            AccountKind.EXCHANGE: "Exchange",
        },
        purposes={
            Purpose.CAPTURE: "Payment",
            Purpose.REFUND_OWED: "Refund owed",
            Purpose.REFUND_PAID: "Refund paid",
            Purpose.PAYOUT_APPROVED: "Payout approved",
            Purpose.PAYOUT_PAID: "Payout paid",
            Purpose.PAYOUT_RETURNED: "Payout sent back",
            Purpose.RESERVED: "Set aside",
            Purpose.RESERVE_RETURNED: "Given back",
            Purpose.CASH_KEPT: "Cash kept",
            Purpose.CHARGEBACK: "Chargeback",
            Purpose.CHARGEBACK_WON: "Chargeback won",
            Purpose.EXCHANGED: "Exchanged",
            Purpose.ADJUSTED: "Adjusted",
        },
    ),
    Language.AR: Words(
        title="كشف حساب",
        account="الحساب",
        days="الأيام",
        currency="العملة",
        page="صفحة",
        opening="الرصيد في البداية",
        closing="الرصيد في النهاية",
        columns=("التاريخ", "البيان", "المرجع", "وارد", "صادر", "الرصيد"),
        kinds={
            AccountKind.GATEWAY: "بوابة الدفع",
            AccountKind.PAYEE: "مستحقات السائق",
            AccountKind.FEES: "الرسوم",
            AccountKind.REFUNDS_DUE: "مبالغ تُرد للعملاء",
            AccountKind.PAYOUTS_DUE: "مدفوعات قيد الصرف",
            AccountKind.BANK: "البنك",
            AccountKind.WALLET: "المحفظة",
            AccountKind.GIFT_CARD: "بطاقة هدية",
            AccountKind.RESERVED: "مبالغ محجوزة",
            AccountKind.CASH: "نقد لدى السائق",
            AccountKind.TAX: "الضرائب",
            AccountKind.EXCHANGE: "تحويل العملات",
        },
        purposes={
            Purpose.CAPTURE: "دفعة",
            Purpose.REFUND_OWED: "مبلغ مستحق الرد",
            Purpose.REFUND_PAID: "مبلغ مردود",
            Purpose.PAYOUT_APPROVED: "صرف معتمد",
            Purpose.PAYOUT_PAID: "صرف مدفوع",
            Purpose.PAYOUT_RETURNED: "صرف مرتجع",
            Purpose.RESERVED: "حجز مبلغ",
            Purpose.RESERVE_RETURNED: "إلغاء حجز مبلغ",
            Purpose.CASH_KEPT: "نقد محتفظ به",
            Purpose.CHARGEBACK: "اعتراض على دفعة",
            Purpose.CHARGEBACK_WON: "اعتراض مرفوض",
            Purpose.EXCHANGED: "تحويل عملة",
            Purpose.ADJUSTED: "تسوية",
        },
    ),
}


def as_pdf(statement: Statement, language: Language, zone: str) -> bytes:
    """The statement on as many A4 pages as it takes. Takes its time: call it in a thread."""
    paper = _Paper(language)
    paper.head(statement)
    paper.body(statement, ZoneInfo(zone))
    return bytes(paper.output())


class _Paper(FPDF):
    def __init__(self, language: Language) -> None:
        super().__init__()
        self.words = WORDS[language]
        self._is_from_right = language is Language.AR
        self._start = Align.R if self._is_from_right else Align.L
        for style, name in (("", "Amiri-Regular.ttf"), ("B", "Amiri-Bold.ttf")):
            self.add_font(_FONT, style, str(files("fontpkg_amiri").joinpath("files", name)))
        self.add_page()

    def footer(self) -> None:
        self.set_y(-15)
        self.set_font(_FONT, "", _BODY_PT)
        self._put(0, f"{self.words.page} {self.page_no()}", align=Align.C)

    def head(self, statement: Statement) -> None:
        words, account = self.words, statement.account
        self.set_font(_FONT, "B", _TITLE_PT)
        self._say(words.title, "", 2 * _LINE_MM)
        self.set_font(_FONT, "", _BODY_PT)
        self._say(f"{words.account}: {words.kinds[account.kind]}", shown_owner(account))
        self._say(f"{words.days}:", f"{statement.period.first_day} – {statement.period.last_day}")
        self._say(f"{words.currency}:", account.currency)
        self.ln(_LINE_MM / 2)

    def body(self, statement: Statement, zone: ZoneInfo) -> None:
        currency, words = statement.account.currency, self.words
        self._row(words.columns, style="B", is_filled=True)
        self._row(("", words.opening, "", "", "", major_text(statement.opening, currency)), style="B")
        for entry, balance in zip(statement.entries, statement.balances, strict=True):
            if self.will_page_break(_LINE_MM):
                self.add_page()
                self._row(words.columns, style="B", is_filled=True)
            received, given = max(entry.amount, 0), max(-entry.amount, 0)
            self._row(
                (
                    entry.posted_at.astimezone(zone).strftime("%Y-%m-%d %H:%M"),
                    words.purposes[entry.purpose],
                    str(entry.transaction_id),
                    major_text(received, currency) if received else "",
                    major_text(given, currency) if given else "",
                    major_text(balance, currency),
                )
            )
        self._row(("", words.closing, "", "", "", major_text(statement.closing, currency)), style="B")

    def _say(self, label: str, value: str, height: float = _LINE_MM) -> None:
        """A label and what it is the label of, each in its own direction."""
        width = self.get_string_width(label) + _GAP_MM
        cells = [(width, label), (self.epw - width, value)]
        for each, text in reversed(cells) if self._is_from_right else cells:
            self._put(each, text, align=self._start, height=height)
        self.ln(height)

    def _row(self, cells: Sequence[str], *, style: str = "", is_filled: bool = False) -> None:
        self.set_font(_FONT, style, _BODY_PT)
        self.set_fill_color(235)
        columns = list(enumerate(zip(cells, _WIDTHS_MM, strict=True)))
        for place, (text, width) in reversed(columns) if self._is_from_right else columns:
            self._put(width, text, align=Align.R if place >= _NUMBERS_FROM else self._start, border="B", is_filled=is_filled)
        self.ln(_LINE_MM)

    def _put(
        self, width: float, text: str, *, align: Align, height: float = _LINE_MM, border: Literal["B", 0] = 0, is_filled: bool = False
    ) -> None:
        # Dates, ids and numbers below zero run from left to right on an Arabic page too: turned round, they would be others.
        direction = TextDirection.RTL if language_of(text) is Language.AR else TextDirection.LTR
        self.set_text_shaping(use_shaping_engine=True, direction=direction)
        self.cell(width, height, text, border=border, align=align, fill=is_filled)
