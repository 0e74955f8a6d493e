"""The statements of payouts, one function each."""

from holdfast.common.actor import UserId
from holdfast.database import Tx, queries
from holdfast.payments import Takings
from holdfast.payouts.models import Payout, PayoutId
from holdfast.payouts.states import PayoutState
from holdfast.sessions.models import SessionId

SQL = queries(__file__)


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


async def list_payouts(tx: Tx, driver_id: UserId | None, status: PayoutState | None, before: PayoutId | None, limit: int) -> list[Payout]:
    return await tx.all(SQL.list_payouts, Payout, driver_id=driver_id, status=status.value if status else None, before=before, limit=limit)


async def approve(tx: Tx, payout_id: PayoutId, admin_id: UserId, takings: Takings) -> Payout:
    return _changed(
        await tx.first(
            SQL.approve,
            Payout,
            id=payout_id,
            admin_id=admin_id,
            gross=takings.gross,
            fees=takings.fees,
            net=takings.net,
            currency=takings.currency,
        )
    )


async def pay(tx: Tx, payout_id: PayoutId, admin_id: UserId) -> Payout:
    return _changed(await tx.first(SQL.pay, Payout, id=payout_id, admin_id=admin_id))


async def reject(tx: Tx, payout_id: PayoutId, admin_id: UserId, reason: str) -> Payout:
    return _changed(await tx.first(SQL.reject, Payout, id=payout_id, admin_id=admin_id, reason=reason))


def _changed(payout: Payout | None) -> Payout:
    assert payout is not None, "whoever changes a payout has locked its session and read its state after that"
    return payout
