"""The statements of disputes, one function each."""

from collections.abc import Sequence

from holdfast.common.money import Amount
from holdfast.database import Tx, queries
from holdfast.payments.disputes.models import Dispute, DisputeId
from holdfast.payments.disputes.states import DISPUTE
from holdfast.payments.gateway import DisputeStatus
from holdfast.payments.models import PaymentId

SQL = queries(__file__)


async def lock_dispute(tx: Tx, gateway: str, reference: str) -> Dispute | None:
    return await tx.first(SQL.lock_dispute, Dispute, gateway=gateway, reference=reference)


async def open_dispute(
    tx: Tx, payment_id: PaymentId, gateway: str, reference: str, amount: Amount, *, fare: Amount, fee: Amount, reason: str
) -> Dispute:
    opened = await tx.first(
        SQL.open_dispute,
        Dispute,
        id=DisputeId.new(),
        payment_id=payment_id,
        gateway=gateway,
        reference=reference,
        amount=amount.minor,
        currency=amount.currency,
        fare_amount=fare.minor,
        service_fee=fee.minor,
        reason=reason,
    )
    assert opened is not None
    return opened


async def decide_dispute(tx: Tx, dispute_id: DisputeId, status: DisputeStatus) -> Dispute:
    sources = [source.value for source in DISPUTE.sources(status)]
    decided = await tx.first(SQL.decide_dispute, Dispute, id=dispute_id, status=status.value, sources=sources)
    assert decided is not None, "whoever decides has locked the payment and read the state after that"
    return decided


async def disputes_of(tx: Tx, payment_ids: Sequence[PaymentId]) -> list[Dispute]:
    return await tx.all(SQL.disputes_of, Dispute, payment_ids=list(payment_ids))


async def list_disputes(tx: Tx, status: DisputeStatus | None, before: DisputeId | None, limit: int) -> list[Dispute]:
    return await tx.all(SQL.list_disputes, Dispute, status=status.value if status else None, before=before, limit=limit)
