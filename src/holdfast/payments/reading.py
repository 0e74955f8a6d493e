"""What others ask of payments inside their own transactions."""

from collections.abc import Mapping, Sequence
from uuid import UUID

from holdfast.database import Tx
from holdfast.payments import repository
from holdfast.payments.models import PaidFor, Takings


async def of(tx: Tx, kind: str, payable_ids: Sequence[UUID]) -> Mapping[UUID, PaidFor]:
    """What was tried and paid for each of a set of things; every one of them is in the answer. Locks nothing."""
    return await repository.of_payables(tx, kind, payable_ids) if payable_ids else {}


async def takings(tx: Tx, kind: str, payable_ids: Sequence[UUID], *, locked: bool = False) -> list[Takings]:
    """What a set of things brought in, one for each currency.

    ``locked``: their payments are locked first, by id, so that it stays true until the commit: for decisions. The things
    themselves are locked by the caller, or closed for good.
    """
    if not payable_ids:
        return []
    if locked:
        await repository.lock_kept(tx, kind, payable_ids)
    return await repository.takings(tx, kind, payable_ids)
