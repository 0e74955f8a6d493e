"""What is announced about stations."""

from typing import ClassVar

from holdfast.events import Event
from holdfast.stations.models import StationId


class StationChanged(Event, frozen=True, kw_only=True):
    """A station was made or changed."""

    subject: ClassVar[str] = "station_id"
    station_id: StationId
    is_active: bool
