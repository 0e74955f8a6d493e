"""What sessions announce. Seats that are taken and given back are announced by bookings."""

from typing import ClassVar, Self

from holdfast.common.actor import UserId
from holdfast.events import Event
from holdfast.routes.models import RouteId
from holdfast.sessions.models import Session, SessionId
from holdfast.stations.models import StationId


class SessionEvent(Event, frozen=True, kw_only=True):
    """``version`` is the session's. ``total_seats`` and ``available_seats`` are as in the commit that announces it.

    ``pool_version`` is that of the seats: whoever shows them drops an older version than the one shown.
    """

    subject: ClassVar[str] = "session_id"
    session_id: SessionId
    driver_id: UserId
    route_id: RouteId
    station_id: StationId
    total_seats: int
    available_seats: int
    pool_version: int

    @classmethod
    def of(cls, session: Session) -> Self:
        return cls(
            version=session.version,
            session_id=session.id,
            driver_id=session.driver_id,
            route_id=session.route_id,
            station_id=session.station_id,
            total_seats=session.total_seats,
            available_seats=session.available_seats,
            pool_version=session.pool_version,
        )


class SessionStarted(SessionEvent, frozen=True, kw_only=True):
    """A driver opened a session at a station."""


class SessionFull(SessionEvent, frozen=True, kw_only=True):
    """Every seat is sold."""


class SessionReopened(SessionEvent, frozen=True, kw_only=True):
    """A sold seat of a full session came back before departure."""


class SessionClosed(SessionEvent, frozen=True, kw_only=True):
    """The driver left: nothing more is sold."""


class SessionCancelled(SessionEvent, frozen=True, kw_only=True):
    """The driver or an admin called it off."""
