"""The statements of top-ups."""

from collections.abc import Sequence
from uuid import UUID

from holdfast.common.actor import UserId
from holdfast.common.money import Amount
from holdfast.database import Tx, queries
from holdfast.wallets.models import TopUp, TopUpId

SQL = queries(__file__)


async def insert(tx: Tx, top_up_id: TopUpId, user_id: UserId, amount: Amount) -> TopUp:
    inserted = await tx.first(SQL.insert_top_up, TopUp, id=top_up_id, user_id=user_id, amount=amount.minor, currency=amount.currency)
    assert inserted is not None
    return inserted


async def get(tx: Tx, ids: Sequence[UUID]) -> dict[UUID, TopUp]:
    return {top_up.id: top_up for top_up in await tx.all(SQL.get_top_ups, TopUp, ids=list(ids))}


async def lock(tx: Tx, ids: Sequence[UUID]) -> dict[UUID, TopUp]:
    return {top_up.id: top_up for top_up in await tx.all(SQL.lock_top_ups, TopUp, ids=list(ids))}


async def fill(tx: Tx, ids: Sequence[UUID]) -> None:
    await tx.run(SQL.fill, ids=list(ids))
