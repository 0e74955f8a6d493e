"""Admins who give money back: the part of a payment that they think right, or a refund that its gateway cannot do.

Whoever changes a refund order locks its payment first, so that what is read after that stays true.
"""

from holdfast import audit, idempotency
from holdfast.audit import Deed
from holdfast.common.actor import Actor
from holdfast.common.errors import Invalid
from holdfast.common.money import Amount, minor_units
from holdfast.common.paging import Page, PageRequest, encode_cursor
from holdfast.database import Database, Tx, retried
from holdfast.idempotency import IdempotencyKey
from holdfast.payments import refunds
from holdfast.payments import repository as payments
from holdfast.payments.errors import PaymentUnknown
from holdfast.payments.models import Payment, PaymentId, Refund, RefundId
from holdfast.payments.payable import Payables
from holdfast.payments.refund_orders import repository
from holdfast.payments.refund_orders.errors import NothingWasKept, OwnRefundOrder, RefundOrderUnknown, RefundTooHigh, RefundUnknown
from holdfast.payments.refund_orders.models import RefundOrder, RefundOrderId
from holdfast.payments.refund_orders.states import REFUND_ORDER, RefundOrderState
from holdfast.payments.refunds import RefundRequest
from holdfast.payments.repository import Left
from holdfast.payments.states import RefundReason


class RefundOrders:
    """The use cases of admins who give money back."""

    def __init__(self, database: Database, payables: Payables, *, limit_minor: int) -> None:
        """``limit_minor``: what one admin may give back of a payment in all, in minor units; above it another one has to agree."""
        self._database = database
        self._payables = payables
        self._limit_minor = limit_minor

    @retried
    async def order(self, actor: Actor, key: IdempotencyKey, payment_id: PaymentId, amount: float, note: str) -> RefundOrder:
        """Give a part of a payment back, its fare before its fee: at once up to the limit, else once another admin has approved.

        ``amount`` is in major units of the payment's currency. Raises PaymentUnknown, Invalid, NothingWasKept, RefundTooHigh.
        """
        async with self._database.transaction() as tx, idempotency.once(tx, actor, key, RefundOrder) as once:
            if once.replay:
                return once.replay
            payment, left = await self._lock(tx, payment_id)
            wanted = _read(amount, payment.currency)
            _require(left, wanted)
            needs_another = await repository.ordered(tx, payment_id) + wanted.minor > self._limit_minor
            ordered = await repository.insert_order(tx, payment_id, wanted, note, actor.id, needs_another_admin=needs_another)
            await audit.record(tx, [Deed(actor, "refund_order.proposed", ordered.id, after=_facts(ordered))])
            return once.keep(ordered if needs_another else await self._do(tx, actor, payment, left, ordered))

    @retried
    async def approve(self, actor: Actor, key: IdempotencyKey, order_id: RefundOrderId) -> RefundOrder:
        """Another admin agrees: the money is owed from then on.

        Raises RefundOrderUnknown, OwnRefundOrder, NothingWasKept, RefundTooHigh, and the refusals of the machine.
        """
        async with self._database.transaction() as tx, idempotency.once(tx, actor, key, RefundOrder) as once:
            if once.replay:
                return once.replay
            payment, left, ordered = await self._lock_order(tx, actor, order_id)
            REFUND_ORDER.move(ordered.status, to=RefundOrderState.DONE)
            _require(left, ordered.total)
            return once.keep(await self._do(tx, actor, payment, left, ordered))

    @retried
    async def reject(self, actor: Actor, key: IdempotencyKey, order_id: RefundOrderId) -> RefundOrder:
        """Another admin says no. Raises RefundOrderUnknown, OwnRefundOrder, and the refusals of the machine."""
        async with self._database.transaction() as tx, idempotency.once(tx, actor, key, RefundOrder) as once:
            if once.replay:
                return once.replay
            _, _, ordered = await self._lock_order(tx, actor, order_id)
            REFUND_ORDER.move(ordered.status, to=RefundOrderState.REJECTED)
            rejected = await repository.decide_order(tx, order_id, RefundOrderState.REJECTED, actor.id)
            await audit.record(tx, [Deed(actor, "refund_order.rejected", order_id, before=_facts(ordered), after=_facts(rejected))])
            return once.keep(rejected)

    @retried
    async def to_wallet(self, actor: Actor, key: IdempotencyKey, refund_id: RefundId) -> Refund:
        """Put the money of a refund that failed into its payer's wallet, at once.

        Should the gateway give it back after all, its list shows a refund that is none of ours: the reconciler finds it.
        Raises RefundUnknown, and the refusals of refunds that did not fail.
        """
        async with self._database.transaction() as tx, idempotency.once(tx, actor, key, Refund) as once:
            if once.replay:
                return once.replay
            found = await payments.get_refund(tx, refund_id)
            if found is None:
                raise RefundUnknown
            await payments.lock_payment(tx, found.payment_id)
            return once.keep(await refunds.send_to_wallet(tx, actor, refund_id))

    @retried
    async def list_all(self, actor: Actor, page: PageRequest, *, status: RefundOrderState | None = None) -> Page[RefundOrder]:
        """Every refund order, newest first. What an admin looked at is audited."""
        async with self._database.transaction() as tx:
            rows = await repository.list_orders(tx, status, page.after(RefundOrderId), page.limit + 1)
            found = Page.cut(rows, page, lambda ordered: encode_cursor(str(ordered.id)))
            await audit.record(tx, [Deed(actor, "refund_order.viewed", ordered.id) for ordered in found.rows])
        return found

    async def _lock(self, tx: Tx, payment_id: PaymentId) -> tuple[Payment, Left]:
        """A payment under the lock of what it pays for, and what is left of it. Raises PaymentUnknown, NothingWasKept."""
        found = await payments.get(tx, payment_id)
        if found is None:
            raise PaymentUnknown
        await self._payables[found.payable_kind].lock(tx, [found.payable_id], settling=False)
        payment = await payments.lock_payment(tx, payment_id)
        assert payment is not None
        left = (await payments.left_of_kept(tx, [payment_id])).get(payment_id)
        if left is None:
            raise NothingWasKept
        return payment, left

    async def _lock_order(self, tx: Tx, actor: Actor, order_id: RefundOrderId) -> tuple[Payment, Left, RefundOrder]:
        found = await repository.get_order(tx, order_id)
        if found is None:
            raise RefundOrderUnknown
        payment, left = await self._lock(tx, found.payment_id)
        ordered = await repository.get_order(tx, order_id)
        assert ordered is not None
        forbid_own(actor, ordered)
        return payment, left, ordered

    async def _do(self, tx: Tx, actor: Actor, payment: Payment, left: Left, ordered: RefundOrder) -> RefundOrder:
        fare = Amount(ordered.currency, min(ordered.amount, left.fare))
        reason = RefundReason.DECIDED_BY_ADMIN
        await refunds.request(tx, actor, [RefundRequest(payment.payable_kind, payment.payable_id, fare, ordered.total - fare, reason)])
        done = await repository.decide_order(tx, ordered.id, RefundOrderState.DONE, actor.id)
        await audit.record(tx, [Deed(actor, "refund_order.done", done.id, before=_facts(ordered), after=_facts(done))])
        return done


def forbid_own(actor: Actor, ordered: RefundOrder) -> None:
    """Four eyes: who ordered it does not decide. Raises OwnRefundOrder."""
    if actor.id == ordered.ordered_by:
        raise OwnRefundOrder


def _read(amount: float, currency: str) -> Amount:
    try:
        wanted = minor_units(amount, currency)
    except ValueError as error:
        raise Invalid(("amount", f"{error}.")) from error
    if wanted <= 0:
        raise Invalid(("amount", "Give back more than nothing."))
    return Amount(currency, wanted)


def _require(left: Left, wanted: Amount) -> None:
    if wanted.minor > left.fare + left.fee:
        raise RefundTooHigh(left=str(Amount(wanted.currency, left.fare + left.fee)))


def _facts(ordered: RefundOrder) -> dict[str, object]:
    """What the audit log keeps: never the words of the note."""
    return {
        "payment_id": str(ordered.payment_id),
        "status": ordered.status.value,
        "amount": ordered.amount,
        "currency": ordered.currency,
        "needs_another_admin": ordered.needs_another_admin,
    }
