"""What stations do about events: forget what was cached of them."""

from collections.abc import Sequence

from holdfast.cache import Cache
from holdfast.events import Event, Recorded
from holdfast.stations.events import StationChanged
from holdfast.stations.service import CACHE_GROUP


class ForgetStations:
    """Follows changes and empties the cached answers."""

    name = "stations.cache"
    wants: frozenset[type[Event]] = frozenset({StationChanged})

    def __init__(self, cache: Cache) -> None:
        self._cache = cache

    async def follow(self, events: Sequence[Recorded]) -> None:
        await self._cache.delete_surely(CACHE_GROUP)
