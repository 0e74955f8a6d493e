"""What routes do about events: forget what was cached of them. They show their stations."""

from collections.abc import Sequence

from holdfast.cache import Cache
from holdfast.events import Event, Recorded
from holdfast.routes.events import RouteChanged
from holdfast.routes.service import CACHE_GROUP
from holdfast.stations.events import StationChanged


class ForgetRoutes:
    """Follows changes and empties the cached answers."""

    name = "routes.cache"
    wants: frozenset[type[Event]] = frozenset({RouteChanged, StationChanged})

    def __init__(self, cache: Cache) -> None:
        self._cache = cache

    async def follow(self, events: Sequence[Recorded]) -> None:
        await self._cache.delete_surely(CACHE_GROUP)
