"""What drivers do with sessions, and how passengers find them."""

import msgspec
from psycopg import errors as pg_errors

from holdfast import audit, events, idempotency
from holdfast.audit import Deed
from holdfast.common.actor import Actor, Role, UserId
from holdfast.common.paging import Page, PageRequest, decode_cursor, encode_cursor
from holdfast.database import Database, Tx, retried
from holdfast.idempotency import IdempotencyKey
from holdfast.inventory import Inventory, NewPool, PoolId
from holdfast.resources.events import CalledOff, CallOffReason, SalesClosed, owner
from holdfast.routes.models import RouteId
from holdfast.sessions import repository
from holdfast.sessions.errors import CurrencyNotSold, DriverNotApproved, SessionRunning, SessionUnknown, StationNotOnRoute
from holdfast.sessions.events import SessionCancelled, SessionClosed, SessionStarted
from holdfast.sessions.kind import SESSION_KIND
from holdfast.sessions.models import ListedSession, Session, SessionId
from holdfast.sessions.repository import Search
from holdfast.sessions.states import SESSION, SessionState
from holdfast.stations.models import StationId


class SessionService:
    """Sessions from opening to departure."""

    def __init__(self, database: Database, inventory: Inventory, *, currency: str) -> None:
        """``currency`` is that of the service fee: fare and fee are paid together."""
        self._database = database
        self._inventory = inventory
        self._currency = currency

    @retried
    async def start(self, actor: Actor, key: IdempotencyKey | None, route_id: RouteId, station_id: StationId, total_seats: int) -> Session:
        """The driver is at a station and sells ``total_seats`` seats from now on, at the route's present fare.

        Raises DriverNotApproved, StationNotOnRoute, CurrencyNotSold, and SessionRunning where the driver has an open session.
        """
        try:
            async with self._database.transaction() as tx, idempotency.once(tx, actor, key, Session) as once:
                if once.replay:
                    return once.replay
                session = await self._new_session(tx, actor, route_id, station_id, total_seats)
                await repository.insert(tx, session)
                pool = NewPool(session.pool_id, SESSION_KIND, session.id, total_seats, session.started_at)
                await self._inventory.open_pools(tx, [pool])
                await audit.record(tx, [Deed(actor, "session.started", session.id, after={"status": session.status, "seats": total_seats})])
                await events.publish(tx, [SessionStarted.of(session)])
                return once.keep(session)
        except pg_errors.UniqueViolation as error:
            if error.diag.constraint_name == "driver_sessions_one_open_idx":
                raise SessionRunning from error
            raise

    async def _new_session(self, tx: Tx, actor: Actor, route_id: RouteId, station_id: StationId, total_seats: int) -> Session:
        startable = await repository.startable(tx, actor.id, route_id, station_id)
        if startable is None:
            raise StationNotOnRoute
        if startable.vehicle_number is None:
            raise DriverNotApproved
        if startable.currency != self._currency:
            raise CurrencyNotSold(currency=self._currency)
        return Session(
            id=SessionId.new(),
            driver_id=actor.id,
            route_id=route_id,
            station_id=station_id,
            vehicle_number=startable.vehicle_number,
            fare=startable.fare,
            currency=startable.currency,
            status=SESSION.initial,
            started_at=await repository.business_now(tx),
            ended_at=None,
            version=1,
            pool_id=PoolId.new(),
            pool_version=1,
            total_seats=total_seats,
            available_seats=total_seats,
        )

    @retried
    async def close(self, actor: Actor, key: IdempotencyKey | None, session_id: SessionId) -> Session:
        """The driver leaves: nothing more is sold. Unpaid holds are given back by a handler of ``bookings``.

        Raises SessionUnknown (also for another driver's), SessionClosedAlready, SessionCancelledAlready.
        """
        async with self._database.transaction() as tx, idempotency.once(tx, actor, key, Session) as once:
            if once.replay:
                return once.replay
            before, closed = await self._end(tx, actor, session_id, SessionState.CLOSED, note=None)
            await audit.record(tx, [_deed(actor, "session.closed", before, closed)])
            sales_closed = SalesClosed(version=closed.version, kind=SESSION_KIND, owner_id=owner(closed.id), pools=(closed.pool_id,))
            await events.publish(tx, [SessionClosed.of(closed), sales_closed])
            return once.keep(closed)

    @retried
    async def cancel(self, actor: Actor, key: IdempotencyKey | None, session_id: SessionId, note: str | None) -> Session:
        """The driver, an admin or the system calls it off. Every booking is then cancelled and refunded by a handler of ``bookings``.

        Raises SessionUnknown, SessionClosedAlready, SessionCancelledAlready.
        """
        async with self._database.transaction() as tx, idempotency.once(tx, actor, key, Session) as once:
            if once.replay:
                return once.replay
            before, cancelled = await self._end(tx, actor, session_id, SessionState.CANCELLED, note)
            reason = CallOffReason.DRIVER_CANCELLED if cancelled.driver_id == actor.id else CallOffReason.ADMIN_CANCELLED
            await audit.record(tx, [_deed(actor, "session.cancelled", before, cancelled)])
            called_off = CalledOff(
                version=cancelled.version, kind=SESSION_KIND, owner_id=owner(cancelled.id), pools=(cancelled.pool_id,), reason=reason
            )
            await events.publish(tx, [SessionCancelled.of(cancelled), called_off])
            return once.keep(cancelled)

    async def _end(self, tx: Tx, actor: Actor, session_id: SessionId, to: SessionState, note: str | None) -> tuple[Session, Session]:
        """The session before and after. Its pool is locked first: every sale of a seat holds that lock."""
        found = await repository.get(tx, session_id)
        if found is None or not (actor.role in (Role.ADMIN, Role.SYSTEM) or found.driver_id == actor.id):
            raise SessionUnknown
        await self._inventory.lock_pools(tx, [found.pool_id])
        session = await repository.lock(tx, session_id)
        if session is None:
            raise SessionUnknown
        SESSION.move(session.status, to=to)
        await self._inventory.close(tx, [session.pool_id])
        version = await repository.end(tx, session_id, to, note)
        ended_at = await repository.business_now(tx)
        ended = msgspec.structs.replace(
            session, status=to, version=version, pool_version=session.pool_version + 1, ended_at=ended_at, available_seats=0
        )
        return session, ended

    async def get(self, session_id: SessionId) -> Session:
        """One session, for anyone. Raises SessionUnknown."""
        async with self._database.reading() as tx:
            session = await repository.get(tx, session_id)
        if session is None:
            raise SessionUnknown
        return session

    async def open_session_of(self, driver_id: UserId) -> SessionId | None:
        """The session with which a driver waits just now."""
        async with self._database.transaction() as tx:
            return await repository.open_of_driver(tx, driver_id)

    async def find(self, tx: Tx, session_id: SessionId, *, locked: bool) -> Session | None:
        """A session, for modules above; ``locked`` keeps its state as it is until the commit."""
        return await (repository.lock if locked else repository.get)(tx, session_id)

    async def of_driver(self, actor: Actor, request: PageRequest) -> Page[Session]:
        """The driver's own sessions, newest first."""
        before = SessionId.parse(decode_cursor(request.cursor, parts=1)[0]) if request.cursor else None
        async with self._database.reading() as tx:
            found = await repository.of_driver(tx, actor.id, before, request.limit + 1)
        return Page.cut(found, request, lambda session: encode_cursor(str(session.id)))

    async def active(self, search: Search, request: PageRequest) -> Page[ListedSession]:
        """Open sessions, the longest waiting first."""
        after = SessionId.parse(decode_cursor(request.cursor, parts=1)[0]) if request.cursor else None
        async with self._database.reading() as tx:
            found = await repository.listed(tx, search, after, request.limit + 1)
        return Page.cut(found, request, lambda session: encode_cursor(str(session.id)))


def _deed(actor: Actor, action: str, before: Session, after: Session) -> Deed:
    return Deed(actor, action, after.id, before={"status": before.status}, after={"status": after.status})
