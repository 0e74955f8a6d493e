"""The statements of sessions, one function each."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

from msgspec import Struct

from holdfast.common.actor import UserId
from holdfast.database import Tx, queries
from holdfast.inventory import PoolId
from holdfast.routes.models import RouteId
from holdfast.sessions.models import ListedSession, Session, SessionId
from holdfast.sessions.states import SessionState
from holdfast.stations.models import StationId

SQL = queries(__file__)


class Startable(Struct, frozen=True):
    """What a new session takes from its driver and route. ``vehicle_number`` is None where the driver is not approved."""

    vehicle_number: str | None
    fare: int
    currency: str


class Sellable(Struct, frozen=True):
    """What a session sells."""

    id: SessionId
    driver_id: UserId
    fare: int
    currency: str
    status: SessionState
    pool_id: PoolId


class Described(Struct, frozen=True):
    """A session in words."""

    id: SessionId
    name_ar: str
    name_en: str
    place_ar: str
    place_en: str
    starts_at: datetime


class Search(Struct, frozen=True):
    """What open sessions someone looks for. ``near`` is (latitude, longitude) in degrees, the radius is in metres."""

    route_id: RouteId | None = None
    station_id: StationId | None = None
    near: tuple[float, float] | None = None
    radius_m: float = 3000
    with_seats: bool = False


async def startable(tx: Tx, driver_id: UserId, route_id: RouteId, station_id: StationId) -> Startable | None:
    return await tx.first(SQL.startable, Startable, driver_id=driver_id, route_id=route_id, station_id=station_id)


async def business_now(tx: Tx) -> datetime:
    moment: datetime = await tx.value(SQL.business_now)
    return moment


async def insert(tx: Tx, session: Session) -> None:
    await tx.run(
        SQL.insert,
        id=session.id,
        driver_id=session.driver_id,
        route_id=session.route_id,
        station_id=session.station_id,
        vehicle_number=session.vehicle_number,
        fare=session.fare,
        currency=session.currency,
        started_at=session.started_at,
    )


async def get(tx: Tx, session_id: SessionId) -> Session | None:
    return await tx.first(SQL.get, Session, id=session_id)


async def open_of_driver(tx: Tx, driver_id: UserId) -> SessionId | None:
    found = await tx.value(SQL.open_of_driver, driver_id=driver_id)
    return None if found is None else SessionId.of(found)


async def lock(tx: Tx, session_id: SessionId) -> Session | None:
    return await tx.first(SQL.lock, Session, id=session_id)


async def of_driver(tx: Tx, driver_id: UserId, before: SessionId | None, limit: int) -> list[Session]:
    return await tx.all(SQL.of_driver, Session, driver_id=driver_id, before=before, limit=limit)


async def listed(tx: Tx, search: Search, after: SessionId | None, limit: int) -> list[ListedSession]:
    latitude, longitude = search.near or (None, None)
    return await tx.all(
        SQL.listed,
        ListedSession,
        route_id=search.route_id,
        station_id=search.station_id,
        latitude=latitude,
        longitude=longitude,
        radius_m=search.radius_m,
        with_seats=search.with_seats,
        after=after,
        limit=limit,
    )


async def end(tx: Tx, session_id: SessionId, status: SessionState, note: str | None) -> int:
    """The new version."""
    version: int = await tx.value(SQL.end, id=session_id, status=status.value, note=note)
    return version


async def follow_seats(tx: Tx, pool_ids: Sequence[PoolId]) -> list[Session]:
    return await tx.all(SQL.follow_seats, Session, pool_ids=list(pool_ids))


async def sellable(tx: Tx, ids: Sequence[UUID]) -> Mapping[UUID, Sellable]:
    return {found.id: found for found in await tx.all(SQL.sellable, Sellable, ids=list(ids))}


async def described(tx: Tx, ids: Sequence[UUID]) -> Mapping[UUID, Described]:
    return {found.id: found for found in await tx.all(SQL.described, Described, ids=list(ids))}
