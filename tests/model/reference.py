"""What the core should do, in plain Python: no locks, no SQL, nothing at once. Times are minutes since the start."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import chain

from holdfast.bookings.states import BookingState, EndReason
from holdfast.inventory.repository import SPARE
from holdfast.sessions.states import SessionState

LIFETIME = 5
UNPAID_WITHIN = 60


@dataclass
class PoolModel:
    """Units of one pool. ``session``: whose seats they are, where they are a session's."""

    capacity: int
    session: str = ""
    is_closed: bool = False


@dataclass
class BookingModel:
    """One booking, with the lines that it holds or has bought: none once it has ended."""

    who: str
    offer: str
    units: int
    created: int
    deadline: int
    status: BookingState = BookingState.PENDING
    reason: EndReason | None = None
    is_extended: bool = False
    was_confirmed: bool = False

    @property
    def is_over(self) -> bool:
        return self.status in (BookingState.CANCELLED, BookingState.EXPIRED)


@dataclass
class Model:
    """The whole world. ``offers`` say of which pools one unit of each is taken; ``fares`` what a unit of an offer costs."""

    pools: dict[str, PoolModel]
    offers: Mapping[str, tuple[str, ...]]
    fares: Mapping[str, int]
    live_max: int
    unpaid_max: int
    now: int = 0
    bookings: dict[str, BookingModel] = field(default_factory=dict)
    sessions: dict[str, SessionState] = field(default_factory=dict)
    untold: list[tuple[SessionState, str]] = field(default_factory=list)
    """What bookings were not told yet: which sessions were closed or called off."""

    # What is counted.

    def held(self, pool: str) -> int:
        """Units of live and of lapsed holds that nobody gave back yet."""
        return self._units(pool, BookingState.PENDING)

    def sold(self, pool: str) -> int:
        return self._units(pool, BookingState.CONFIRMED)

    def free(self, pool: str) -> int:
        return self.pools[pool].capacity - self.held(pool) - self.sold(pool)

    def is_live(self, booking: BookingModel) -> bool:
        return booking.status is BookingState.PENDING and self.now < booking.deadline

    def _units(self, pool: str, status: BookingState) -> int:
        return sum(b.units for b in self.bookings.values() if b.status is status and pool in self.offers[b.offer])

    # What happens. Each says what the program is to answer.

    def hold(self, name: str, who: str, offer: str, units: int) -> str:
        pools = self.offers[offer]
        session = next((self.pools[pool].session for pool in pools if self.pools[pool].session), "")
        if session and self.sessions[session] in (SessionState.CLOSED, SessionState.CANCELLED):
            return "SessionClosedAlready" if self.sessions[session] is SessionState.CLOSED else "SessionCancelledAlready"
        if sum(self.is_live(b) and b.who == who for b in self.bookings.values()) >= self.live_max:
            return "TooManyLiveHolds"
        if self._unpaid(who, offer) >= self.unpaid_max:
            return "TooManyUnpaidHolds"
        refusal = self._claim(pools, units)
        if refusal:
            return refusal
        self.bookings[name] = BookingModel(who, offer, units, self.now, self.now + LIFETIME)
        return "held"

    def pay(self, name: str, *, right_amount: bool) -> str:
        booking = self.bookings[name]
        if booking.status not in (BookingState.PENDING, BookingState.EXPIRED):
            return "TooLate"
        if not right_amount:
            return "Mismatch"
        pools = self.offers[booking.offer]
        if not self.is_live(booking):
            if booking.status is BookingState.PENDING:
                self._end(name, BookingState.EXPIRED, EndReason.LAPSED)
            if self._claim(pools, booking.units):
                return "TooLate"
        elif any(self.pools[pool].is_closed for pool in pools):
            return "TooLate"
        booking.status, booking.reason, booking.was_confirmed = BookingState.CONFIRMED, None, True
        self._follow_seats(pools)
        return "Settled"

    def begin_to_pay(self, name: str) -> str:
        booking = self.bookings[name]
        if booking.status is BookingState.CONFIRMED:
            return "BookingConfirmedAlready"
        if booking.status is BookingState.CANCELLED:
            return "BookingCancelledAlready"
        if not self.is_live(booking):
            return "HoldExpired"
        if any(self.pools[pool].is_closed for pool in self.offers[booking.offer]):
            return "SessionClosedAlready"
        if not booking.is_extended:
            booking.is_extended, booking.deadline = True, booking.created + 2 * LIFETIME
        return "due"

    def release(self, name: str) -> str:
        booking = self.bookings[name]
        if booking.status is not BookingState.PENDING:
            return _REFUSALS[booking.status]
        self._end(name, BookingState.CANCELLED, EndReason.RELEASED_BY_CUSTOMER)
        return "CANCELLED"

    def cancel(self, name: str) -> str:
        booking = self.bookings[name]
        if booking.is_over:
            return _REFUSALS[booking.status]
        was_paid = booking.status is BookingState.CONFIRMED
        is_open = not any(self.pools[pool].is_closed for pool in self.offers[booking.offer])
        back = self.fare(booking) if was_paid and is_open else 0
        self._end(name, BookingState.CANCELLED, EndReason.CANCELLED_BY_CUSTOMER if was_paid else EndReason.RELEASED_BY_CUSTOMER)
        return f"CANCELLED, {back} back"

    def change(self, name: str, units: int) -> str:
        booking = self.bookings[name]
        pools = self.offers[booking.offer]
        if booking.status is not BookingState.CONFIRMED:
            return _REFUSALS[booking.status]
        if units == booking.units:
            return "CONFIRMED, 0 back"
        session = next((self.pools[pool].session for pool in pools if self.pools[pool].session), "")
        if session and self.sessions[session] in (SessionState.CLOSED, SessionState.CANCELLED):
            return "SessionClosedAlready" if self.sessions[session] is SessionState.CLOSED else "SessionCancelledAlready"
        back = self.fare(booking) - self.fares[booking.offer] * units
        if back < 0:
            return "ChangeCostsMore"
        if any(self.pools[pool].is_closed for pool in pools):
            return "SessionClosedAlready"
        booking.units = units
        self._follow_seats(pools)
        return f"CONFIRMED, {back} back"

    def fare(self, booking: BookingModel) -> int:
        return self.fares[booking.offer] * booking.units

    def expire(self) -> int:
        """The worker; how many lapsed holds it gave back."""
        return self._lapse(b for b in list(self.bookings) if self._is_lapsed(b))

    def end_session(self, session: str, to: SessionState) -> str:
        if self.sessions[session] in (SessionState.CLOSED, SessionState.CANCELLED):
            return "SessionClosedAlready" if self.sessions[session] is SessionState.CLOSED else "SessionCancelledAlready"
        self.sessions[session] = to
        for pool in self.pools.values():
            pool.is_closed = pool.is_closed or pool.session == session
        self.untold.append((to, session))
        return to.value

    def tell(self) -> None:
        """Bookings hear what became of sessions."""
        for what, session in self.untold:
            for name, booking in self.bookings.items():
                if not any(self.pools[pool].session == session for pool in self.offers[booking.offer]) or booking.is_over:
                    continue
                if what is SessionState.CANCELLED:
                    self._end(name, BookingState.CANCELLED, EndReason.CALLED_OFF)
                elif booking.status is BookingState.PENDING:
                    self._end(name, BookingState.EXPIRED, EndReason.SALES_CLOSED)
        self.untold.clear()

    def close_pool(self, pool: str) -> None:
        self.pools[pool].is_closed = True

    def reopen_pool(self, pool: str) -> None:
        self.pools[pool].is_closed = False

    def resize(self, pool: str, capacity: int) -> str:
        lapsed = sum(b.units for name, b in self.bookings.items() if self._is_lapsed(name) and pool in self.offers[b.offer])
        if capacity < self.held(pool) - lapsed + self.sold(pool):
            # Nothing of a transaction that fails stays, not even what it gave back.
            return "CapacityInUse"
        self._give_way([pool], self.held(pool) + self.sold(pool) - capacity)
        self.pools[pool].capacity = capacity
        return str(capacity)

    # What those have in common.

    def _claim(self, pools: Iterable[str], units: int) -> str:
        """Whoever cannot have what he wants gives back what lapsed in his way, and is judged again."""
        refusal = self._refusal(pools, units)
        if refusal == "SoldOut":
            self._give_way(pools, units)
            refusal = self._refusal(pools, units)
        return refusal

    def _give_way(self, pools: Iterable[str], units: int) -> None:
        """Of each pool as many lapsed holds are given back as units are wanted, and some to spare, the last to lapse first."""
        lapsed = sorted((name for name in self.bookings if self._is_lapsed(name)), key=lambda name: self.bookings[name].deadline)
        # Of one deadline, whoever came last.
        lapsed.reverse()
        on_pools = [
            [name for name in lapsed if pool in self.offers[self.bookings[name].offer]][: units + SPARE if units > 0 else 0]
            for pool in pools
        ]
        self._lapse(set(chain.from_iterable(on_pools)))

    def _is_lapsed(self, name: str) -> bool:
        booking = self.bookings[name]
        return booking.status is BookingState.PENDING and booking.deadline <= self.now

    def _lapse(self, names: Iterable[str]) -> int:
        lapsed = list(names)
        for name in lapsed:
            self._end(name, BookingState.EXPIRED, EndReason.LAPSED)
        return len(lapsed)

    def _end(self, name: str, to: BookingState, reason: EndReason) -> None:
        booking = self.bookings[name]
        gave_back_sold = booking.status is BookingState.CONFIRMED
        booking.status, booking.reason = to, reason
        if gave_back_sold:
            self._follow_seats(self.offers[booking.offer])

    def _refusal(self, pools: Iterable[str], units: int) -> str:
        """The first pool, in the order of the request, that cannot give so many."""
        for pool in pools:
            if self.pools[pool].is_closed:
                return "SessionClosedAlready"
            if self.free(pool) < units:
                return "SoldOut"
        return ""

    def _unpaid(self, who: str, offer: str) -> int:
        return sum(
            b.who == who
            and b.offer == offer
            and not b.was_confirmed
            and b.reason in (EndReason.RELEASED_BY_CUSTOMER, EndReason.LAPSED)
            and b.created > self.now - UNPAID_WITHIN
            for b in self.bookings.values()
        )

    def _follow_seats(self, pools: Iterable[str]) -> None:
        for name in pools:
            session = self.pools[name].session
            if session and self.sessions[session] in (SessionState.ACTIVE, SessionState.FULL):
                is_full = self.sold(name) == self.pools[name].capacity
                self.sessions[session] = SessionState.FULL if is_full else SessionState.ACTIVE

    # What can be seen from outside.

    def seen(self) -> dict[str, str]:
        """Everything, in the words that the town uses for what the database holds."""
        found = {
            f"pool {name}": f"{self.held(name)} of {pool.capacity} held, {self.sold(name)} sold{', closed' if pool.is_closed else ''}"
            for name, pool in self.pools.items()
        }
        found |= {f"session {name}": state.value for name, state in self.sessions.items()}
        for name, b in self.bookings.items():
            lasts = f"for {b.deadline - b.created} min" if b.status is BookingState.PENDING else ""
            found[f"booking {name}"] = f"{b.who} {b.offer} {b.units} {b.status} {b.reason or ''}{lasts}".strip()
        return found


_REFUSALS = {
    BookingState.PENDING: "BookingPending",
    BookingState.CONFIRMED: "BookingConfirmedAlready",
    BookingState.CANCELLED: "BookingCancelledAlready",
    BookingState.EXPIRED: "HoldExpired",
}
