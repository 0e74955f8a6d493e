"""Drivers over HTTP."""

from litestar import Controller, Response, Router, get, post
from litestar.di import NamedDependency
from litestar.params import JSONBody

from holdfast.common.actor import Actor, Role
from holdfast.common.guards import provided, refusals, requires, tagged
from holdfast.common.paging import PageRequest, PageView
from holdfast.drivers.dto import ApplyRequest, DriverView, LicensedDriverView, RejectRequest
from holdfast.drivers.errors import ApplicationPending, DriverApproved, DriverRejected, DriverUnknown, NotApplied, OtherRole
from holdfast.drivers.models import DriverId
from holdfast.drivers.service import DriverService
from holdfast.drivers.states import VerificationStatus
from holdfast.idempotency import IdempotencyKey
from holdfast.idempotency.errors import KeyUsedForAnother, StillRunning

_DECIDED = (DriverUnknown, DriverApproved, DriverRejected, KeyUsedForAnother, StillRunning)


class DriverController(Controller):
    path = "/drivers"
    tags = ("Drivers",)

    @post(
        "/apply",
        guards=[requires()],
        responses=refusals(ApplicationPending, DriverApproved, OtherRole, KeyUsedForAnother, StillRunning),
    )
    async def apply(
        self,
        data: JSONBody[ApplyRequest],
        service: NamedDependency[DriverService],
        actor: NamedDependency[Actor],
        optional_key: NamedDependency[IdempotencyKey | None],
    ) -> Response[LicensedDriverView]:
        """Apply to be a driver. Once an admin has approved, refresh your token: the old one stops counting."""
        licensed = await service.apply(actor, optional_key, data)
        return tagged(LicensedDriverView.of(licensed), licensed.driver.version)

    @get("/me", guards=[requires()], responses=refusals(NotApplied))
    async def me(self, service: NamedDependency[DriverService], actor: NamedDependency[Actor]) -> Response[LicensedDriverView]:
        """Your application and what became of it."""
        licensed = await service.mine(actor)
        return tagged(LicensedDriverView.of(licensed), licensed.driver.version)

    @get("/", guards=[requires(Role.ADMIN)])
    async def list_drivers(
        self, service: NamedDependency[DriverService], page: NamedDependency[PageRequest], status: VerificationStatus | None = None
    ) -> PageView[DriverView]:
        """Everybody who applied, the longest waiting first."""
        return PageView.of(await service.search(page, status), page, DriverView.of)

    @get("/{driver_id:str}", guards=[requires(Role.ADMIN)], responses=refusals(DriverUnknown))
    async def show(
        self, driver_id: str, service: NamedDependency[DriverService], actor: NamedDependency[Actor]
    ) -> Response[LicensedDriverView]:
        """One driver with the licence number. That you looked is written down."""
        licensed = await service.show(actor, DriverId.parse(driver_id))
        return tagged(LicensedDriverView.of(licensed), licensed.driver.version)

    @post("/{driver_id:str}/approve", status_code=200, guards=[requires(Role.ADMIN)], responses=refusals(*_DECIDED, OtherRole))
    async def approve(
        self,
        driver_id: str,
        service: NamedDependency[DriverService],
        actor: NamedDependency[Actor],
        optional_key: NamedDependency[IdempotencyKey | None],
    ) -> Response[DriverView]:
        """Make this person a driver."""
        driver = await service.approve(actor, optional_key, DriverId.parse(driver_id))
        return tagged(DriverView.of(driver), driver.version)

    @post("/{driver_id:str}/reject", status_code=200, guards=[requires(Role.ADMIN)], responses=refusals(*_DECIDED))
    async def reject(
        self,
        driver_id: str,
        data: JSONBody[RejectRequest],
        service: NamedDependency[DriverService],
        actor: NamedDependency[Actor],
        optional_key: NamedDependency[IdempotencyKey | None],
    ) -> Response[DriverView]:
        """Say no to an application, and why."""
        driver = await service.reject(actor, optional_key, DriverId.parse(driver_id), data.reason)
        return tagged(DriverView.of(driver), driver.version)


def router(service: DriverService) -> Router:
    return Router(path="/", route_handlers=[DriverController], dependencies={"service": provided(service)})
