"""Switching gateways and methods over HTTP."""

from litestar import Controller, Router, get, patch
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody

from holdfast.common.actor import Actor, Role
from holdfast.common.guards import provided, refusals, requires
from holdfast.idempotency import IdempotencyKey
from holdfast.payments.availability.dto import AvailabilityView, GatewayView, SwitchRequest, SwitchView
from holdfast.payments.availability.errors import MethodUnknown
from holdfast.payments.availability.service import Availability
from holdfast.payments.errors import GatewayUnknown
from holdfast.payments.models import Method


class AvailabilityController(Controller):
    path = "/admin"
    tags = ("Payments",)

    @get("/gateways", guards=[requires(Role.ADMIN)])
    async def list_gateways(self, service: NamedDependency[Availability]) -> AvailabilityView:
        """How every payment gateway stands, and what is switched off."""
        standings, switches = await service.look()
        return AvailabilityView([GatewayView.of(each) for each in standings], [SwitchView.of(each) for each in switches])

    @patch("/gateways/{name:str}", guards=[requires(Role.ADMIN)], responses=refusals(GatewayUnknown))
    async def switch_gateway(
        self,
        name: FromPath[str],
        data: JSONBody[SwitchRequest],
        service: NamedDependency[Availability],
        actor: NamedDependency[Actor],
        optional_key: NamedDependency[IdempotencyKey | None],
    ) -> SwitchView:
        """Send no new payments to a gateway, or send them again. Payments that have begun are brought to their end."""
        return SwitchView.of(await service.switch_gateway(actor, optional_key, name, data.note, is_off=data.is_off))

    @patch("/payment-methods/{method:str}", guards=[requires(Role.ADMIN)], responses=refusals(MethodUnknown))
    async def switch_method(
        self,
        method: FromPath[str],
        data: JSONBody[SwitchRequest],
        service: NamedDependency[Availability],
        actor: NamedDependency[Actor],
        optional_key: NamedDependency[IdempotencyKey | None],
    ) -> SwitchView:
        """Take no new payments with a method, or take them again."""
        try:
            wanted = Method.read(method)
        except ValueError as error:
            raise MethodUnknown from error
        return SwitchView.of(await service.switch_method(actor, optional_key, wanted, data.note, is_off=data.is_off))


def router(service: Availability) -> Router:
    return Router(path="/", route_handlers=[AvailabilityController], dependencies={"service": provided(service)})
