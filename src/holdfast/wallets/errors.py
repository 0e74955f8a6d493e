"""How wallets refuse."""

from holdfast.common.errors import NotFound, Refusal


class TopUpUnknown(NotFound):
    """There is no such top-up of yours. Check the id."""

    code = "top_up_unknown"


class TopUpFilledAlready(Refusal):
    """This top-up is paid for, and its money is in your wallet. Make a new one to add more."""

    code = "top_up_filled"
    status = 409
