"""How paying can be refused."""

from holdfast.common.errors import NotFound, Refusal


class PaymentUnknown(NotFound):
    """There is no such payment, or it is not yours. Check the id."""

    code = "payment_unknown"


class MethodNotTaken(Refusal):
    """{method} is not taken here. Pay with one of: {supported}."""

    code = "payment_method_not_taken"
    status = 422


class CashNotTaken(Refusal):
    """This driver cannot take cash at the moment. Pay by card or out of your wallet."""

    code = "cash_not_taken"
    status = 409


class CardNumberSent(Refusal):
    """Never send the number of a card here. Type it on the page of the payment gateway, and send the token that comes of it."""

    code = "card_number_sent"
    status = 422


class WalletTooLow(Refusal):
    """Your wallet has {has}, and this costs {costs}. Fill it, or pay another way."""

    code = "wallet_too_low"
    status = 409


class PaymentRunning(Refusal):
    """A payment for this is still running. Finish it where nextAction leads, or ask for it by its id until it is decided."""

    code = "payment_running"
    status = 409


class PaidAlready(Refusal):
    """This is paid for already. Nothing was charged again."""

    code = "already_paid"
    status = 409


class PaymentFailedAlready(Refusal):
    """This payment failed. Pay again with a new one, as long as the hold lives."""

    code = "payment_failed"
    status = 409


class RefundedAlready(Refusal):
    """The money of this was given back already."""

    code = "already_refunded"
    status = 409


class RefundRunning(Refusal):
    """This refund is on its way. Ask for its payment again later."""

    code = "refund_running"
    status = 409


class RefundFailedAlready(Refusal):
    """The gateway could not give this money back. It is still owed to you; we pay it another way."""

    code = "refund_failed"
    status = 409


class GatewayUnknown(NotFound):
    """No gateway of this name is in use here."""

    code = "gateway_unknown"
