"""What is announced about accounts: that one changed, never which it is."""

from typing import ClassVar

from holdfast.common.actor import UserId
from holdfast.events import Event
from holdfast.payouts.accounts.models import PayoutAccountId


class PayoutAccountChanged(Event, frozen=True, kw_only=True):
    """Somebody said where their money is to go from now on."""

    subject: ClassVar[str] = "account_id"
    account_id: PayoutAccountId
    payee_id: UserId
