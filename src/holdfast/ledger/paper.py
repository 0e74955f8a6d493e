"""A statement as PDF, in English or Arabic."""

from collections.abc import Iterator, Mapping, Sequence
from zoneinfo import ZoneInfo

from msgspec import Struct

from holdfast.common.language import Language
from holdfast.common.money import major_text
from holdfast.documents import Paper, Row, Table
from holdfast.ledger.dto import shown_owner
from holdfast.ledger.models import AccountKind, Purpose, Statement

LINES_MAX = 1_000
"""How many entries are put on paper at most: each takes a millisecond or two."""

# The width of an A4 page without its margins of 10 mm: when, what, which, received, given, balance.
_WIDTHS_MM: Sequence[float] = (30, 38, 62, 20, 20, 20)


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
            AccountKind.GATEWAY_COSTS: "Costs of a payment gateway",
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
            Purpose.GATEWAY_FEE: "Fee of a payment gateway",
            Purpose.GATEWAY_PAYOUT: "Sent by a payment gateway",
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
            AccountKind.GATEWAY_COSTS: "تكاليف بوابة الدفع",
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
            Purpose.GATEWAY_FEE: "رسوم بوابة الدفع",
            Purpose.GATEWAY_PAYOUT: "تحويل من بوابة الدفع",
            Purpose.EXCHANGED: "تحويل عملة",
            Purpose.ADJUSTED: "تسوية",
        },
    ),
}


def as_pdf(statement: Statement, language: Language, zone: str) -> bytes:
    """The statement on as many A4 pages as it takes. Takes its time: call it in a thread."""
    words, account = WORDS[language], statement.account
    paper = Paper(language, words.page, body_pt=9.0, line_mm=6.5)
    paper.put_title(words.title)
    paper.put_fact(f"{words.account}: {words.kinds[account.kind]}", shown_owner(account))
    paper.put_fact(f"{words.days}:", f"{statement.period.first_day} – {statement.period.last_day}")
    paper.put_fact(f"{words.currency}:", account.currency)
    paper.ln()
    paper.put_table(Table(words.columns, _WIDTHS_MM, numbers_from=3), _rows(statement, words, ZoneInfo(zone)))
    return bytes(paper.output())


def _rows(statement: Statement, words: Words, zone: ZoneInfo) -> Iterator[Row]:
    currency = statement.account.currency
    yield Row(("", words.opening, "", "", "", major_text(statement.opening, currency)), is_bold=True)
    for entry, balance in zip(statement.entries, statement.balances, strict=True):
        received, given = max(entry.amount, 0), max(-entry.amount, 0)
        yield Row(
            (
                entry.posted_at.astimezone(zone).strftime("%Y-%m-%d %H:%M"),
                words.purposes[entry.purpose],
                str(entry.transaction_id),
                major_text(received, currency) if received else "",
                major_text(given, currency) if given else "",
                major_text(balance, currency),
            )
        )
    yield Row(("", words.closing, "", "", "", major_text(statement.closing, currency)), is_bold=True)
