"""What payments may ask of top-ups: how much is due, and the effect of money that has arrived."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from holdfast.common.errors import Refusal
from holdfast.common.ids import Id
from holdfast.common.money import Amount
from holdfast.database import Tx
from holdfast.payments.models import Earner, PaymentId
from holdfast.payments.payable import Arrived, Due, Effect, Mismatch, Settled, Standing, TooLate
from holdfast.wallets import repository
from holdfast.wallets.errors import TopUpFilledAlready
from holdfast.wallets.models import TopUp, TopUpId

FILLED: Final = "FILLED"
UNPAID: Final = "UNPAID"


class TopUpPayable:
    """A top-up can be paid for once, at any time. Whoever pays earns it: it goes into their own wallet."""

    id_types: tuple[type[Id], ...] = (TopUpId,)

    async def lock(self, tx: Tx, ids: Sequence[UUID], *, settling: bool) -> "LockedTopUps":
        """Top-ups, by id."""
        return LockedTopUps(await repository.lock(tx, ids))

    async def standing(self, tx: Tx, ids: Sequence[UUID]) -> Mapping[UUID, Standing]:
        """Whether the money is there."""
        found = await repository.get(tx, ids)
        return {top_up.id: Standing(FILLED if top_up.filled_at else UNPAID) for top_up in found.values()}


@dataclass(frozen=True)
class LockedTopUps:
    """Top-ups that are being paid for."""

    top_ups: Mapping[UUID, TopUp]

    @property
    def ready(self) -> Collection[UUID]:
        return [top_up.id for top_up in self.top_ups.values() if top_up.filled_at is None]

    async def amounts_due(self, tx: Tx) -> Mapping[UUID, Due | Refusal]:
        """All of it, from whoever wants it; there is no fee."""
        return {top_up.id: TopUpFilledAlready() if top_up.filled_at else _due(top_up) for top_up in self.top_ups.values()}

    async def begun(self, tx: Tx) -> None:
        """Nothing: a top-up waits for its money for ever."""

    async def captured(self, tx: Tx, payments: Sequence[Arrived]) -> Mapping[PaymentId, Effect]:
        """The ledger fills the wallet in this commit; here it is only written down that this top-up is done."""
        effects: dict[PaymentId, Effect] = {}
        filled: set[UUID] = set()
        for payment in payments:
            top_up = self.top_ups.get(payment.payable_id)
            if top_up is None or top_up.filled_at is not None or top_up.id in filled:
                effects[payment.id] = TooLate()
            elif payment.amount != top_up.total:
                effects[payment.id] = Mismatch()
            else:
                filled.add(top_up.id)
                effects[payment.id] = Settled()
        if filled:
            await repository.fill(tx, sorted(filled))
        return effects

    async def failed(self, tx: Tx, payments: Sequence[Arrived]) -> None:
        """Nothing: it can be paid for again."""


def _due(top_up: TopUp) -> Due:
    return Due(top_up.user_id, top_up.user_id, top_up.total, Amount(top_up.currency, 0), Earner.WALLET)
