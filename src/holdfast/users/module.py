"""People put together."""

from dataclasses import dataclass

from litestar import Router

from holdfast.database import Database
from holdfast.users.controller import router
from holdfast.users.people import People
from holdfast.users.service import UserService
from holdfast.vault import PersonalVault


@dataclass(frozen=True)
class UsersModule:
    people: People
    service: UserService
    router: Router


def build(database: Database, vault: PersonalVault, *, default_region: str) -> UsersModule:
    people = People()
    service = UserService(database, people, vault, default_region=default_region)
    return UsersModule(people, service, router(service))
