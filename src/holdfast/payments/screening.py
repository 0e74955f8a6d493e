"""Whether a payment may be tried at all: the protocol between ``payments`` and whoever watches for fraud (``fraud``)."""

from collections.abc import Mapping, Sequence
from typing import Protocol
from uuid import UUID

from msgspec import Struct

from holdfast.common.actor import UserId
from holdfast.common.errors import Refusal
from holdfast.common.money import Amount
from holdfast.database import Tx
from holdfast.payments.models import Method, PaymentId

# Neither says what gave rise to it: whoever tries stolen cards must not learn how far they may go.


class PaymentNotPossible(Refusal):
    """This payment cannot be taken now. Pay another way or try again later; if you need it sooner, write to us."""

    code = "payment_not_possible"
    status = 409


class PaymentInReview(Refusal):
    """Somebody looks at this before it can be paid, and you will be told. Nothing was charged. To have it now, pay another way."""

    code = "payment_in_review"
    status = 409


class Origin(Struct, frozen=True):
    """From where somebody pays: the address of the request, and the device as the app names it."""

    address: str | None = None
    device: str | None = None


UNKNOWN_ORIGIN = Origin()


class Means(Struct, frozen=True):
    """What somebody wants to pay with, and from where."""

    method: Method
    token: str | None = None
    origin: Origin = UNKNOWN_ORIGIN


class Attempt(Struct, frozen=True):
    """A payment about to be tried. ``payment_id`` is the id that it will have."""

    payment_id: PaymentId
    payable_kind: str
    payable_id: UUID
    payer_id: UserId
    amount: Amount
    means: Means


class Passed(Struct, frozen=True):
    """It may be tried. ``authenticate``: the gateway is to demand 3-D Secure."""

    authenticate: bool = False


Verdict = Passed | Refusal


class Screening(Protocol):
    """Looks at payments before they are tried."""

    async def look(self) -> None:
        """See to it that it judges by what was true a second ago. Not inside a transaction."""
        ...

    async def judge(self, tx: Tx, attempts: Sequence[Attempt]) -> Mapping[PaymentId, Verdict]:
        """A verdict for each, in the order given. What it counts and writes down commits with the caller, refused or not."""
        ...


class NoScreening:
    """Everything may be tried: payments of which nobody said otherwise."""

    async def look(self) -> None: ...

    async def judge(self, tx: Tx, attempts: Sequence[Attempt]) -> Mapping[PaymentId, Verdict]:
        return {attempt.payment_id: Passed() for attempt in attempts}


NO_SCREENING = NoScreening()
