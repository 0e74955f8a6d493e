"""Paying over HTTP, and where gateways send their messages."""

from typing import Any

from litestar import Controller, Request, Response, Router, get, post
from litestar.di import NamedDependency
from litestar.params import JSONBody
from litestar.status_codes import HTTP_204_NO_CONTENT

from holdfast.common.actor import Actor
from holdfast.common.errors import Invalid
from holdfast.common.guards import EXPRESS, PUBLIC, provided, refusals, requires, tagged
from holdfast.common.ids import MalformedId
from holdfast.idempotency import IdempotencyKey
from holdfast.idempotency.errors import KeyUsedForAnother, StillRunning
from holdfast.payments.availability.errors import MethodUnavailable
from holdfast.payments.dto import PaymentView, PayRequest
from holdfast.payments.errors import (
    CardNumberSent,
    CashNotTaken,
    GatewayUnknown,
    MethodNotTaken,
    PaymentRunning,
    PaymentUnknown,
    WalletTooLow,
)
from holdfast.payments.gateway import ForgedWebhook
from holdfast.payments.inbox import Inbox
from holdfast.payments.models import Method, PaymentId
from holdfast.payments.payable import Payables, PayableUnknown
from holdfast.payments.screening import Origin, PaymentInReview, PaymentNotPossible
from holdfast.payments.service import PaymentService

WEBHOOK_BYTES_MAX = 256 * 1024


class PaymentController(Controller):
    path = "/payments"
    tags = ("Payments",)

    # What is paid for adds refusals of its own, for example that its hold has expired.
    @post(
        "/pay",
        guards=[requires()],
        opt=EXPRESS,
        responses=refusals(
            PayableUnknown,
            MethodNotTaken,
            MethodUnavailable,
            CardNumberSent,
            CashNotTaken,
            WalletTooLow,
            PaymentRunning,
            PaymentNotPossible,
            PaymentInReview,
            StillRunning,
            KeyUsedForAnother,
        ),
    )
    async def pay(
        self,
        data: JSONBody[PayRequest],
        service: NamedDependency[PaymentService],
        payables: NamedDependency[Payables],
        actor: NamedDependency[Actor],
        key: NamedDependency[IdempotencyKey],
        address: NamedDependency[str],
        device: NamedDependency[str | None],
    ) -> Response[PaymentView]:
        """Pay for a hold, which confirms its booking: with a token of your card or account, or with WALLET out of your wallet.

        FAILED: pay again until the booking's expiresAt. INITIATED with nextAction: open its url, then ask for the payment by its id.
        """
        if data.named is None:
            raise Invalid(("bookingId", "Send one of bookingId, holdId and topUpId."))
        field, text = data.named
        try:
            payable = payables.read(text)
        except MalformedId as error:
            raise Invalid((field, str(error))) from error
        origin = Origin(address, device)
        answer = await service.pay(actor, key, payable, Method.read(data.method), data.token, origin, wallet_first=data.wallet_first)
        return tagged(PaymentView.of(answer, payables), answer.payment.version)

    @get("/{payment_id:str}", guards=[requires()], responses=refusals(PaymentUnknown))
    async def read_payment(
        self,
        payment_id: str,
        service: NamedDependency[PaymentService],
        payables: NamedDependency[Payables],
        actor: NamedDependency[Actor],
    ) -> Response[PaymentView]:
        """A payment of yours, with what went back of it."""
        answer = await service.read(actor, PaymentId.parse(payment_id))
        return tagged(PaymentView.of(answer, payables), answer.payment.version)


class WebhookController(Controller):
    path = "/webhooks/gateways"
    tags = ("Payments",)

    @post(
        "/{gateway:str}",
        opt=PUBLIC,
        status_code=HTTP_204_NO_CONTENT,
        request_max_body_size=WEBHOOK_BYTES_MAX,
        responses=refusals(GatewayUnknown, ForgedWebhook),
    )
    async def receive_webhook(self, gateway: str, request: Request[Any, Any, Any], inbox: NamedDependency[Inbox]) -> None:
        """Where a payment gateway tells what became of a payment or a refund. Signed; anything else is refused and not kept."""
        headers = {name.lower(): value for name, value in request.headers.items()}
        await inbox.receive(gateway, {**headers, ":path": f"{request.url.path}?{request.url.query}"}, await request.body())


def router(service: PaymentService, inbox: Inbox, payables: Payables) -> Router:
    return Router(
        path="/",
        route_handlers=[PaymentController, WebhookController],
        dependencies={"service": provided(service), "inbox": provided(inbox), "payables": provided(payables)},
    )
