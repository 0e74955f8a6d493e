"""The statements of payouts, one function each."""

from collections.abc import Mapping, Sequence

from holdfast.common.actor import UserId
from holdfast.database import Query, Tx, queries
from holdfast.ledger import Account, AccountKind
from holdfast.payments import Takings
from holdfast.payouts.models import Payout, PayoutBatchId, PayoutId, Standing
from holdfast.payouts.states import PayoutState
from holdfast.sessions.models import SessionId

SQL = queries(__file__)

OWN_KINDS = (AccountKind.PAYEE, AccountKind.CASH)
"""The accounts that say together what a payee is owed: cash that they were given stands below zero."""


async def insert(
    tx: Tx, payout_id: PayoutId, driver_id: UserId, session_id: SessionId, takings: Takings, requested_by: UserId
) -> Payout | None:
    return await tx.first(
        SQL.insert,
        Payout,
        id=payout_id,
        driver_id=driver_id,
        session_id=session_id,
        gross=takings.gross,
        fees=takings.fees,
        net=takings.net,
        currency=takings.currency,
        requested_by=requested_by,
    )


async def get(tx: Tx, payout_id: PayoutId) -> Payout | None:
    return await tx.first(SQL.get, Payout, id=payout_id)


async def lock(tx: Tx, payout_ids: Sequence[PayoutId]) -> Mapping[PayoutId, Payout]:
    return {payout.id: payout for payout in await tx.all(SQL.lock, Payout, ids=list(payout_ids))}


async def list_payouts(tx: Tx, driver_id: UserId | None, status: PayoutState | None, before: PayoutId | None, limit: int) -> list[Payout]:
    return await tx.all(SQL.list_payouts, Payout, driver_id=driver_id, status=status.value if status else None, before=before, limit=limit)


async def lock_payee(tx: Tx, payee_id: UserId) -> None:
    await tx.run(SQL.open_payee, payee_id=payee_id)
    await tx.run(SQL.lock_payee, payee_id=payee_id)


async def standing(tx: Tx, payee_id: UserId, currency: str) -> Standing:
    found = await tx.first(
        SQL.standing,
        Standing,
        payee_id=payee_id,
        currency=currency,
        owner=Account.payee(payee_id).owner,
        kinds=[kind.value for kind in OWN_KINDS],
    )
    assert found is not None
    return found


async def approve(tx: Tx, payout_id: PayoutId, admin_id: UserId, takings: Takings, set_off: int) -> Payout:
    return _changed(
        await tx.first(
            SQL.approve,
            Payout,
            id=payout_id,
            admin_id=admin_id,
            gross=takings.gross,
            fees=takings.fees,
            net=takings.net,
            set_off=set_off,
            currency=takings.currency,
        )
    )


async def reject(tx: Tx, payout_id: PayoutId, admin_id: UserId, reason: str) -> Payout:
    return _changed(await tx.first(SQL.reject, Payout, id=payout_id, admin_id=admin_id, reason=reason))


async def cancel(tx: Tx, payout_id: PayoutId) -> Payout:
    return _changed(await tx.first(SQL.cancel, Payout, id=payout_id))


async def pay(tx: Tx, payout_ids: Sequence[PayoutId], admin_id: UserId) -> list[Payout]:
    return await _all_changed(tx, SQL.pay, payout_ids, admin_id=admin_id)


async def put_in_batch(tx: Tx, payout_ids: Sequence[PayoutId], batch_id: PayoutBatchId) -> list[Payout]:
    return await _all_changed(tx, SQL.put_in_batch, payout_ids, batch_id=batch_id)


async def take_out_of_batch(tx: Tx, payout_ids: Sequence[PayoutId]) -> list[Payout]:
    return await _all_changed(tx, SQL.take_out_of_batch, payout_ids)


async def give_back(tx: Tx, reasons: Mapping[PayoutId, str], admin_id: UserId) -> list[Payout]:
    return await _all_changed(tx, SQL.give_back, list(reasons), reasons=list(reasons.values()), admin_id=admin_id)


async def _all_changed(tx: Tx, statement: Query, payout_ids: Sequence[PayoutId], **parameters: object) -> list[Payout]:
    if not payout_ids:
        return []
    changed = await tx.all(statement, Payout, ids=list(payout_ids), **parameters)
    assert len(changed) == len(payout_ids), _LOCKED
    return sorted(changed, key=lambda payout: payout.id)


def _changed(payout: Payout | None) -> Payout:
    assert payout is not None, _LOCKED
    return payout


_LOCKED = "whoever changes a payout has locked it, and read its state after that"
