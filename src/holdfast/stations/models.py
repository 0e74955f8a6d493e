"""The stops of the microbuses."""

from datetime import datetime
from functools import cache
from uuid import UUID
from zoneinfo import available_timezones

from msgspec import Struct
from sqlalchemy import BigInteger, Boolean, CheckConstraint, Computed, Double, Index, Text, Uuid, text
from sqlalchemy.dialects.postgresql import TIMESTAMP
from sqlalchemy.orm import Mapped, mapped_column

from holdfast.common.ids import Id
from holdfast.common.language import Language, in_language
from holdfast.database.base import Base

NAME_LENGTH_MAX = 200
DEFAULT_ZONE = "Africa/Cairo"


class StationId(Id, prefix="stn"):
    __slots__ = ()


class StationTable(Base):
    """A stop, with names in Arabic, English or both. ``feed_code`` is its id in the GTFS feed that it came from."""

    __tablename__ = "stations"
    __table_args__ = (
        CheckConstraint("name_ar IS NOT NULL OR name_en IS NOT NULL", name="has_a_name"),
        CheckConstraint("length(name_ar) BETWEEN 1 AND 200", name="name_ar"),
        CheckConstraint("length(name_en) BETWEEN 1 AND 200", name="name_en"),
        CheckConstraint("latitude BETWEEN -90 AND 90 AND longitude BETWEEN -180 AND 180", name="place"),
        Index("stations_feed_code_idx", "feed_code", unique=True),
        Index("stations_place_idx", "latitude", "longitude"),
    )

    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    name: Mapped[str] = mapped_column(Text, Computed("COALESCE(name_en, name_ar)", persisted=True))
    name_ar: Mapped[str | None] = mapped_column(Text)
    name_en: Mapped[str | None] = mapped_column(Text)
    latitude: Mapped[float] = mapped_column(Double)
    longitude: Mapped[float] = mapped_column(Double)
    zone: Mapped[str] = mapped_column(Text, server_default=text("'Africa/Cairo'"))
    is_active: Mapped[bool] = mapped_column(Boolean, server_default=text("true"))
    feed_code: Mapped[str | None] = mapped_column(Text)
    search_text: Mapped[str] = mapped_column(
        Text, Computed("folded(COALESCE(name_ar, '') || ' ' || COALESCE(name_en, ''))", persisted=True)
    )
    version: Mapped[int] = mapped_column(BigInteger, server_default=text("1"))
    created_at: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True), server_default=text("business_now()"))
    updated_at: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True), server_default=text("business_now()"))


class Station(Struct, frozen=True):
    """A stop as read, with its IANA time zone. At least one of its names is there.

    ``distance_m`` is in metres from the place that was asked about, None where none was.
    """

    id: StationId
    name_ar: str | None
    name_en: str | None
    latitude: float
    longitude: float
    zone: str
    is_active: bool
    feed_code: str | None
    version: int
    distance_m: float | None = None

    def name(self, language: Language) -> str:
        """The name in a language, or in the other where it is missing."""
        return in_language(language, ar=self.name_ar, en=self.name_en)


class StationDraft(Struct, frozen=True):
    """What a feed says of a station. A name that it does not have is left as it is."""

    feed_code: str
    name_ar: str | None
    name_en: str | None
    latitude: float
    longitude: float
    zone: str


@cache
def is_zone(name: str) -> bool:
    """Whether there is such an IANA time zone."""
    return name in available_timezones()
