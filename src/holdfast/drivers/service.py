"""Applying to drive, and deciding on it."""

import structlog

from holdfast import audit, events, idempotency
from holdfast.audit import Deed, Personal
from holdfast.common.actor import Actor, Role
from holdfast.common.paging import Page, PageRequest, encode_cursor
from holdfast.database import Database, Tx, retried
from holdfast.drivers import repository
from holdfast.drivers.dto import ApplyRequest
from holdfast.drivers.errors import DriverUnknown, NotApplied, OtherRole
from holdfast.drivers.events import DriverApplied, DriverApprovedByAdmin, DriverRejectedByAdmin
from holdfast.drivers.models import Application, Driver, DriverId, Licensed, masked
from holdfast.drivers.states import VERIFICATION, VerificationStatus
from holdfast.idempotency import IdempotencyKey
from holdfast.users import People
from holdfast.vault import PersonalVault, Unreadable

log = structlog.get_logger()


class DriverService:
    def __init__(self, database: Database, people: People, vault: PersonalVault) -> None:
        self._database = database
        self._people = people
        self._vault = vault

    @retried
    async def apply(self, actor: Actor, key: IdempotencyKey | None, wanted: ApplyRequest) -> Licensed:
        """Ask to be a driver, for the first time or again after a rejection.

        Raises ApplicationPending, DriverApproved, and OtherRole for whoever is more than a passenger.
        """
        async with self._database.transaction() as tx, idempotency.once(tx, actor, key, Licensed) as once:
            if once.replay:
                return once.replay
            license_number = "".join(wanted.license_number.split()).upper()
            application = Application(
                vehicle_number=" ".join(wanted.vehicle_number.split()),
                vehicle_type=" ".join(wanted.vehicle_type.split()),
                total_seats=wanted.total_seats,
                license_number=await self._vault.seal_for(tx, actor.id, license_number),
            )
            driver = await self._applied(tx, actor, application)
            await self._check_passenger(tx, driver)
            after = {"status": driver.verification_status, "total_seats": driver.total_seats}
            # The profile keeps the last application only.
            shown = Personal(actor.id, after={"license_number": license_number, "vehicle_number": application.vehicle_number})
            await audit.record(tx, [Deed(actor, "driver.applied", driver.id, after=after, personal=shown)], self._vault)
            await events.publish(tx, [DriverApplied(driver_id=driver.id, user_id=driver.user_id, version=driver.version)])
            return once.keep(Licensed(driver, masked(license_number)))

    async def _applied(self, tx: Tx, actor: Actor, application: Application) -> Driver:
        known = await repository.lock_of_user(tx, actor.id)
        if known is None:
            made = await repository.insert(tx, actor.id, application, VERIFICATION.initial)
            if made is not None:
                return made
            # Another request of theirs was faster, and has committed by now.
            known = await repository.lock_of_user(tx, actor.id)
            assert known is not None, "profiles are never deleted"
        status = VERIFICATION.move(known.verification_status, to=VerificationStatus.PENDING)
        return await repository.apply_again(tx, known.id, application, status)

    async def _check_passenger(self, tx: Tx, driver: Driver) -> None:
        """Becoming a driver must not take another role away. The person stays as read until the commit; the profile is locked before."""
        person = await self._people.hold_still(tx, driver.user_id)
        if person.role is not Role.PASSENGER:
            raise OtherRole(role=person.role)

    async def mine(self, actor: Actor) -> Licensed:
        """The caller's own profile, with the end of the licence number. Raises NotApplied."""
        async with self._database.reading() as tx:
            driver = await repository.get_of_user(tx, actor.id)
            if driver is None:
                raise NotApplied
            return Licensed(driver, masked(await self._license(tx, driver)))

    async def search(self, request: PageRequest, status: VerificationStatus | None) -> Page[Driver]:
        """Everybody who applied, for admins, the longest waiting first, without licences."""
        after = request.after(DriverId)
        async with self._database.reading() as tx:
            found = await repository.page(tx, status, after, request.limit + 1)
        return Page.cut(found, request, lambda driver: encode_cursor(str(driver.id)))

    @retried
    async def show(self, actor: Actor, driver_id: DriverId) -> Licensed:
        """One driver with the licence, for an admin, which is audited. Raises DriverUnknown."""
        async with self._database.transaction() as tx:
            driver = await repository.get(tx, driver_id)
            if driver is None:
                raise DriverUnknown
            await audit.record(tx, [Deed(actor, "driver.license_viewed", driver.id)])
            return Licensed(driver, await self._license(tx, driver))

    async def approve(self, actor: Actor, key: IdempotencyKey | None, driver_id: DriverId) -> Driver:
        """Make the person a DRIVER: tokens that say otherwise count no longer.

        Raises DriverUnknown, DriverApproved, DriverRejected, OtherRole.
        """
        return await self._decide(actor, key, driver_id, VerificationStatus.APPROVED, None)

    async def reject(self, actor: Actor, key: IdempotencyKey | None, driver_id: DriverId, reason: str) -> Driver:
        """Say no, and why. Raises DriverUnknown, DriverApproved, DriverRejected."""
        return await self._decide(actor, key, driver_id, VerificationStatus.REJECTED, reason.strip())

    @retried
    async def _decide(
        self, actor: Actor, key: IdempotencyKey | None, driver_id: DriverId, to: VerificationStatus, reason: str | None
    ) -> Driver:
        async with self._database.transaction() as tx, idempotency.once(tx, actor, key, Driver) as once:
            if once.replay:
                return once.replay
            before = await repository.lock(tx, driver_id)
            if before is None:
                raise DriverUnknown
            VERIFICATION.move(before.verification_status, to=to)
            if to is VerificationStatus.APPROVED:
                await self._check_passenger(tx, before)
                await self._people.change_access(tx, actor, before.user_id, role=Role.DRIVER)
            after = await repository.decide(tx, driver_id, actor.id, to, reason)
            statuses = {"status": before.verification_status}, {"status": after.verification_status}
            await audit.record(tx, [Deed(actor, f"driver.{to.value.lower()}", driver_id, *statuses)])
            announced = DriverApprovedByAdmin if to is VerificationStatus.APPROVED else DriverRejectedByAdmin
            await events.publish(tx, [announced(driver_id=driver_id, user_id=after.user_id, version=after.version)])
            return once.keep(after)

    async def _license(self, tx: Tx, driver: Driver) -> str | None:
        sealed = await repository.sealed_license(tx, driver.id)
        try:
            return await self._vault.open_for(tx, driver.user_id, sealed)
        except Unreadable as error:
            log.warning("licence_unreadable", driver_id=str(driver.id), reason=str(error))
            return None
