"""Statements on the wire."""

from datetime import datetime
from typing import Self

from msgspec import Struct

from holdfast.common.money import JsonAmount
from holdfast.ledger import Purpose
from holdfast.payments.models import PaymentId, RefundId
from holdfast.payouts.models import PayoutId
from holdfast.payouts.statements.models import Line, Section, Statement


class StatementLineView(Struct, frozen=True, rename="camel"):
    """One thing that changed what you are owed. What lessens it stands below zero; ``change`` is all of it together.

    ``entryId`` is where it stands in the ledger, the other ids say what it was about.
    """

    entry_id: str
    purpose: Purpose
    payment_id: str | None
    refund_id: str | None
    payout_id: str | None
    session_id: str | None
    captured: JsonAmount
    refunded: JsonAmount
    fees: JsonAmount
    cash: JsonAmount
    paid_out: JsonAmount
    other: JsonAmount
    change: JsonAmount
    created_at: datetime

    @classmethod
    def of(cls, section: Section, line: Line) -> Self:
        named = reference(line)
        return cls(
            entry_id=str(line.entry_id),
            purpose=line.purpose,
            payment_id=str(named) if isinstance(named, PaymentId) else None,
            refund_id=str(named) if isinstance(named, RefundId) else None,
            payout_id=str(named) if isinstance(named, PayoutId) else None,
            session_id=str(line.session_id) if line.session_id else None,
            captured=JsonAmount(section.amount(line.captured)),
            refunded=JsonAmount(section.amount(line.refunded)),
            fees=JsonAmount(section.amount(line.fees)),
            cash=JsonAmount(section.amount(line.cash)),
            paid_out=JsonAmount(section.amount(line.paid_out)),
            other=JsonAmount(section.amount(line.other)),
            change=JsonAmount(section.amount(line.change)),
            created_at=line.at,
        )


class StatementSectionView(Struct, frozen=True, rename="camel"):
    """Everything in one currency: what you were owed at the start, what happened, and what you are owed at the end."""

    currency: str
    opening_balance: JsonAmount
    captured: JsonAmount
    refunded: JsonAmount
    fees: JsonAmount
    cash: JsonAmount
    paid_out: JsonAmount
    other: JsonAmount
    closing_balance: JsonAmount
    lines: list[StatementLineView]

    @classmethod
    def of(cls, section: Section) -> Self:
        def total(minor: int) -> JsonAmount:
            return JsonAmount(section.amount(minor))

        return cls(
            currency=section.currency,
            opening_balance=total(section.opening),
            captured=total(sum(line.captured for line in section.lines)),
            refunded=total(sum(line.refunded for line in section.lines)),
            fees=total(sum(line.fees for line in section.lines)),
            cash=total(sum(line.cash for line in section.lines)),
            paid_out=total(sum(line.paid_out for line in section.lines)),
            other=total(sum(line.other for line in section.lines)),
            closing_balance=total(section.closing),
            lines=[StatementLineView.of(section, line) for line in section.lines],
        )


class StatementView(Struct, frozen=True, rename="camel"):
    """What you earned, gave back and were paid, in a week or by a session."""

    payee_id: str
    week: str | None
    session_id: str | None
    zone: str
    starts_at: datetime
    ends_at: datetime
    sections: list[StatementSectionView]

    @classmethod
    def of(cls, statement: Statement) -> Self:
        period = statement.period
        return cls(
            payee_id=str(statement.payee_id),
            week=period.week,
            session_id=str(period.session_id) if period.session_id else None,
            zone=statement.zone,
            starts_at=period.starts_at,
            ends_at=period.ends_at,
            sections=[StatementSectionView.of(section) for section in statement.sections],
        )


def reference(line: Line) -> PaymentId | RefundId | PayoutId | None:
    """What a line is about, where its purpose says so."""
    match line.purpose:
        case Purpose.CAPTURE:
            return PaymentId.of(line.transaction_id)
        case Purpose.REFUND_OWED:
            return RefundId.of(line.transaction_id)
        case Purpose.PAYOUT_APPROVED | Purpose.PAYOUT_RETURNED:
            return PayoutId.of(line.transaction_id)
        case _:
            return None
