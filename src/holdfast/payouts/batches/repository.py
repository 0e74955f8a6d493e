"""The statements of batches, one function each."""

from collections.abc import Sequence

from holdfast.common.actor import UserId
from holdfast.database import Tx, queries
from holdfast.payouts.batches.models import Batch, BatchItem, Moment, Order
from holdfast.payouts.models import PayoutBatchId

SQL = queries(__file__)


async def moment(tx: Tx, zone: str) -> Moment:
    found = await tx.first(SQL.moment, Moment, zone=zone)
    assert found is not None
    return found


async def insert(tx: Tx, order: Order, items: Sequence[BatchItem], admin_id: UserId, *, csv_sha256: bytes, xml_sha256: bytes) -> Batch:
    return _changed(
        await tx.first(
            SQL.insert_batch,
            Batch,
            id=order.id,
            currency=order.total.currency,
            payouts=len(items),
            total=order.total.minor,
            execute_on=order.execute_on,
            debtor_name=order.debtor.holder,
            debtor_iban=order.debtor.iban,
            debtor_bic=order.debtor.bic,
            csv_sha256=csv_sha256,
            xml_sha256=xml_sha256,
            admin_id=admin_id,
            created_at=order.made_at,
            payout_ids=[item.payout_id for item in items],
            account_ids=[item.account_id for item in items],
            amounts=[item.amount for item in items],
        )
    )


async def get(tx: Tx, batch_id: PayoutBatchId) -> Batch | None:
    return await tx.first(SQL.get_batch, Batch, id=batch_id)


async def lock(tx: Tx, batch_id: PayoutBatchId) -> Batch | None:
    return await tx.first(SQL.lock_batch, Batch, id=batch_id)


async def list_batches(tx: Tx, before: PayoutBatchId | None, limit: int) -> list[Batch]:
    return await tx.all(SQL.list_batches, Batch, before=before, limit=limit)


async def items_of(tx: Tx, batch_id: PayoutBatchId) -> list[BatchItem]:
    return await tx.all(SQL.items_of, BatchItem, id=batch_id)


async def approve(tx: Tx, batch_id: PayoutBatchId, admin_id: UserId) -> Batch:
    return _changed(await tx.first(SQL.approve_batch, Batch, id=batch_id, admin_id=admin_id))


async def cancel(tx: Tx, batch_id: PayoutBatchId, admin_id: UserId) -> Batch:
    return _changed(await tx.first(SQL.cancel_batch, Batch, id=batch_id, admin_id=admin_id))


def _changed(batch: Batch | None) -> Batch:
    assert batch is not None, "whoever changes a batch has locked it, and read its state after that"
    return batch
