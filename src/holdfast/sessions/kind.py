"""What makes a session bookable."""

from collections.abc import Mapping, Sequence
from datetime import timedelta

from holdfast import events
from holdfast.common.errors import Refusal
from holdfast.common.money import Amount
from holdfast.database import Tx
from holdfast.inventory import Pool, PoolId, Shortage
from holdfast.resources.kind import Booked, Description, PricedLine, Resolved, Wanted
from holdfast.sessions import repository
from holdfast.sessions.errors import SessionCancelledAlready, SessionClosedAlready, SessionUnknown, SoldOut
from holdfast.sessions.events import SessionFull, SessionReopened
from holdfast.sessions.states import SessionState

SESSION_KIND = "session"


class SessionKind:
    """Seats of a microbus: the fare of the session for each, and one service fee for the booking."""

    name = SESSION_KIND
    is_uniform = True

    def __init__(self, *, hold_lifetime: timedelta, service_fee: Amount) -> None:
        self._hold_lifetime = hold_lifetime
        self._service_fee = service_fee

    async def resolve(self, tx: Tx, requests: Sequence[Wanted]) -> Sequence[Resolved | Refusal]:
        """One line each. A session that is closed or called off says so; one that is full may have a lapsed hold to give."""
        found = await repository.sellable(tx, sorted({request.owner_id for request in requests}))
        resolved: list[Resolved | Refusal] = []
        for request in requests:
            session = found.get(request.owner_id)
            if session is None:
                resolved.append(SessionUnknown())
            elif session.status is SessionState.CLOSED:
                resolved.append(SessionClosedAlready())
            elif session.status is SessionState.CANCELLED:
                resolved.append(SessionCancelledAlready())
            else:
                fare = Amount(session.currency, session.fare * request.quantity)
                line = PricedLine(session.pool_id, request.quantity, fare)
                resolved.append(Resolved((line,), fare, self._service_fee, session.driver_id, self._hold_lifetime))
        return resolved

    def refusal_of(self, shortage: Shortage) -> Refusal:
        """A closed pool is a session that closed a moment ago; otherwise too few seats are left."""
        if shortage.closed:
            return SessionClosedAlready()
        facts = {} if shortage.may_free_up_at is None else {"may_free_up_at": shortage.may_free_up_at}
        return SoldOut(available=shortage.free, **facts)

    async def changed(self, tx: Tx, pools: Mapping[PoolId, Pool]) -> None:
        """FULL in the commit that sells the last seat, ACTIVE again in the one that gives it back."""
        for session in await repository.follow_seats(tx, sorted(pools)):
            announced = SessionFull if session.status is SessionState.FULL else SessionReopened
            await events.publish(tx, [announced.of(session)])

    async def describe(self, tx: Tx, booked: Sequence[Booked]) -> Sequence[Description]:
        """The route, the station, and the time since which the vehicle waits."""
        found = await repository.described(tx, sorted({each.owner_id for each in booked}))
        return [
            Description(s.name_ar, s.name_en, s.place_ar, s.place_en, s.starts_at, None) for s in (found[each.owner_id] for each in booked)
        ]
