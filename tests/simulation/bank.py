"""Where the money is, in a simulation: a gateway with books of its own, in this process, whose moods come from the seed."""

from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime

from tests.simulation.schedule import DEED

from holdfast.common.money import Amount
from holdfast.payments.gateway import (
    NOTHING_KNOWN,
    Captured,
    Declined,
    Known,
    Outcome,
    Pending,
    Refunded,
    RefundOutcome,
    SettledItem,
    SettledKind,
    Unknown,
    WebhookFact,
)
from holdfast.payments.models import Method, PaymentId, RefundId


class Bank:
    """Takes and gives back, once for each id. It may say nothing though it took, take later, or say no."""

    name = "sandbox"
    supports = frozenset({Method.CARD})

    def __init__(self, now: datetime) -> None:
        self._now = now
        self.is_calm = False
        """Whether it answers everybody, and takes at last what it was still thinking about."""
        self._outcomes: dict[PaymentId, Outcome] = {}
        self._thinking: dict[PaymentId, Amount] = {}
        self._moved: dict[PaymentId | RefundId, SettledItem] = {}

    async def charge(self, payment: PaymentId, amount: Amount, source: str, return_url: str | None, authenticate: bool = False) -> Outcome:
        mood = DEED.get().dice.random()
        if payment not in self._outcomes:
            if mood < 0.1:
                self._outcomes[payment] = Declined("insufficient_funds", str(payment))
            elif mood < 0.2:
                self._outcomes[payment] = Pending(str(payment))
                self._thinking[payment] = amount
            elif mood < 0.25:
                return Unknown("it never got there")
            else:
                self._take(payment, amount)
        return Unknown("its answer was lost") if DEED.get().dice.random() < 0.1 and not self.is_calm else self._outcomes[payment]

    async def find(self, payment: PaymentId, known: Known = NOTHING_KNOWN) -> Outcome | None:
        if payment in self._thinking and (self.is_calm or DEED.get().dice.random() < 0.5):
            self._take(payment, self._thinking.pop(payment))
        return self._outcomes.get(payment)

    async def refund(self, refund: RefundId, payment: PaymentId, amount: Amount, known: Known = NOTHING_KNOWN) -> RefundOutcome:
        if DEED.get().dice.random() < 0.1 and not self.is_calm:
            return Unknown("it never got there")
        self._moved.setdefault(refund, SettledItem(SettledKind.REFUND, refund, payment, amount, str(refund), self._now))
        return Unknown("its answer was lost") if DEED.get().dice.random() < 0.1 and not self.is_calm else Refunded(str(refund))

    async def list_settled(self, since: datetime) -> AsyncIterator[SettledItem]:
        for item in self._moved.values():
            yield item

    def read_webhook(self, headers: Mapping[str, str], body: bytes) -> Sequence[WebhookFact]:
        raise NotImplementedError("this bank sends no messages: it is asked")

    async def close(self) -> None:
        """It has no connections."""

    def kept(self) -> dict[PaymentId, int]:
        """What it took of each payment less what it gave back, in minor units."""
        kept: dict[PaymentId, int] = {}
        for item in self._moved.values():
            sign = 1 if item.kind is SettledKind.CAPTURE else -1
            kept[item.payment] = kept.get(item.payment, 0) + sign * item.amount.minor
        return kept

    def _take(self, payment: PaymentId, amount: Amount) -> None:
        self._outcomes[payment] = Captured(amount, str(payment))
        self._moved[payment] = SettledItem(SettledKind.CAPTURE, payment, payment, amount, str(payment), self._now)
