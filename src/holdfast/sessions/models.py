"""One vehicle of a driver, waiting at a station to fill up."""

from datetime import datetime
from uuid import UUID

from msgspec import Struct
from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, Text, Uuid, text
from sqlalchemy.dialects.postgresql import TIMESTAMP
from sqlalchemy.orm import Mapped, mapped_column

from holdfast.common.actor import UserId
from holdfast.common.ids import Id
from holdfast.common.language import Language
from holdfast.database.base import Base
from holdfast.inventory import PoolId
from holdfast.routes.models import RouteId
from holdfast.sessions.states import SessionState
from holdfast.stations.models import StationId

_OPEN = text("status IN ('ACTIVE', 'FULL')")


class SessionId(Id, prefix="ses"):
    __slots__ = ()


class DriverSessionTable(Base):
    """A session. Its seats are one pool (``inventory``); the view ``driver_session_seats`` shows both together.

    The fare and the vehicle are those of the moment at which it was opened.
    """

    __tablename__ = "driver_sessions"
    __table_args__ = (
        CheckConstraint("status IN ('ACTIVE', 'FULL', 'CLOSED', 'CANCELLED')", name="status"),
        CheckConstraint("fare >= 0", name="fare"),
        CheckConstraint("currency ~ '^[A-Z]{3}$'", name="currency"),
        CheckConstraint("(ended_at IS NOT NULL) = (status IN ('CLOSED', 'CANCELLED'))", name="ended"),
        # One vehicle cannot wait at two stations.
        Index("driver_sessions_one_open_idx", "driver_id", unique=True, postgresql_where=_OPEN),
        Index("driver_sessions_driver_id_idx", "driver_id", "id"),
        Index("driver_sessions_open_route_idx", "route_id", "id", postgresql_where=_OPEN),
        Index("driver_sessions_open_station_idx", "station_id", "id", postgresql_where=_OPEN),
        {"postgresql_with": {"fillfactor": "70"}},
    )

    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    driver_id: Mapped[UUID] = mapped_column(Uuid, ForeignKey("users.id"))
    route_id: Mapped[UUID] = mapped_column(Uuid, ForeignKey("routes.id"))
    station_id: Mapped[UUID] = mapped_column(Uuid, ForeignKey("stations.id"))
    vehicle_number: Mapped[str] = mapped_column(Text)
    fare: Mapped[int] = mapped_column(BigInteger)
    currency: Mapped[str] = mapped_column(Text)
    status: Mapped[str] = mapped_column(Text)
    started_at: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True), server_default=text("business_now()"))
    ended_at: Mapped[datetime | None] = mapped_column(TIMESTAMP(timezone=True))
    cancel_note: Mapped[str | None] = mapped_column(Text)
    version: Mapped[int] = mapped_column(BigInteger, server_default=text("1"))


class Session(Struct, frozen=True):
    """A session with its seats. ``fare`` is in minor units of ``currency``, for one seat.

    Lapsed holds count as available, but not in a session that was read under a lock: there they are still to be given back.

    ``pool_version`` is that of its seats: it grows with each change of them, and with whatever ends the session.
    """

    id: SessionId
    driver_id: UserId
    route_id: RouteId
    station_id: StationId
    vehicle_number: str
    fare: int
    currency: str
    status: SessionState
    started_at: datetime
    ended_at: datetime | None
    version: int
    pool_id: PoolId
    pool_version: int
    total_seats: int
    available_seats: int


class ListedSession(Struct, frozen=True):
    """A session as people look for it, with the names of its route and station."""

    id: SessionId
    route_id: RouteId
    station_id: StationId
    route_name_ar: str
    route_name_en: str
    station_name_ar: str
    station_name_en: str
    latitude: float
    longitude: float
    vehicle_number: str
    fare: int
    currency: str
    status: SessionState
    started_at: datetime
    version: int
    total_seats: int
    available_seats: int
    distance_m: float | None = None

    def route_name(self, language: Language) -> str:
        return self.route_name_ar if language is Language.AR else self.route_name_en

    def station_name(self, language: Language) -> str:
        return self.station_name_ar if language is Language.AR else self.station_name_en
