"""Disputes as their gateways tell of them, in any order and as often as they like."""

import structlog

from holdfast import audit, events, ledger
from holdfast.audit import Deed
from holdfast.common.actor import SYSTEM, Actor
from holdfast.common.money import Amount
from holdfast.common.paging import Page, PageRequest, encode_cursor
from holdfast.database import Database, Tx, retried
from holdfast.ledger import FEES, Account, Entry, Purpose, Transaction
from holdfast.payments import postings
from holdfast.payments import repository as payments
from holdfast.payments.disputes import repository
from holdfast.payments.disputes.events import DisputeEvent, DisputeLost, DisputeWon, PaymentDisputed
from holdfast.payments.disputes.models import REASON_LENGTH_MAX, Dispute, DisputeId
from holdfast.payments.disputes.states import DISPUTE
from holdfast.payments.gateway import DisputeFact, DisputeStatus
from holdfast.payments.models import Earner, Payment

log = structlog.get_logger()


class NotCapturedYet(Exception):
    """A dispute about money that has not arrived here: its message waits until the money has."""


class Disputes:
    """Writes down what gateways say about disputes, and what it does to the money."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @retried
    async def apply(self, gateway: str, fact: DisputeFact) -> Dispute | None:
        """Make a gateway's word about a dispute true, in one transaction; None where it is about nothing of ours.

        A dispute that is decided before it was heard of is opened first, so that every order of its messages ends the same.
        Raises NotCapturedYet.
        """
        async with self._database.transaction() as tx:
            payment_id = fact.payment or await payments.find_by_reference(tx, gateway, fact.payment_reference)
            payment = await payments.lock_payment(tx, payment_id) if payment_id else None
            if payment is None or payment.gateway != gateway:
                log.warning("dispute_not_ours", reference=fact.dispute_id, payment_reference=fact.payment_reference)
                return None
            if payment.captured is None:
                raise NotCapturedYet
            dispute = await repository.lock_dispute(tx, gateway, fact.dispute_id)
            if dispute is None:
                payment, dispute = await _open(tx, payment, fact)
            if DISPUTE.allows(dispute.status, fact.status):
                dispute = await _decide(tx, payment, dispute, fact.status)
            return dispute

    @retried
    async def list_all(self, actor: Actor, page: PageRequest, *, status: DisputeStatus | None = None) -> Page[Dispute]:
        """Every dispute, newest first, for an admin. What an admin looked at is audited."""
        async with self._database.transaction() as tx:
            rows = await repository.list_disputes(tx, status, page.after(DisputeId), page.limit + 1)
            found = Page.cut(rows, page, lambda dispute: encode_cursor(str(dispute.id)))
            await audit.record(tx, [Deed(actor, "dispute.viewed", dispute.id) for dispute in found.rows])
        return found


async def _open(tx: Tx, payment: Payment, fact: DisputeFact) -> tuple[Payment, Dispute]:
    fare, fee = await _share(tx, payment, fact.amount)
    reason = fact.reason[:REASON_LENGTH_MAX]
    dispute = await repository.open_dispute(
        tx, payment.id, payment.gateway, fact.dispute_id, fact.amount, fare=fare, fee=fee, reason=reason
    )
    if dispute.booked != dispute.disputed:
        log.error("dispute_above_what_is_left", dispute_id=str(dispute.id), disputed=str(dispute.disputed), booked=str(dispute.booked))
    charged = await payments.charge_back(tx, payment.id, dispute.booked)
    await ledger.post(tx, [Transaction(dispute.id, Purpose.CHARGEBACK, dispute.opened_at, await _entries(tx, payment, fare, fee))])
    await _tell(tx, "dispute.opened", PaymentDisputed, charged, None, dispute)
    return charged, dispute


async def _decide(tx: Tx, payment: Payment, dispute: Dispute, status: DisputeStatus) -> Dispute:
    decided = await repository.decide_dispute(tx, dispute.id, status)
    assert decided.decided_at is not None
    if status is DisputeStatus.LOST:
        charged = await payments.charge_back(tx, payment.id, Amount(decided.currency, 0))
        await _tell(tx, "dispute.lost", DisputeLost, charged, dispute, decided)
        return decided
    charged = await payments.charge_back(tx, payment.id, -decided.booked)
    taken = await ledger.posted(tx, dispute.id, Purpose.CHARGEBACK)
    back = tuple(Entry(entry.account, -entry.amount) for entry in taken)
    await ledger.post(tx, [Transaction(dispute.id, Purpose.CHARGEBACK_WON, decided.decided_at, back)])
    await _tell(tx, "dispute.won", DisputeWon, charged, dispute, decided)
    return decided


async def _share(tx: Tx, payment: Payment, amount: Amount) -> tuple[Amount, Amount]:
    """How much of the fare and of the fee a dispute takes: the fare first, and no more than was not given back already."""
    left = (await payments.left_of_kept(tx, [payment.id])).get(payment.id)
    if left is None or amount.currency != payment.currency:
        return Amount(amount.currency, 0), Amount(amount.currency, 0)
    fare = min(amount.minor, left.fare)
    return Amount(amount.currency, fare), Amount(amount.currency, min(amount.minor - fare, left.fee))


async def _entries(tx: Tx, payment: Payment, fare: Amount, fee: Amount) -> tuple[Entry, ...]:
    """The gateway has so much less of ours, and whoever earned it owes it, also after it was paid out.

    A wallet cannot owe: what it does not have any more its owner owes.
    """
    earner = postings.earner_of(payment)
    from_wallet = Amount(fare.currency, 0)
    if payment.earner is Earner.WALLET:
        wallet = (earner, fare.currency)
        from_wallet = min((await ledger.guarded_balances(tx, [wallet]))[wallet], fare)
    owes = Account.payee(payment.payee_id)
    return (
        Entry(Account.gateway(payment.gateway), fare + fee),
        Entry(earner, -from_wallet),
        Entry(owes, from_wallet - fare),
        Entry(FEES, -fee),
    )


async def _tell(tx: Tx, action: str, event: type[DisputeEvent], payment: Payment, before: Dispute | None, after: Dispute) -> None:
    await audit.record(tx, [Deed(SYSTEM, action, after.id, before=_facts(before) if before else None, after=_facts(after))])
    await events.publish(
        tx,
        [
            event(
                version=payment.version,
                payment_id=payment.id,
                payable_kind=payment.payable_kind,
                payable_id=payment.payable_id,
                payer_id=payment.payer_id,
                payee_id=payment.payee_id,
                amount=after.disputed,
                dispute_id=after.id,
            )
        ],
    )


def _facts(dispute: Dispute) -> dict[str, object]:
    """What the audit log keeps: never the gateway's words."""
    return {
        "payment_id": str(dispute.payment_id),
        "status": dispute.status.value,
        "amount": dispute.amount,
        "booked": dispute.booked.minor,
        "currency": dispute.currency,
    }
