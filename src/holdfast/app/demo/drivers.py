"""The drivers of the demonstration: one waits at the first station of each route."""

from msgspec import Struct

from holdfast.common.actor import SYSTEM, Actor, Role, UserId
from holdfast.common.language import Language
from holdfast.common.paging import PageRequest
from holdfast.config import Settings
from holdfast.database import Database, queries
from holdfast.drivers.dto import ApplyRequest
from holdfast.drivers.service import DriverService
from holdfast.inventory import Inventory
from holdfast.routes.models import RouteId
from holdfast.sessions.service import SessionService
from holdfast.sessions.states import SessionState
from holdfast.stations import StationId
from holdfast.users import People
from holdfast.vault import PersonalVault, Vault

SQL = queries(__file__)

DRIVERS_MAX = 12
USUAL_SEATS = 14
# Of the range that signs in with 000000 in development: anybody can be one of these drivers.
PHONE = "+20100009{number:04}"


class _Place(Struct, frozen=True):
    route_id: RouteId
    station_id: StationId
    seats: int


async def put_drivers(settings: Settings, database: Database) -> int:
    """Let a driver wait with free seats on each route, on 12 at most; returns how many opened a session just now."""
    vault = PersonalVault(Vault(settings.vault_key.get_secret_value(), settings.vault_key_previous.get_secret_value()))
    people = People()
    drivers = DriverService(database, people, vault)
    sessions = SessionService(database, Inventory(), currency="EGP")
    async with database.transaction() as tx:
        places = await tx.all(SQL.routes_in_service, _Place, usual_seats=USUAL_SEATS, limit=DRIVERS_MAX)
    opened = 0
    for number, place in enumerate(places, start=1):
        async with database.transaction() as tx:
            person = await people.sign_in(tx, PHONE.format(number=number), Language.EN)
        if person.role is Role.PASSENGER:
            await _approve(drivers, person.id, number, place.seats)
        opened += await _open(sessions, Actor(person.id, Role.DRIVER), place)
    return opened


async def _approve(drivers: DriverService, person_id: UserId, number: int, seats: int) -> None:
    wanted = ApplyRequest(vehicle_number=f"DEMO {number}", license_number=f"DEMO-{number:04}", total_seats=seats)
    applied = await drivers.apply(Actor(person_id, Role.PASSENGER), None, wanted)
    await drivers.approve(SYSTEM, None, applied.driver.id)


async def _open(sessions: SessionService, driver: Actor, place: _Place) -> bool:
    newest = (await sessions.of_driver(driver, PageRequest(limit=1))).rows
    if newest and newest[0].status is SessionState.ACTIVE:
        return False
    if newest and newest[0].status is SessionState.FULL:
        await sessions.close(driver, None, newest[0].id)
    await sessions.start(driver, None, place.route_id, place.station_id, place.seats)
    return True
