"""What the bookings of an owner brought in: for whoever is paid for them."""

from collections.abc import Sequence
from uuid import UUID

from holdfast.bookings import repository
from holdfast.bookings.models import PAYABLE_KIND
from holdfast.database import Tx
from holdfast.payments import Takings, takings


async def takings_of_owner(tx: Tx, owner_id: UUID, *, locked: bool) -> Sequence[Takings]:
    """What was captured and refunded for all bookings of an owner, by currency. ``locked`` keeps that until the commit.

    Nothing can be confirmed on an owner whose pools are closed, so what is locked here is all there will ever be.
    """
    return await takings(tx, PAYABLE_KIND, await repository.ids_of_owner(tx, owner_id), locked=locked)
