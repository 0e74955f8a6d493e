"""Sessions on the wire."""

from datetime import datetime
from typing import Annotated, Self

from msgspec import Meta, Struct

from holdfast.common.language import Language
from holdfast.common.money import Amount, JsonAmount
from holdfast.routes.models import RouteId
from holdfast.sessions.models import ListedSession, Session
from holdfast.sessions.states import SessionState
from holdfast.stations.models import StationId

SEATS_MAX = 60


class StartSession(Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """Where a driver waits, for which route, and with how many seats for sale."""

    route_id: RouteId
    station_id: StationId
    total_seats: Annotated[int, Meta(ge=1, le=SEATS_MAX, description="Seats for sale, 1 to 60.", examples=[14])] = 14


class CancelSession(Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """Why the session is called off, in the driver's or the admin's words."""

    reason: Annotated[str, Meta(max_length=500)] | None = None


class SessionView(Struct, frozen=True, rename="camel"):
    """A session. ``fareAmount`` is for one seat."""

    id: str
    driver_id: str
    route_id: str
    station_id: str
    vehicle_number: str
    total_seats: int
    available_seats: int
    status: SessionState
    fare_amount: JsonAmount
    currency: str
    started_at: datetime
    ended_at: datetime | None

    @classmethod
    def of(cls, session: Session) -> Self:
        return cls(
            id=str(session.id),
            driver_id=str(session.driver_id),
            route_id=str(session.route_id),
            station_id=str(session.station_id),
            vehicle_number=session.vehicle_number,
            total_seats=session.total_seats,
            available_seats=session.available_seats,
            status=session.status,
            fare_amount=JsonAmount(Amount(session.currency, session.fare)),
            currency=session.currency,
            started_at=session.started_at,
            ended_at=session.ended_at,
        )


class ActiveSessionView(Struct, frozen=True, rename="camel"):
    """An open session as passengers look for it. ``distanceM`` is in metres from the place asked about."""

    id: str
    route_id: str
    route_name: str
    station_id: str
    station_name: str
    latitude: float
    longitude: float
    vehicle_number: str
    total_seats: int
    available_seats: int
    status: SessionState
    fare_amount: JsonAmount
    currency: str
    started_at: datetime
    distance_m: int | None

    @classmethod
    def of(cls, session: ListedSession, language: Language) -> Self:
        return cls(
            id=str(session.id),
            route_id=str(session.route_id),
            route_name=session.route_name(language),
            station_id=str(session.station_id),
            station_name=session.station_name(language),
            latitude=session.latitude,
            longitude=session.longitude,
            vehicle_number=session.vehicle_number,
            total_seats=session.total_seats,
            available_seats=session.available_seats,
            status=session.status,
            fare_amount=JsonAmount(Amount(session.currency, session.fare)),
            currency=session.currency,
            started_at=session.started_at,
            distance_m=None if session.distance_m is None else round(session.distance_m),
        )
