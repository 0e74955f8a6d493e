"""Stations on the wire."""

from typing import Annotated, Self

from msgspec import UNSET, Meta, Struct, UnsetType

from holdfast.common.language import Language
from holdfast.stations.models import Station, StationId
from holdfast.stations.service import StationChanges

ZONE_DEFAULT = "Africa/Cairo"

Name = Annotated[str, Meta(min_length=1, max_length=200, pattern=r"\S", examples=["Ramses"])]
Latitude = Annotated[float, Meta(ge=-90, le=90, description="Degrees north.", examples=[30.0626])]
Longitude = Annotated[float, Meta(ge=-180, le=180, description="Degrees east.", examples=[31.2497])]


class NewStation(Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """A station to be made. It needs a name in one language at least."""

    latitude: Latitude
    longitude: Longitude
    name_ar: Name | None = None
    name_en: Name | None = None
    is_active: bool = True

    def station(self) -> Station:
        return Station(
            id=StationId.new(),
            name_ar=self.name_ar,
            name_en=self.name_en,
            latitude=self.latitude,
            longitude=self.longitude,
            zone=ZONE_DEFAULT,
            is_active=self.is_active,
            version=1,
        )


class ChangedStation(Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """What is to change; what is left out stays."""

    name_ar: Name | UnsetType | None = UNSET
    name_en: Name | UnsetType | None = UNSET
    latitude: Latitude | UnsetType = UNSET
    longitude: Longitude | UnsetType = UNSET
    is_active: bool | UnsetType = UNSET

    def changes(self) -> StationChanges:
        return StationChanges(self.name_ar, self.name_en, self.latitude, self.longitude, self.is_active)


class StationView(Struct, frozen=True, rename="camel"):
    """A station. ``name`` is in the reader's language; ``distanceM`` is in metres from the place asked about."""

    id: str
    name: str
    name_ar: str | None
    name_en: str | None
    latitude: float
    longitude: float
    zone: str
    is_active: bool
    distance_m: int | None = None

    @classmethod
    def of(cls, station: Station, language: Language) -> Self:
        return cls(
            id=str(station.id),
            name=station.name(language),
            name_ar=station.name_ar,
            name_en=station.name_en,
            latitude=station.latitude,
            longitude=station.longitude,
            zone=station.zone,
            is_active=station.is_active,
            distance_m=None if station.distance_m is None else round(station.distance_m),
        )
