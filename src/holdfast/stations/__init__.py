"""The stops of the microbuses."""

from holdfast.stations.models import Station, StationDraft, StationId
from holdfast.stations.registry import FromFeed, StationRegistry, StationUse

__all__ = ["FromFeed", "Station", "StationDraft", "StationId", "StationRegistry", "StationUse"]
