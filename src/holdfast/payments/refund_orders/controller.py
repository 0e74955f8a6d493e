"""Refunds by admins over HTTP."""

from litestar import Controller, Response, Router, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody
from litestar.status_codes import HTTP_200_OK

from holdfast.common.actor import Actor, Role
from holdfast.common.guards import provided, refusals, requires, tagged
from holdfast.common.paging import PageRequest, PageView
from holdfast.idempotency import IdempotencyKey
from holdfast.payments.dto import RefundView
from holdfast.payments.errors import PaymentUnknown, RefundedAlready, RefundRunning
from holdfast.payments.models import PaymentId, RefundId
from holdfast.payments.refund_orders.dto import RefundOrderRequest, RefundOrderView
from holdfast.payments.refund_orders.errors import (
    NothingWasKept,
    OwnRefundOrder,
    RefundOrderDone,
    RefundOrderProposed,
    RefundOrderRejected,
    RefundOrderUnknown,
    RefundTooHigh,
    RefundUnknown,
)
from holdfast.payments.refund_orders.models import RefundOrder, RefundOrderId
from holdfast.payments.refund_orders.service import RefundOrders
from holdfast.payments.refund_orders.states import RefundOrderState

_DECISIONS = (RefundOrderUnknown, OwnRefundOrder, RefundOrderProposed, RefundOrderDone, RefundOrderRejected)


class RefundOrderController(Controller):
    path = "/admin"
    tags = ("Payments",)

    @post(
        "/payments/{payment_id:str}/refunds",
        guards=[requires(Role.ADMIN)],
        responses=refusals(PaymentUnknown, NothingWasKept, RefundTooHigh),
    )
    async def order(
        self,
        payment_id: FromPath[str],
        data: JSONBody[RefundOrderRequest],
        service: NamedDependency[RefundOrders],
        actor: NamedDependency[Actor],
        key: NamedDependency[IdempotencyKey],
    ) -> Response[RefundOrderView]:
        """Give a part of a payment back, with a reason. PROPOSED: it is above what one admin may give back, so another has to approve."""
        return _shown(await service.order(actor, key, PaymentId.parse(payment_id), data.amount, data.note))

    @get("/refund-orders", guards=[requires(Role.ADMIN)])
    async def list_orders(
        self,
        service: NamedDependency[RefundOrders],
        actor: NamedDependency[Actor],
        page: NamedDependency[PageRequest],
        status: RefundOrderState | None = None,
    ) -> PageView[RefundOrderView]:
        """What admins ordered to be given back, newest first. That you looked at it is written into the audit log."""
        return PageView.of(await service.list_all(actor, page, status=status), page, RefundOrderView.of)

    @post(
        "/refund-orders/{order_id:str}/approve",
        status_code=HTTP_200_OK,
        guards=[requires(Role.ADMIN)],
        responses=refusals(*_DECISIONS, NothingWasKept, RefundTooHigh),
    )
    async def approve(
        self,
        order_id: FromPath[str],
        service: NamedDependency[RefundOrders],
        actor: NamedDependency[Actor],
        key: NamedDependency[IdempotencyKey],
    ) -> Response[RefundOrderView]:
        """Agree to a refund that another admin ordered."""
        return _shown(await service.approve(actor, key, RefundOrderId.parse(order_id)))

    @post("/refund-orders/{order_id:str}/reject", status_code=HTTP_200_OK, guards=[requires(Role.ADMIN)], responses=refusals(*_DECISIONS))
    async def reject(
        self,
        order_id: FromPath[str],
        service: NamedDependency[RefundOrders],
        actor: NamedDependency[Actor],
        key: NamedDependency[IdempotencyKey],
    ) -> Response[RefundOrderView]:
        """Say no to a refund that another admin ordered."""
        return _shown(await service.reject(actor, key, RefundOrderId.parse(order_id)))

    @post(
        "/refunds/{refund_id:str}/to-wallet",
        status_code=HTTP_200_OK,
        guards=[requires(Role.ADMIN)],
        responses=refusals(RefundUnknown, RefundRunning, RefundedAlready),
    )
    async def send_to_wallet(
        self,
        refund_id: FromPath[str],
        service: NamedDependency[RefundOrders],
        actor: NamedDependency[Actor],
        key: NamedDependency[IdempotencyKey],
    ) -> Response[RefundView]:
        """Put the money of a refund that failed into its payer's wallet."""
        refund = await service.to_wallet(actor, key, RefundId.parse(refund_id))
        return tagged(RefundView.of(refund), refund.version)


def _shown(ordered: RefundOrder) -> Response[RefundOrderView]:
    return tagged(RefundOrderView.of(ordered), ordered.version)


def router(service: RefundOrders) -> Router:
    return Router(path="/", route_handlers=[RefundOrderController], dependencies={"service": provided(service)})
