"""The lines of the microbuses, one direction each."""

from datetime import datetime
from uuid import UUID

from msgspec import Struct
from sqlalchemy import BigInteger, Boolean, CheckConstraint, Computed, ForeignKey, Index, Integer, Text, UniqueConstraint, Uuid, text
from sqlalchemy.dialects.postgresql import TIMESTAMP
from sqlalchemy.orm import Mapped, mapped_column

from holdfast.common.ids import Id
from holdfast.common.language import Language, in_language
from holdfast.common.money import Amount
from holdfast.database.base import Base
from holdfast.stations import Station, StationId

NAME_LENGTH_MAX = 500
CODE_LENGTH_MAX = 50
STATIONS_MIN = 2
STATIONS_MAX = 300
SEATS_MAX = 60
BASE_FARE_MAX = 100_000_000
"""In minor units."""


class RouteId(Id, prefix="rte"):
    __slots__ = ()


class RouteTable(Base):
    """A line in one direction, with the fare of one seat. ``feed_code`` is its id and direction in the feed that it came from.

    ``code`` is what is painted on the vehicles, ``usual_seats`` how many seats they have.
    """

    __tablename__ = "routes"
    __table_args__ = (
        CheckConstraint("name_ar IS NOT NULL OR name_en IS NOT NULL", name="has_a_name"),
        CheckConstraint("length(name_ar) BETWEEN 1 AND 500", name="name_ar"),
        CheckConstraint("length(name_en) BETWEEN 1 AND 500", name="name_en"),
        CheckConstraint("length(code) BETWEEN 1 AND 50", name="code"),
        CheckConstraint("usual_seats BETWEEN 1 AND 60", name="usual_seats"),
        CheckConstraint("base_fare BETWEEN 0 AND 100000000", name="base_fare"),
        CheckConstraint("currency ~ '^[A-Z]{3}$'", name="currency"),
        Index("routes_feed_code_idx", "feed_code", unique=True),
    )

    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    name: Mapped[str] = mapped_column(Text, Computed("COALESCE(name_en, name_ar)", persisted=True))
    name_ar: Mapped[str | None] = mapped_column(Text)
    name_en: Mapped[str | None] = mapped_column(Text)
    code: Mapped[str | None] = mapped_column(Text)
    base_fare: Mapped[int] = mapped_column(BigInteger)
    currency: Mapped[str] = mapped_column(Text)
    usual_seats: Mapped[int | None] = mapped_column(Integer)
    is_active: Mapped[bool] = mapped_column(Boolean, server_default=text("true"))
    feed_code: Mapped[str | None] = mapped_column(Text)
    search_text: Mapped[str] = mapped_column(
        Text, Computed("folded(COALESCE(name_ar, '') || ' ' || COALESCE(name_en, '') || ' ' || COALESCE(code, ''))", persisted=True)
    )
    version: Mapped[int] = mapped_column(BigInteger, server_default=text("1"))
    created_at: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True), server_default=text("business_now()"))
    updated_at: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True), server_default=text("business_now()"))


class RouteStationTable(Base):
    """Which stations a route calls at, in which order, counted from 1."""

    __tablename__ = "route_stations"
    __table_args__ = (
        UniqueConstraint("route_id", "station_order"),
        CheckConstraint("station_order >= 1", name="station_order"),
        Index("route_stations_station_id_idx", "station_id"),
    )

    route_id: Mapped[UUID] = mapped_column(Uuid, ForeignKey("routes.id"), primary_key=True)
    station_id: Mapped[UUID] = mapped_column(Uuid, ForeignKey("stations.id"), primary_key=True)
    station_order: Mapped[int] = mapped_column(Integer)


class Route(Struct, frozen=True):
    """A line in one direction as read. ``base_fare`` is for one seat, in minor units of ``currency``.

    ``distance_m`` is in metres from the place that was asked about to its nearest station, None where none was.
    """

    id: RouteId
    name_ar: str | None
    name_en: str | None
    code: str | None
    base_fare: int
    currency: str
    usual_seats: int | None
    is_active: bool
    feed_code: str | None
    version: int
    distance_m: float | None = None

    @property
    def fare(self) -> Amount:
        return Amount(self.currency, self.base_fare)

    def name(self, language: Language) -> str:
        """The name in a language, or in the other where it is missing."""
        return in_language(language, ar=self.name_ar, en=self.name_en)


class RouteCall(Struct, frozen=True):
    """That a route calls at a station."""

    route_id: RouteId
    station_id: StationId


class RouteWithStations(Struct, frozen=True):
    """A route and the stations that it calls at, in order."""

    route: Route
    stations: tuple[Station, ...]
