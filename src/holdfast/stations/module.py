"""Stations put together."""

from dataclasses import dataclass

from litestar import Router

from holdfast.cache import Cache
from holdfast.database import Database
from holdfast.stations.controller import router
from holdfast.stations.handlers import ForgetStations
from holdfast.stations.registry import StationRegistry
from holdfast.stations.service import StationService


@dataclass(frozen=True)
class StationsModule:
    registry: StationRegistry
    service: StationService
    router: Router
    follower: ForgetStations


def build(database: Database, cache: Cache) -> StationsModule:
    registry = StationRegistry()
    service = StationService(database, cache, registry)
    return StationsModule(registry, service, router(service), ForgetStations(cache))
