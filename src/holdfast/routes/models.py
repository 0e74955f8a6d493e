"""The lines of the microbuses, one direction each."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import BigInteger, Boolean, CheckConstraint, Computed, ForeignKey, Index, Integer, Text, UniqueConstraint, Uuid, text
from sqlalchemy.dialects.postgresql import TIMESTAMP
from sqlalchemy.orm import Mapped, mapped_column

from holdfast.common.ids import Id
from holdfast.database.base import Base


class RouteId(Id, prefix="rte"):
    __slots__ = ()


class RouteTable(Base):
    """A line in one direction, with the fare of one seat. ``feed_code`` is its id and direction in the feed that it came from."""

    __tablename__ = "routes"
    __table_args__ = (
        CheckConstraint("name_ar IS NOT NULL OR name_en IS NOT NULL", name="has_a_name"),
        CheckConstraint("base_fare BETWEEN 0 AND 100000000", name="base_fare"),
        CheckConstraint("currency ~ '^[A-Z]{3}$'", name="currency"),
        Index("routes_feed_code_idx", "feed_code", unique=True),
    )

    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    name: Mapped[str] = mapped_column(Text, Computed("COALESCE(name_en, name_ar)", persisted=True))
    name_ar: Mapped[str | None] = mapped_column(Text)
    name_en: Mapped[str | None] = mapped_column(Text)
    base_fare: Mapped[int] = mapped_column(BigInteger)
    currency: Mapped[str] = mapped_column(Text)
    is_active: Mapped[bool] = mapped_column(Boolean, server_default=text("true"))
    feed_code: Mapped[str | None] = mapped_column(Text)
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
