"""Drivers put together."""

from dataclasses import dataclass

from litestar import Router

from holdfast.database import Database
from holdfast.drivers.controller import router
from holdfast.drivers.service import DriverService
from holdfast.users import People
from holdfast.vault import PersonalVault


@dataclass(frozen=True)
class DriversModule:
    service: DriverService
    router: Router


def build(database: Database, people: People, vault: PersonalVault) -> DriversModule:
    service = DriverService(database, people, vault)
    return DriversModule(service, router(service))
