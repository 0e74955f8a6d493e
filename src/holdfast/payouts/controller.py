"""Payouts over HTTP."""

from litestar import Controller, Response, Router, get, post
from litestar.di import NamedDependency
from litestar.params import JSONBody
from litestar.status_codes import HTTP_200_OK

from holdfast.common.actor import Actor, Role
from holdfast.common.guards import provided, refusals, requires, tagged
from holdfast.common.paging import PageRequest, PageView
from holdfast.idempotency import IdempotencyKey
from holdfast.payouts.accounts.controller import AccountController
from holdfast.payouts.accounts.service import AccountService
from holdfast.payouts.batches.controller import BatchController
from holdfast.payouts.batches.service import BatchService
from holdfast.payouts.dto import PayoutRequest, PayoutView, RejectRequest
from holdfast.payouts.errors import (
    NothingToPayOut,
    OwnPayout,
    PayeeOwes,
    PayoutApprovedAlready,
    PayoutAskedAlready,
    PayoutCancelledAlready,
    PayoutInBatch,
    PayoutPaidAlready,
    PayoutPending,
    PayoutRejectedAlready,
    PayoutReturnedAlready,
    PayoutUnknown,
    SessionNotClosed,
    SessionNotReady,
)
from holdfast.payouts.models import Payout, PayoutId
from holdfast.payouts.service import PayoutService
from holdfast.payouts.statements.controller import AdminStatementController, StatementController
from holdfast.payouts.statements.service import StatementService
from holdfast.payouts.states import PayoutState
from holdfast.sessions.errors import SessionUnknown

_MOVED = (
    PayoutPending,
    PayoutApprovedAlready,
    PayoutInBatch,
    PayoutPaidAlready,
    PayoutReturnedAlready,
    PayoutRejectedAlready,
    PayoutCancelledAlready,
)
_DECISIONS = (PayoutUnknown, OwnPayout, *_MOVED)


class PayoutController(Controller):
    path = "/payouts"
    tags = ("Payouts",)

    @post(
        "/",
        guards=[requires(Role.DRIVER)],
        responses=refusals(SessionUnknown, SessionNotReady, NothingToPayOut, PayeeOwes, PayoutAskedAlready),
    )
    async def ask(
        self,
        data: JSONBody[PayoutRequest],
        service: NamedDependency[PayoutService],
        actor: NamedDependency[Actor],
        key: NamedDependency[IdempotencyKey],
    ) -> Response[PayoutView]:
        """Ask to be paid for a session of yours that is full or closed."""
        return _shown(await service.ask(actor, key, data.session_id))

    @post("/{payout_id:str}/cancel", status_code=HTTP_200_OK, guards=[requires(Role.DRIVER)], responses=refusals(PayoutUnknown, *_MOVED))
    async def cancel_payout(
        self, payout_id: str, service: NamedDependency[PayoutService], actor: NamedDependency[Actor], key: NamedDependency[IdempotencyKey]
    ) -> Response[PayoutView]:
        """Take back a payout of yours that nobody has decided on. You can ask again."""
        return _shown(await service.cancel(actor, key, PayoutId.parse(payout_id)))

    @get("/my", guards=[requires(Role.DRIVER)])
    async def list_my_payouts(
        self, service: NamedDependency[PayoutService], actor: NamedDependency[Actor], page: NamedDependency[PageRequest]
    ) -> PageView[PayoutView]:
        """Your payouts, newest first."""
        return PageView.of(await service.list_own(actor, page), page, PayoutView.of)

    @get("/", guards=[requires(Role.ADMIN)])
    async def list_payouts(
        self,
        service: NamedDependency[PayoutService],
        actor: NamedDependency[Actor],
        page: NamedDependency[PageRequest],
        status: PayoutState | None = None,
    ) -> PageView[PayoutView]:
        """Everybody's payouts, newest first, for admins. That you looked at them is written into the audit log."""
        return PageView.of(await service.list_all(actor, page, status=status), page, PayoutView.of)

    @post(
        "/{payout_id:str}/approve",
        status_code=HTTP_200_OK,
        guards=[requires(Role.ADMIN)],
        responses=refusals(*_DECISIONS, SessionNotClosed, NothingToPayOut),
    )
    async def approve(
        self, payout_id: str, service: NamedDependency[PayoutService], actor: NamedDependency[Actor], key: NamedDependency[IdempotencyKey]
    ) -> Response[PayoutView]:
        """Approve a payout, once its session is closed. Never your own. What the driver owes is set off against it."""
        return _shown(await service.approve(actor, key, PayoutId.parse(payout_id)))

    @post("/{payout_id:str}/pay", status_code=HTTP_200_OK, guards=[requires(Role.ADMIN)], responses=refusals(*_DECISIONS))
    async def pay(
        self, payout_id: str, service: NamedDependency[PayoutService], actor: NamedDependency[Actor], key: NamedDependency[IdempotencyKey]
    ) -> Response[PayoutView]:
        """Say that the money of an approved payout has left by hand. One that is in a batch is answered by the bank."""
        return _shown(await service.pay(actor, key, PayoutId.parse(payout_id)))

    @post("/{payout_id:str}/reject", status_code=HTTP_200_OK, guards=[requires(Role.ADMIN)], responses=refusals(*_DECISIONS))
    async def reject(
        self,
        payout_id: str,
        data: JSONBody[RejectRequest],
        service: NamedDependency[PayoutService],
        actor: NamedDependency[Actor],
        key: NamedDependency[IdempotencyKey],
    ) -> Response[PayoutView]:
        """Reject a payout, with a reason that the driver reads. The driver can ask again."""
        return _shown(await service.reject(actor, key, PayoutId.parse(payout_id), data.reason))


def _shown(payout: Payout) -> Response[PayoutView]:
    return tagged(PayoutView.of(payout), payout.version)


def router(service: PayoutService, accounts: AccountService, batches: BatchService, statements: StatementService) -> Router:
    return Router(
        path="/",
        route_handlers=[AccountController, StatementController, AdminStatementController, BatchController, PayoutController],
        dependencies={
            "service": provided(service),
            "accounts": provided(accounts),
            "batches": provided(batches),
            "statements": provided(statements),
        },
    )
