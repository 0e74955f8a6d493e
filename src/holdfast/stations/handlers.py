"""What stations do about events: forget what was cached of them."""

from collections.abc import Sequence

from holdfast.cache import Cache
from holdfast.events import Recorded
from holdfast.stations.events import StationChanged
from holdfast.stations.service import CACHE_GROUP


class ForgetStations:
    """Follows changes and empties the cached lists."""

    name = "stations.cache"

    def __init__(self, cache: Cache) -> None:
        self._cache = cache

    async def follow(self, recorded: Sequence[Recorded]) -> None:
        if any(isinstance(each.event, StationChanged) for each in recorded):
            await self._cache.delete(CACHE_GROUP)
