"""Figures of reports. Amounts are in minor units of their currency."""

from datetime import date, datetime
from enum import StrEnum

from msgspec import Struct

from holdfast.common.ids import Id


class ReportId(Id, prefix="rep"):
    """One look at a report: what the audit log keeps of it."""

    __slots__ = ()


class Grouping(StrEnum):
    DAY = "day"
    ROUTE = "route"
    DRIVER = "driver"


class Figures(Struct, frozen=True):
    """Money of one currency.

    ``captured``: all that gateways took. ``refunded``: all that went or goes back of it. ``fees``: the platform's part of what is
    left. ``paid_out``: what left for drivers.
    """

    currency: str
    captured: int
    refunded: int
    fees: int
    paid_out: int

    @property
    def gross(self) -> int:
        return self.captured - self.refunded

    @property
    def earned(self) -> int:
        """What drivers earned: what is left after refunds and fees."""
        return self.gross - self.fees


class FinanceRow(Figures, frozen=True, kw_only=True):
    """Figures of a day, a route or a driver. ``key`` is empty for what was not earned on a route."""

    key: str
    payments: int
    name_ar: str | None = None
    name_en: str | None = None


class Totals(Struct, frozen=True, kw_only=True):
    """The figures of one currency twice: from payments, refunds and payouts, and from the ledger."""

    currency: str
    captured: int
    refunded: int
    fees: int
    paid_out: int
    ledger_captured: int
    ledger_refunded: int
    ledger_fees: int
    ledger_paid_out: int
    ledger_earned: int

    @property
    def booked(self) -> Figures:
        return Figures(self.currency, self.captured, self.refunded, self.fees, self.paid_out)

    @property
    def in_ledger(self) -> Figures:
        return Figures(self.currency, self.ledger_captured, self.ledger_refunded, self.ledger_fees, self.ledger_paid_out)

    @property
    def agree(self) -> bool:
        """Whether both sides say the same to the last minor unit."""
        return self.booked == self.in_ledger and self.booked.earned == self.ledger_earned


class Window(Struct, frozen=True):
    """From the first day to before the last, and the instants at which those days begin."""

    first_day: date
    last_day: date
    starts_at: datetime
    ends_at: datetime
