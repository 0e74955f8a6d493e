"""Guards of money, taken away in the process that is killed: the table must show it (see ``app/crashpoints/nursery.py``)."""

from collections.abc import Mapping, Sequence
from uuid import UUID

from holdfast import idempotency
from holdfast.bookings import desk
from holdfast.bookings.desk import Answer, Desk, HoldRequest
from holdfast.common.actor import Actor
from holdfast.common.errors import Refusal
from holdfast.database import Tx, retried
from holdfast.idempotency import IdempotencyKey, KeyedRequest, New, RequestKey, Standing
from holdfast.inventory import Shortage
from holdfast.payments import repository
from holdfast.payments.gateway import Captured
from holdfast.payments.models import Method, PaymentId
from holdfast.payments.payable import Due, Settled
from holdfast.payments.screening import UNKNOWN_ORIGIN, Means, Origin
from holdfast.payments.service import PaymentService
from holdfast.payments.settling import PaymentAnswer, SettlingDesk, arrived


def two_commits() -> None:
    """What the money buys is committed, and that it came in another commit."""

    @retried
    async def settle_all(self: SettlingDesk, wanted: dict[PaymentId, Captured]) -> dict[PaymentId, PaymentAnswer]:
        async with self._database.transaction() as tx:
            found = list((await repository.get_all(tx, sorted(wanted))).values())
            kind = found[0].payable_kind
            locked = await self._payables[kind].lock(tx, [payment.payable_id for payment in found], settling=True)
            effects = await locked.captured(tx, [arrived(payment) for payment in found])
        kept = [payment for payment in found if isinstance(effects[payment.id], Settled)]
        async with self._database.transaction() as tx:
            return await self._keep(tx, kind, kept, wanted) if kept else {}

    SettlingDesk._settle_all = settle_all  # type: ignore[method-assign]


def row_after_the_call() -> None:
    """The gateway is asked for money before anything is written down."""

    async def pay(
        self: PaymentService,
        actor: Actor,
        key: IdempotencyKey,
        payable: tuple[str, UUID],
        method: Method,
        token: str | None = None,
        origin: Origin = UNKNOWN_ORIGIN,
        *,
        wallet_first: bool = False,
    ) -> PaymentAnswer:
        gateway, payment_id, (kind, payable_id) = self._gateways.taking(method), PaymentId.new(), payable
        means = Means(method, token, origin)
        assert not wallet_first
        assert gateway is not None
        assert token is not None
        async with self._database.transaction() as tx:
            due = (await (await self._payables[kind].lock(tx, [payable_id], settling=False)).amounts_due(tx)).get(payable_id)
        if not isinstance(due, Due):
            known = await self._begin(actor, key, payment_id, payable, means)
            assert isinstance(known, PaymentAnswer)
            return known
        outcome = await gateway.charge(payment_id, due.total, token, None)
        begun = await self._begin(actor, key, payment_id, payable, means)
        assert not isinstance(begun, Refusal)
        return begun if isinstance(begun, PaymentAnswer) else await self._make_true(begun, outcome)

    PaymentService.pay = pay  # type: ignore[method-assign]


def key_after_the_effect() -> None:
    """The key of a hold is taken in a commit after that of the hold."""
    take, real = idempotency.begin, Desk._hold_all

    async def begin(tx: Tx, requests: Sequence[KeyedRequest]) -> dict[RequestKey, Standing]:
        return {**{request.key: New() for request in requests}, **await idempotency.look_up(tx, requests)}

    async def hold_all(self: Desk, requests: Sequence[HoldRequest], remembered: Mapping[UUID, Shortage]) -> Sequence[Answer]:
        answers = await real(self, requests, remembered)
        async with self._database.transaction() as tx:
            await take(tx, [request.keyed for request in requests])
        return answers

    desk.begin = begin  # type: ignore[attr-defined]
    Desk._hold_all = hold_all  # type: ignore[method-assign]
