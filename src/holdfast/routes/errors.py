"""How things about routes are refused."""

from holdfast.common.errors import NotFound, Refusal


class RouteUnknown(NotFound):
    """There is no such route. Look for one at /routes."""

    code = "route_unknown"


class RouteTooShort(Refusal):
    """A route in service calls at {stations_min} stations or more. Give it stations first, or leave it out of service."""

    code = "route_too_short"
    status = 409


class StationOutOfService(Refusal):
    """A route in service cannot call at a station that is not: {station_id}. Put the station into service first, or leave it out."""

    code = "station_out_of_service"
    status = 409
