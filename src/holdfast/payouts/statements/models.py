"""What a statement says."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from msgspec import Struct

from holdfast.common.actor import UserId
from holdfast.common.money import Amount
from holdfast.ledger import EntryId, Purpose
from holdfast.sessions.models import SessionId

_SALES = (Purpose.CAPTURE, Purpose.REFUND_OWED)
_PAYOUTS = (Purpose.PAYOUT_APPROVED, Purpose.PAYOUT_RETURNED)


class Period(Struct, frozen=True):
    """What a statement is about: a week of the payee's zone, or a session. ``ends_at`` is the first instant that does not count."""

    starts_at: datetime
    ends_at: datetime
    week: str | None
    session_id: SessionId | None


class Balance(Struct, frozen=True):
    """What a payee was owed in a currency."""

    currency: str
    minor: int


class Line(Struct, frozen=True):
    """One transaction of the ledger that touched a payee. ``earned`` is what their own account received, ``cash`` what they were given
    in cash (below zero: it is with them already), ``platform_fees`` what the platform received of the same transaction.
    """

    entry_id: EntryId
    transaction_id: UUID
    purpose: Purpose
    currency: str
    at: datetime
    earned: int
    cash: int
    platform_fees: int
    session_id: SessionId | None

    @property
    def captured(self) -> int:
        """What passengers paid, with the fee."""
        return self.earned + self.platform_fees if self.purpose is Purpose.CAPTURE else 0

    @property
    def refunded(self) -> int:
        """What passengers got back, with the fee: below zero."""
        return self.earned + self.platform_fees if self.purpose is Purpose.REFUND_OWED else 0

    @property
    def fees(self) -> int:
        """What of it is the platform's: below zero, or above where a fee was given back."""
        return -self.platform_fees if self.purpose in _SALES else 0

    @property
    def paid_out(self) -> int:
        """What left for the payee: below zero, or above where the bank sent it back."""
        return self.earned if self.purpose in _PAYOUTS else 0

    @property
    def other(self) -> int:
        """Whatever else changed what the payee is owed: a chargeback, a correction."""
        return self.earned if self.purpose not in (*_SALES, *_PAYOUTS) else 0

    @property
    def change(self) -> int:
        return self.earned + self.cash


class Section(Struct, frozen=True):
    """A statement's lines of one currency, and what the payee was owed before them."""

    currency: str
    opening: int
    lines: Sequence[Line]

    @property
    def closing(self) -> int:
        return self.opening + sum(line.change for line in self.lines)

    def amount(self, minor: int) -> Amount:
        return Amount(self.currency, minor)


class Statement(Struct, frozen=True):
    """What happened to a payee's money."""

    payee_id: UserId
    period: Period
    zone: str
    sections: Sequence[Section]
