"""How accounts are refused."""

from holdfast.common.errors import NotFound


class NoPayoutAccount(NotFound):
    """You have not said where your money is to go. Do so with POST /payouts/account."""

    code = "no_payout_account"
