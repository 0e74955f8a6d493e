"""What the ledger is told of payments and refunds: who gives, who receives."""

from datetime import datetime

from holdfast.common.money import Amount
from holdfast.ledger import FEES, REFUNDS_DUE, RESERVED, Account, Entry, Purpose, Transaction
from holdfast.payments.models import Destination, Earner, Method, Payment, Refund


def capture(payment: Payment) -> Transaction:
    """Money that was taken for a payment: to whoever earns it, or back to its payer where it could buy nothing."""
    assert payment.captured is not None
    assert payment.captured_at is not None
    if not payment.is_kept:
        taken = Entry(source_of(payment), -payment.captured)
        return Transaction(payment.id, Purpose.CAPTURE, payment.captured_at, (taken, Entry(REFUNDS_DUE, payment.captured)))
    taken, set_aside = Entry(source_of(payment), -payment.charged), Entry(RESERVED, -payment.from_wallet)
    earned = Entry(earner_of(payment), Amount(payment.currency, payment.fare_amount))
    fee = Entry(FEES, Amount(payment.currency, payment.service_fee))
    return Transaction(payment.id, Purpose.CAPTURE, payment.captured_at, (taken, set_aside, earned, fee))


def reserved(payment: Payment) -> Transaction:
    """The wallet's part of a split payment is set aside until the gateway has decided about the rest."""
    entries = (Entry(Account.wallet(payment.payer_id), -payment.from_wallet), Entry(RESERVED, payment.from_wallet))
    return Transaction(payment.id, Purpose.RESERVED, payment.created_at, entries)


def reserve_returned(payment: Payment, at: datetime) -> Transaction:
    """What was set aside goes back into the wallet: the rest did not come, or too late."""
    entries = (Entry(RESERVED, -payment.from_wallet), Entry(Account.wallet(payment.payer_id), payment.from_wallet))
    return Transaction(payment.id, Purpose.RESERVE_RETURNED, at, entries)


def cash_kept(payment: Payment) -> Transaction:
    """A driver who was paid in cash has his fare already, and owes the rest."""
    assert payment.captured_at is not None
    fare = Amount(payment.currency, payment.fare_amount)
    entries = (Entry(Account.payee(payment.payee_id), -fare), Entry(Account.cash(payment.payee_id), fare))
    return Transaction(payment.id, Purpose.CASH_KEPT, payment.captured_at, entries)


def owed(payment: Payment, refund: Refund) -> Transaction:
    """Money of a payment that was kept is to go back: whoever earned it gives it up, or owes it where he has it in cash."""
    earner = Account.cash(payment.payee_id) if payment.method is Method.CASH else earner_of(payment)
    earned = Entry(earner, Amount(refund.currency, -refund.fare_amount))
    fee = Entry(FEES, Amount(refund.currency, -refund.service_fee))
    return Transaction(refund.id, Purpose.REFUND_OWED, refund.created_at, (earned, fee, Entry(REFUNDS_DUE, refund.total)))


def paid_back(payment: Payment, refund: Refund) -> Transaction:
    """Money went back to where it came from, or to the payer's wallet."""
    assert refund.refunded_at is not None
    to = Account.wallet(payment.payer_id) if refund.destination is Destination.WALLET else source_of(payment)
    return Transaction(refund.id, Purpose.REFUND_PAID, refund.refunded_at, (Entry(REFUNDS_DUE, -refund.total), Entry(to, refund.total)))


def earner_of(payment: Payment) -> Account:
    """The account that earns the fare of a payment."""
    return Account.wallet(payment.payee_id) if payment.earner is Earner.WALLET else Account.payee(payment.payee_id)


def source_of(payment: Payment) -> Account:
    """The account that gave the money of a payment."""
    match payment.method:
        case Method.WALLET:
            return Account.wallet(payment.payer_id)
        case Method.CASH:
            return Account.cash(payment.payee_id)
        case _:
            return Account.gateway(payment.gateway)
