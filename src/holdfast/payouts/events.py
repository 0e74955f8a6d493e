"""What payouts announce."""

from typing import ClassVar

from holdfast.common.actor import UserId
from holdfast.common.money import Amount
from holdfast.events import Event
from holdfast.payouts.models import PayoutId
from holdfast.sessions.models import SessionId


class PayoutEvent(Event, frozen=True, kw_only=True):
    """``amount`` is what the driver gets: the net amount."""

    subject: ClassVar[str] = "payout_id"
    payout_id: PayoutId
    driver_id: UserId
    session_id: SessionId
    amount: Amount


class PayoutRequested(PayoutEvent, frozen=True, kw_only=True):
    """The driver asked for it."""


class PayoutApproved(PayoutEvent, frozen=True, kw_only=True):
    """An admin approved it: the amount is final."""


class PayoutPaid(PayoutEvent, frozen=True, kw_only=True):
    """The money has left."""


class PayoutRejected(PayoutEvent, frozen=True, kw_only=True):
    """An admin said no; the reason stands in the payout."""
