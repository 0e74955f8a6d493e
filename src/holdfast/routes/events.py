"""What is announced about routes."""

from typing import ClassVar

from holdfast.events import Event
from holdfast.routes.models import RouteId


class RouteChanged(Event, frozen=True, kw_only=True):
    """A route was made, changed, or given other stations."""

    subject: ClassVar[str] = "route_id"
    route_id: RouteId
    is_active: bool
