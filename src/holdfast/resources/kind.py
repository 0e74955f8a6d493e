"""What makes something bookable: the protocol between ``bookings`` and each kind of resource.

``bookings`` calls kinds; kinds never call ``bookings``.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Protocol
from uuid import UUID

import msgspec
from msgspec import Struct

from holdfast.common.actor import UserId
from holdfast.common.errors import Refusal
from holdfast.common.money import Amount
from holdfast.database import Tx
from holdfast.inventory import ClaimRequest, HoldId, Line, Pool, PoolId, Shortage


class Wanted(Struct, frozen=True):
    """What a customer asks for: a quantity of what an owner (a session, say) offers."""

    owner_id: UUID
    quantity: int


class PricedLine(Struct, frozen=True):
    """A quantity of one pool, and the price of all of it."""

    pool: PoolId
    quantity: int
    amount: Amount


class Resolved(Struct, frozen=True):
    """What that takes and costs. ``fare`` is for all lines; ``fee`` comes once per booking. ``payee`` is who earns the fare.

    ``or_else`` are lines that would do as well for the same fare, in the order of preference: other seats beside each other.
    """

    lines: tuple[PricedLine, ...]
    fare: Amount
    fee: Amount
    payee: UserId
    lifetime: timedelta
    or_else: tuple[tuple[PricedLine, ...], ...] = ()

    @property
    def choices(self) -> tuple[tuple[PricedLine, ...], ...]:
        return (self.lines, *self.or_else)

    def claim(self, hold: HoldId) -> ClaimRequest:
        """All of its choices as one request."""
        first, *others = (tuple(Line(line.pool, line.quantity) for line in choice) for choice in self.choices)
        return ClaimRequest(hold, first, self.lifetime, tuple(others))

    def taking(self, lines: Sequence[Line]) -> "Resolved":
        """The same with those of its choices that a claim took."""
        if not self.or_else:
            return self
        taken = [(line.pool, line.quantity) for line in lines]
        chosen = next(choice for choice in self.choices if [(line.pool, line.quantity) for line in choice] == taken)
        return msgspec.structs.replace(self, lines=chosen, or_else=())


class Booked(Struct, frozen=True):
    """A booking, as far as a kind needs to know it."""

    owner_id: UUID
    quantity: int


class Description(Struct, frozen=True):
    """What was booked, in words and times: for tickets, messages and calendars."""

    name_ar: str
    name_en: str
    place_ar: str
    place_en: str
    starts_at: datetime
    ends_at: datetime | None


class ResourceKind(Protocol):
    """One kind of bookable thing: "session", "hotel", "appointment", "event"."""

    name: str
    is_uniform: bool
    """Whether whatever is asked of an owner draws on the same pools: then one who finds them empty speaks for all for a moment."""

    async def resolve(self, tx: Tx, requests: Sequence[Wanted]) -> Sequence[Resolved | Refusal]:
        """Lines, price and lifetime of each request, or why there are none. Locks nothing."""
        ...

    def refusal_of(self, shortage: Shortage) -> Refusal:
        """How a claim that fell short is refused in the words of this kind."""
        ...

    async def changed(self, tx: Tx, pools: Mapping[PoolId, Pool]) -> None:
        """Called inside the commit that sold or gave back, with the pools locked: a session turns FULL or ACTIVE here."""
        ...

    async def describe(self, tx: Tx, booked: Sequence[Booked]) -> Sequence[Description]:
        """What was booked, in words."""
        ...


class Kinds:
    """Every kind of resource that the program sells, by name."""

    def __init__(self, *kinds: ResourceKind) -> None:
        self._by_name = {kind.name: kind for kind in kinds}

    def __getitem__(self, name: str) -> ResourceKind:
        return self._by_name[name]
