"""Batches over HTTP, for admins."""

from typing import Any

from litestar import Controller, Request, Response, get, post
from litestar.di import NamedDependency
from litestar.params import JSONBody
from litestar.status_codes import HTTP_200_OK

from holdfast.common.actor import Actor, Role
from holdfast.common.guards import refusals, requires, tagged
from holdfast.common.paging import PageRequest, PageView
from holdfast.idempotency import IdempotencyKey
from holdfast.payouts.batches.answers import BYTES_MAX, read_answer
from holdfast.payouts.batches.dto import BatchRequest, BatchView, BatchWithItemsView, HeardView
from holdfast.payouts.batches.errors import (
    AccountsChanged,
    AnswerToAnother,
    AnswerUnreadable,
    BatchApprovedAlready,
    BatchCancelledAlready,
    BatchNotApproved,
    BatchUnknown,
    FileDiffers,
    NoBankOfOurs,
    OwnBatch,
    PayeesNotReady,
    SeveralCurrencies,
)
from holdfast.payouts.batches.files import FileKind
from holdfast.payouts.batches.service import BatchService
from holdfast.payouts.errors import OwnPayout, PayoutUnknown
from holdfast.payouts.models import PayoutBatchId
from holdfast.payouts.states import PAYOUT

_AT_REST = (BatchUnknown, BatchApprovedAlready, BatchCancelledAlready)
_NOT_OUT = (BatchUnknown, BatchNotApproved, BatchCancelledAlready)


class BatchController(Controller):
    path = "/admin/payout-batches"
    tags = ("Payouts",)

    @post(
        "/",
        guards=[requires(Role.ADMIN)],
        responses=refusals(PayoutUnknown, OwnPayout, SeveralCurrencies, PayeesNotReady, NoBankOfOurs, *PAYOUT.refusals.values()),
    )
    async def make_batch(
        self,
        data: JSONBody[BatchRequest],
        batches: NamedDependency[BatchService],
        actor: NamedDependency[Actor],
        key: NamedDependency[IdempotencyKey],
    ) -> Response[BatchView]:
        """Put approved payouts of one currency in a batch for the bank. Another admin has to approve it."""
        made = await batches.make(actor, key, data.payout_ids)
        return tagged(BatchView.of(made), made.version)

    @get("/", guards=[requires(Role.ADMIN)])
    async def list_batches(self, batches: NamedDependency[BatchService], page: NamedDependency[PageRequest]) -> PageView[BatchView]:
        """All batches, newest first."""
        return PageView.of(await batches.list_all(page), page, BatchView.of)

    @get("/{payout_batch_id:str}", guards=[requires(Role.ADMIN)], responses=refusals(BatchUnknown))
    async def read_batch(self, payout_batch_id: str, batches: NamedDependency[BatchService]) -> BatchWithItemsView:
        """A batch and what is in it."""
        return BatchWithItemsView.of(*await batches.read(PayoutBatchId.parse(payout_batch_id)))

    @post(
        "/{payout_batch_id:str}/approve",
        status_code=HTTP_200_OK,
        guards=[requires(Role.ADMIN)],
        responses=refusals(*_AT_REST, OwnBatch, AccountsChanged),
    )
    async def approve_batch(
        self,
        payout_batch_id: str,
        batches: NamedDependency[BatchService],
        actor: NamedDependency[Actor],
        key: NamedDependency[IdempotencyKey],
    ) -> Response[BatchView]:
        """Let a batch go to the bank: one that you did not make, and in which nothing is yours."""
        approved = await batches.approve(actor, key, PayoutBatchId.parse(payout_batch_id))
        return tagged(BatchView.of(approved), approved.version)

    @post("/{payout_batch_id:str}/cancel", status_code=HTTP_200_OK, guards=[requires(Role.ADMIN)], responses=refusals(*_AT_REST))
    async def cancel_batch(
        self,
        payout_batch_id: str,
        batches: NamedDependency[BatchService],
        actor: NamedDependency[Actor],
        key: NamedDependency[IdempotencyKey],
    ) -> Response[BatchView]:
        """Stop a batch that was not approved. Its payouts can go into another one."""
        cancelled = await batches.cancel(actor, key, PayoutBatchId.parse(payout_batch_id))
        return tagged(BatchView.of(cancelled), cancelled.version)

    @get(
        "/{payout_batch_id:str}/csv",
        guards=[requires(Role.ADMIN)],
        media_type="text/csv",
        responses=refusals(*_NOT_OUT, FileDiffers),
    )
    async def download_csv(
        self, payout_batch_id: str, batches: NamedDependency[BatchService], actor: NamedDependency[Actor]
    ) -> Response[bytes]:
        """The file for the bank as CSV. That you took it is written down."""
        return await _file(batches, actor, payout_batch_id, FileKind.CSV, "text/csv")

    @get(
        "/{payout_batch_id:str}/xml",
        guards=[requires(Role.ADMIN)],
        media_type="application/xml",
        responses=refusals(*_NOT_OUT, FileDiffers),
    )
    async def download_xml(
        self, payout_batch_id: str, batches: NamedDependency[BatchService], actor: NamedDependency[Actor]
    ) -> Response[bytes]:
        """The file for the bank as ISO 20022 pain.001.001.09. That you took it is written down."""
        return await _file(batches, actor, payout_batch_id, FileKind.XML, "application/xml")

    @post(
        "/{payout_batch_id:str}/answers",
        status_code=HTTP_200_OK,
        guards=[requires(Role.ADMIN)],
        request_max_body_size=BYTES_MAX,
        responses=refusals(*_NOT_OUT, AnswerUnreadable, AnswerToAnother),
    )
    async def hear_bank(
        self,
        payout_batch_id: str,
        request: Request[Any, Any, Any],
        batches: NamedDependency[BatchService],
        actor: NamedDependency[Actor],
        key: NamedDependency[IdempotencyKey],
    ) -> HeardView:
        """What the bank says of a batch, as it came: pain.002, or CSV. All of it counts or, where a line is wrong, nothing."""
        answer = read_answer(await request.body())
        return HeardView.of(await batches.hear(actor, key, PayoutBatchId.parse(payout_batch_id), answer))


async def _file(batches: BatchService, actor: Actor, payout_batch_id: str, kind: FileKind, media_type: str) -> Response[bytes]:
    content = await batches.download(actor, PayoutBatchId.parse(payout_batch_id), kind)
    return Response(
        content, media_type=media_type, headers={"Content-Disposition": f'attachment; filename="{payout_batch_id}.{kind.value}"'}
    )
