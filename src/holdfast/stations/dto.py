"""Stations on the wire."""

from typing import Annotated, Self

from msgspec import UNSET, Meta, Struct, UnsetType

from holdfast.common.language import Language
from holdfast.stations.models import DEFAULT_ZONE, NAME_LENGTH_MAX, Station

Name = Annotated[str, Meta(min_length=1, max_length=NAME_LENGTH_MAX, pattern=r"\S")]
Latitude = Annotated[float, Meta(ge=-90, le=90, description="Degrees, WGS 84.", examples=[30.0626])]
Longitude = Annotated[float, Meta(ge=-180, le=180, description="Degrees, WGS 84.", examples=[31.2473])]
Zone = Annotated[str, Meta(max_length=64, description="IANA time zone.", examples=[DEFAULT_ZONE])]


class StationRequest(Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """A new station. Give ``nameAr``, ``nameEn`` or both; ``name`` goes to the language in whose letters it is written."""

    latitude: Latitude
    longitude: Longitude
    name: Name | None = None
    name_ar: Name | None = None
    name_en: Name | None = None
    zone: Zone = DEFAULT_ZONE
    is_active: bool = True


class StationChanges(Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """What is to change; what is left out stays. null takes a name away, but not both."""

    name_ar: Name | UnsetType | None = UNSET
    name_en: Name | UnsetType | None = UNSET
    latitude: Latitude | UnsetType = UNSET
    longitude: Longitude | UnsetType = UNSET
    zone: Zone | UnsetType = UNSET
    is_active: bool | UnsetType = UNSET


class StationView(Struct, frozen=True, rename="camel"):
    """A station. ``name`` is in the caller's language where it has one; ``distanceM`` is in metres from the place asked about."""

    id: str
    name: str
    name_ar: str | None
    name_en: str | None
    latitude: float
    longitude: float
    zone: str
    is_active: bool
    distance_m: int | None

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
