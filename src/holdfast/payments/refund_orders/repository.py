"""The statements of refund orders, one function each."""

from holdfast.common.actor import UserId
from holdfast.common.money import Amount
from holdfast.database import Tx, queries
from holdfast.payments.models import PaymentId
from holdfast.payments.refund_orders.models import RefundOrder, RefundOrderId
from holdfast.payments.refund_orders.states import REFUND_ORDER, RefundOrderState

SQL = queries(__file__)


async def insert_order(
    tx: Tx, payment_id: PaymentId, amount: Amount, note: str, ordered_by: UserId, *, needs_another_admin: bool
) -> RefundOrder:
    inserted = await tx.first(
        SQL.insert_order,
        RefundOrder,
        id=RefundOrderId.new(),
        payment_id=payment_id,
        amount=amount.minor,
        currency=amount.currency,
        note=note,
        needs_another_admin=needs_another_admin,
        ordered_by=ordered_by,
    )
    assert inserted is not None
    return inserted


async def ordered(tx: Tx, payment_id: PaymentId) -> int:
    found: int = await tx.value(SQL.ordered, payment_id=payment_id)
    return found


async def get_order(tx: Tx, order_id: RefundOrderId) -> RefundOrder | None:
    return await tx.first(SQL.get_order, RefundOrder, id=order_id)


async def decide_order(tx: Tx, order_id: RefundOrderId, status: RefundOrderState, decided_by: UserId) -> RefundOrder:
    sources = [source.value for source in REFUND_ORDER.sources(status)]
    decided = await tx.first(SQL.decide_order, RefundOrder, id=order_id, status=status.value, decided_by=decided_by, sources=sources)
    assert decided is not None, "whoever decides has locked the payment and read the state after that"
    return decided


async def list_orders(tx: Tx, status: RefundOrderState | None, before: RefundOrderId | None, limit: int) -> list[RefundOrder]:
    return await tx.all(SQL.list_orders, RefundOrder, status=status.value if status else None, before=before, limit=limit)
