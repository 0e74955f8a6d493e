"""What can be paid for: the protocol between ``payments`` and each thing that is sold.

Payments sit below what they pay for. They open the transaction of an outcome and call the Payable in it, so that a payment and
its effect (a confirmed booking, a filled wallet) are one commit.
"""

from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Protocol
from uuid import UUID

from msgspec import Struct

from holdfast.common.actor import UserId
from holdfast.common.errors import NotFound, Refusal
from holdfast.common.ids import Id
from holdfast.common.money import Amount
from holdfast.database import Tx
from holdfast.payments.models import Earner, PaymentId


class Due(Struct, frozen=True):
    """What is asked for one thing: from whom, how much, and who earns the fare, into which account. The fee is the platform's."""

    payer_id: UserId
    payee_id: Id
    fare: Amount
    fee: Amount
    earner: Earner = Earner.PAYEE

    @property
    def total(self) -> Amount:
        return self.fare + self.fee


class Arrived(Struct, frozen=True):
    """A payment whose money is there, or which failed. ``amount`` is what the payer was asked for and, once captured, gave."""

    id: PaymentId
    payable_id: UUID
    payer_id: UserId
    amount: Amount


class Settled(Struct, frozen=True):
    """The money had its effect and is kept."""


class TooLate(Struct, frozen=True):
    """There is nothing left that the money could buy: it goes back."""


class Mismatch(Struct, frozen=True):
    """It is not the amount that was due: it goes back."""


Effect = Settled | TooLate | Mismatch


class HoldLapsedMeanwhile(Exception):
    """Only ``captured`` found out that the hold had lapsed. Its transaction rolls back and runs again as late money."""


class Standing(Struct, frozen=True):
    """How the thing stands, for its payer: shown beside the payment. ``expires_at`` is until when it can be paid."""

    status: str
    expires_at: datetime | None = None


class Locked(Protocol):
    """Things to be paid for, locked: what their rows said under the lock stays true until the transaction ends.

    Ids that name nothing are not in an answer.
    """

    @property
    def ready(self) -> Collection[UUID]:
        """Those on which money has its effect with what is locked now: ``captured`` locks nothing more for them."""
        ...

    async def amounts_due(self, tx: Tx) -> Mapping[UUID, Due | Refusal]:
        """What is to be paid for each, or why it cannot be paid now."""
        ...

    async def begun(self, tx: Tx) -> None:
        """A gateway is about to be asked: extend each hold, once for each booking."""
        ...

    async def captured(self, tx: Tx, payments: Sequence[Arrived]) -> Mapping[PaymentId, Effect]:
        """The effect of money that has arrived: confirm a booking, also one whose hold lapsed, if its seats are still free.

        Raises HoldLapsedMeanwhile.
        """
        ...

    async def failed(self, tx: Tx, payments: Sequence[Arrived]) -> None:
        """An attempt was declined; the thing can be paid again until its deadline. Pools are not locked."""
        ...


class Payable(Protocol):
    """One kind of thing that can be paid for: bookings, and later top-ups of a wallet.

    ``id_types``: what names such a thing from outside, the usual name first (``bkg_``, ``hld_``).
    """

    id_types: tuple[type[Id], ...]

    async def lock(self, tx: Tx, ids: Sequence[UUID], *, settling: bool) -> Locked:
        """Lock own holds, then bookings, by id. ``settling``: money has arrived, so pools of live holds follow.

        Of the others ``captured`` locks the pools.
        """
        ...

    async def standing(self, tx: Tx, ids: Sequence[UUID]) -> Mapping[UUID, Standing]:
        """How each stands. Locks nothing."""
        ...


class PayableUnknown(NotFound):
    """There is nothing to pay under this id, or it is not yours. Check the id."""

    code = "payable_unknown"


class Payables:
    """Every kind of thing that can be paid for, by name. Filled once, by ``app/wiring.py``."""

    def __init__(self) -> None:
        self._by_kind: dict[str, Payable] = {}

    def add(self, kind: str, payable: Payable) -> None:
        self._by_kind[kind] = payable

    def __getitem__(self, kind: str) -> Payable:
        return self._by_kind[kind]

    def read(self, text: str) -> tuple[str, UUID]:
        """The kind and the id of what a TypeID names. Raises MalformedId, PayableUnknown."""
        for kind, payable in self._by_kind.items():
            for id_type in payable.id_types:
                with suppress(NotFound):
                    return kind, id_type.parse(text)
        raise PayableUnknown

    def name(self, kind: str, payable_id: UUID) -> Id:
        """The usual id of a thing of a kind."""
        return self._by_kind[kind].id_types[0].of(payable_id)
