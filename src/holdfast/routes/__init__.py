"""The lines of the microbuses, one direction each."""

from holdfast.routes.models import Route, RouteId, RouteWithStations

__all__ = ["Route", "RouteId", "RouteWithStations"]
