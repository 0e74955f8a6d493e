"""What the ledger is told of payouts: who gives, who receives."""

from holdfast.ledger import PAYOUTS_DUE, Account, Entry, Purpose, Transaction
from holdfast.payouts.models import Payout


def approved(payout: Payout) -> Transaction:
    """Money of the driver is set aside for the payout. What was set off stays in the driver's account, where it makes up for a debt."""
    assert payout.approved_at is not None
    entries = (Entry(Account.payee(payout.driver_id), -payout.due), Entry(PAYOUTS_DUE, payout.due))
    return Transaction(payout.id, Purpose.PAYOUT_APPROVED, payout.approved_at, entries)


def paid(payout: Payout) -> Transaction:
    """The money has left through the bank."""
    assert payout.paid_at is not None
    entries = (Entry(PAYOUTS_DUE, -payout.due), Entry(Account.bank(), payout.due))
    return Transaction(payout.id, Purpose.PAYOUT_PAID, payout.paid_at, entries)


def returned(payout: Payout) -> Transaction:
    """The driver is owed it again: it came back through the bank, or never left."""
    assert payout.returned_at is not None
    source = PAYOUTS_DUE if payout.paid_at is None else Account.bank()
    entries = (Entry(source, -payout.due), Entry(Account.payee(payout.driver_id), payout.due))
    return Transaction(payout.id, Purpose.PAYOUT_RETURNED, payout.returned_at, entries)
