"""Routes on the wire."""

from typing import Annotated, Self

from msgspec import UNSET, Meta, Struct, UnsetType

from holdfast.common.language import Language
from holdfast.common.money import JsonAmount
from holdfast.routes.models import CODE_LENGTH_MAX, NAME_LENGTH_MAX, SEATS_MAX, STATIONS_MAX, STATIONS_MIN, Route, RouteWithStations
from holdfast.stations import StationId
from holdfast.stations.dto import StationView

DEFAULT_CURRENCY = "EGP"

Name = Annotated[str, Meta(min_length=1, max_length=NAME_LENGTH_MAX, pattern=r"\S")]
Code = Annotated[str, Meta(min_length=1, max_length=CODE_LENGTH_MAX, pattern=r"\S", description="What is painted on the vehicles.")]
Fare = Annotated[float, Meta(ge=0, le=1_000_000, description="Of one seat, in major units of the currency.", examples=[7.5])]
Currency = Annotated[str, Meta(pattern="^[A-Z]{3}$", description="ISO 4217.", examples=["EGP"])]
UsualSeats = Annotated[int, Meta(ge=1, le=SEATS_MAX, description="Seats of the vehicles that usually run here.", examples=[14])]


class RouteRequest(Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """A new route, in one direction. Give ``nameAr``, ``nameEn`` or both; ``name`` goes to the language in whose letters it is written.

    It is in service if it has stations and ``isActive`` does not say otherwise.
    """

    base_fare: Fare
    currency: Currency = DEFAULT_CURRENCY
    name: Name | None = None
    name_ar: Name | None = None
    name_en: Name | None = None
    code: Code | None = None
    usual_seats: UsualSeats | None = None
    station_ids: Annotated[list[StationId], Meta(max_length=STATIONS_MAX, description="In the order of the ride.")] = []
    is_active: bool | None = None


class RouteChanges(Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """What is to change; what is left out stays. A new fare counts for sessions that are opened from then on."""

    name_ar: Name | UnsetType | None = UNSET
    name_en: Name | UnsetType | None = UNSET
    code: Code | UnsetType | None = UNSET
    base_fare: Fare | UnsetType = UNSET
    usual_seats: UsualSeats | UnsetType | None = UNSET
    is_active: bool | UnsetType = UNSET


class RouteStations(Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """All stations of a route, in the order of the ride."""

    station_ids: Annotated[list[StationId], Meta(min_length=STATIONS_MIN, max_length=STATIONS_MAX)]


class RouteView(Struct, frozen=True, rename="camel"):
    """A route. ``name`` is in the caller's language where it has one; ``baseFare`` is for one seat.

    ``distanceM`` is in metres from the place asked about to its nearest station.
    """

    id: str
    name: str
    name_ar: str | None
    name_en: str | None
    code: str | None
    base_fare: JsonAmount
    currency: str
    usual_seats: int | None
    is_active: bool
    distance_m: int | None

    @classmethod
    def of(cls, route: Route, language: Language) -> Self:
        return cls(
            id=str(route.id),
            name=route.name(language),
            name_ar=route.name_ar,
            name_en=route.name_en,
            code=route.code,
            base_fare=JsonAmount(route.fare),
            currency=route.currency,
            usual_seats=route.usual_seats,
            is_active=route.is_active,
            distance_m=None if route.distance_m is None else round(route.distance_m),
        )


class RouteWithStationsView(Struct, frozen=True, rename="camel"):
    """A route with its stations, in the order of the ride."""

    id: str
    name: str
    name_ar: str | None
    name_en: str | None
    code: str | None
    base_fare: JsonAmount
    currency: str
    usual_seats: int | None
    is_active: bool
    stations: list[StationView]

    @classmethod
    def of(cls, found: RouteWithStations, language: Language) -> Self:
        route = found.route
        return cls(
            id=str(route.id),
            name=route.name(language),
            name_ar=route.name_ar,
            name_en=route.name_en,
            code=route.code,
            base_fare=JsonAmount(route.fare),
            currency=route.currency,
            usual_seats=route.usual_seats,
            is_active=route.is_active,
            stations=[StationView.of(station, language) for station in found.stations],
        )
