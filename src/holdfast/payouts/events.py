"""What payouts announce."""

from typing import ClassVar

from holdfast.common.actor import UserId
from holdfast.common.money import Amount
from holdfast.events import Event
from holdfast.payouts.models import PayoutId
from holdfast.sessions.models import SessionId


class PayoutEvent(Event, frozen=True, kw_only=True):
    """``amount`` is what the driver gets: the net amount less what was set off."""

    subject: ClassVar[str] = "payout_id"
    payout_id: PayoutId
    driver_id: UserId
    session_id: SessionId
    amount: Amount


class PayoutRequested(PayoutEvent, frozen=True, kw_only=True):
    """The driver asked for it."""


class PayoutApproved(PayoutEvent, frozen=True, kw_only=True):
    """An admin approved it: the amount is final."""


class PayoutPutInBatch(PayoutEvent, frozen=True, kw_only=True):
    """It goes to the bank with others."""


class PayoutTakenOutOfBatch(PayoutEvent, frozen=True, kw_only=True):
    """Its batch did not go to the bank: it is as approved as before."""


class PayoutPaid(PayoutEvent, frozen=True, kw_only=True):
    """The money has left; or there was none to leave, where the driver owed all of it."""


class PayoutReturned(PayoutEvent, frozen=True, kw_only=True):
    """The bank sent the money back: the driver is owed it again."""


class PayoutRejected(PayoutEvent, frozen=True, kw_only=True):
    """An admin said no; the reason stands in the payout."""


class PayoutCancelled(PayoutEvent, frozen=True, kw_only=True):
    """The driver wants it no longer."""
