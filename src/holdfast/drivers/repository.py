"""The statements of drivers, one function each."""

from holdfast.common.actor import UserId
from holdfast.database import Tx, queries
from holdfast.drivers.models import Application, Driver, DriverId, Sealed
from holdfast.drivers.states import VerificationStatus

SQL = queries(__file__)


async def insert(tx: Tx, user_id: UserId, application: Application, status: VerificationStatus) -> Driver | None:
    return await tx.first(SQL.insert, Driver, id=DriverId.new(), user_id=user_id, status=status.value, **_columns(application))


async def lock(tx: Tx, driver_id: DriverId) -> Driver | None:
    return await tx.first(SQL.lock, Driver, id=driver_id)


async def lock_of_user(tx: Tx, user_id: UserId) -> Driver | None:
    return await tx.first(SQL.lock_of_user, Driver, user_id=user_id)


async def get(tx: Tx, driver_id: DriverId) -> Driver | None:
    return await tx.first(SQL.get, Driver, id=driver_id)


async def get_of_user(tx: Tx, user_id: UserId) -> Driver | None:
    return await tx.first(SQL.get_of_user, Driver, user_id=user_id)


async def sealed_license(tx: Tx, driver_id: DriverId) -> bytes:
    found = await tx.first(SQL.sealed_license, Sealed, id=driver_id)
    return found.license_number if found else b""


async def apply_again(tx: Tx, driver_id: DriverId, application: Application, status: VerificationStatus) -> Driver:
    return _present(await tx.first(SQL.apply_again, Driver, id=driver_id, status=status.value, **_columns(application)))


async def decide(tx: Tx, driver_id: DriverId, admin_id: UserId, status: VerificationStatus, reason: str | None) -> Driver:
    return _present(await tx.first(SQL.decide, Driver, id=driver_id, admin_id=admin_id, status=status.value, reason=reason))


async def page(tx: Tx, status: VerificationStatus | None, after: DriverId | None, limit: int) -> list[Driver]:
    return await tx.all(SQL.page, Driver, status=None if status is None else status.value, after=after, limit=limit)


def _columns(application: Application) -> dict[str, object]:
    return {
        "vehicle_number": application.vehicle_number,
        "vehicle_type": application.vehicle_type,
        "total_seats": application.total_seats,
        "license_number": application.license_number,
    }


def _present(driver: Driver | None) -> Driver:
    assert driver is not None, "profiles are never deleted, and this one is locked"
    return driver
