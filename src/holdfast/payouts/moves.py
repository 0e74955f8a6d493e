"""What belongs to each move of payouts, in one commit: their rows, the ledger, the audit log, the events. The payouts are locked."""

from collections.abc import Mapping, Sequence

from holdfast import audit, events, ledger
from holdfast.audit import Deed
from holdfast.common.actor import Actor
from holdfast.database import Tx
from holdfast.payments import Takings
from holdfast.payouts import postings, repository
from holdfast.payouts.errors import OwnPayout
from holdfast.payouts.events import (
    PayoutApproved,
    PayoutEvent,
    PayoutPaid,
    PayoutPutInBatch,
    PayoutReturned,
    PayoutTakenOutOfBatch,
)
from holdfast.payouts.models import Payout, PayoutBatchId, PayoutId
from holdfast.payouts.states import PAYOUT, PayoutState


async def approve(tx: Tx, actor: Actor, payout: Payout, takings: Takings, debt: int) -> Payout:
    """Owe a driver what a session took, less what the driver owes. Where nothing is left of that, it is paid."""
    PAYOUT.move(payout.status, to=PayoutState.APPROVED)
    approved = await repository.approve(tx, payout.id, actor.id, takings, min(debt, takings.net))
    await ledger.post(tx, [postings.approved(approved)])
    await tell(tx, actor, "payout.approved", PayoutApproved, [approved], {payout.id: payout})
    return approved if approved.due.minor else (await pay(tx, actor, [approved]))[0]


async def pay(tx: Tx, actor: Actor, payouts: Sequence[Payout]) -> list[Payout]:
    """Say that the money has left. Raises the refusals of the machine."""
    before = _moving(payouts, PayoutState.PAID)
    paid = await repository.pay(tx, list(before), actor.id)
    await ledger.post(tx, [postings.paid(payout) for payout in paid])
    await tell(tx, actor, "payout.paid", PayoutPaid, paid, before)
    return paid


async def put_in_batch(tx: Tx, actor: Actor, payouts: Sequence[Payout], batch_id: PayoutBatchId) -> list[Payout]:
    """Send payouts to the bank together. Raises the refusals of the machine."""
    before = _moving(payouts, PayoutState.IN_BATCH)
    batched = await repository.put_in_batch(tx, list(before), batch_id)
    await tell(tx, actor, "payout.put_in_batch", PayoutPutInBatch, batched, before)
    return batched


async def take_out_of_batch(tx: Tx, actor: Actor, payouts: Sequence[Payout]) -> None:
    """Payouts whose batch does not go to the bank can go with another one."""
    before = _moving(payouts, PayoutState.APPROVED)
    await tell(tx, actor, "payout.taken_out_of_batch", PayoutTakenOutOfBatch, await repository.take_out_of_batch(tx, list(before)), before)


async def give_back(tx: Tx, actor: Actor, payouts: Sequence[Payout], reasons: Mapping[PayoutId, str]) -> None:
    """The bank sent payouts back: their drivers are owed the money again. Raises the refusals of the machine."""
    before = _moving(payouts, PayoutState.RETURNED)
    returned = await repository.give_back(tx, {payout_id: reasons[payout_id] for payout_id in before}, actor.id)
    await ledger.post(tx, [postings.returned(payout) for payout in returned])
    await tell(tx, actor, "payout.returned", PayoutReturned, returned, before)


def forbid_own(actor: Actor, payout: Payout) -> None:
    """Four eyes: neither who asked nor who gets the money decides. Raises OwnPayout."""
    if actor.id in (payout.requested_by, payout.driver_id):
        raise OwnPayout


async def tell(
    tx: Tx, actor: Actor, action: str, event: type[PayoutEvent], after: Sequence[Payout], before: Mapping[PayoutId, Payout]
) -> None:
    """Write down and announce what became of payouts. One that was asked for just now has no before."""
    await audit.record(
        tx,
        [
            Deed(actor, action, payout.id, before=_facts(before[payout.id]) if payout.id in before else None, after=_facts(payout))
            for payout in after
        ],
    )
    await events.publish(
        tx,
        [
            event(
                version=payout.version,
                payout_id=payout.id,
                driver_id=payout.driver_id,
                session_id=payout.session_id,
                amount=payout.due,
            )
            for payout in after
        ],
    )


def _moving(payouts: Sequence[Payout], to: PayoutState) -> dict[PayoutId, Payout]:
    for payout in payouts:
        PAYOUT.move(payout.status, to=to)
    return {payout.id: payout for payout in payouts}


def _facts(payout: Payout) -> dict[str, object]:
    """What the audit log keeps: never the words of a rejection."""
    return {
        "session_id": str(payout.session_id),
        "status": payout.status.value,
        "gross": payout.gross_amount,
        "fees": payout.service_fees,
        "net": payout.net_amount,
        "set_off": payout.set_off_amount,
        "currency": payout.currency,
        "batch_id": str(payout.batch_id) if payout.batch_id else None,
    }
