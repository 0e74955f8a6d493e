"""The sandbox's interface: charges, refunds, disputes, what moved, and the page for 3-D Secure."""

import asyncio
import hmac
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated, Any, Literal, ParamSpec, TypeVar

from litestar import Litestar, MediaType, Request, Response, get, post
from litestar.connection import ASGIConnection
from litestar.di import Provide
from litestar.exceptions import ClientException, InternalServerException, NotAuthorizedException, NotFoundException
from litestar.handlers.base import BaseRouteHandler
from litestar.params import JSONBody
from litestar.response import Redirect
from litestar.status_codes import HTTP_200_OK
from msgspec import Meta, Struct

from holdfast.app.sandbox import pages
from holdfast.app.sandbox.courier import Courier
from holdfast.app.sandbox.script import SCRIPTS, ChargeStatus, DisputeStatus, Reply, Script, script_of
from holdfast.app.sandbox.store import (
    Charge,
    NewCharge,
    NotDisputable,
    NotRefundable,
    OtherRequest,
    Store,
    shown_charge,
    shown_dispute,
    shown_movements,
    shown_refund,
)
from holdfast.common.batching import Batcher

P = ParamSpec("P")
R = TypeVar("R")

SILENCE_S = 30.0
LATE_S = 3.0
PAGE_LIVES_S = 15 * 60.0
DELIVERY_WAIT_S = 5.0
_POLL_S = 0.02

Minor = Annotated[int, Meta(gt=0, le=2**53)]
Currency = Annotated[str, Meta(pattern="^[A-Z]{3}$")]
Text = Annotated[str, Meta(min_length=1, max_length=255)]


class ChargeRequest(Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """Take money from the account behind a token. Repeating it with the same id takes nothing again."""

    id: Text
    amount: Minor
    currency: Currency
    source: Text
    return_url: Annotated[str, Meta(max_length=2000, pattern="^https?://")] | None = None
    authenticate: bool = False


class RefundRequest(Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """Give money of a charge back. Repeating it with the same id gives nothing again."""

    id: Text
    charge_id: Text
    amount: Minor
    currency: Currency


class DisputeRequest(Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """Be the payer of a charge who disputes it at the bank. Without an amount: all of it."""

    charge_id: Text
    reason: Text = "fraudulent"
    amount: Minor | None = None


class DecisionRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """Be the bank that decides a dispute."""

    status: Literal["won", "lost"]


class Sandbox:
    """The use cases of the sandbox. Its database is used by one thread, so that the event loop never waits for a disk."""

    def __init__(self, store: Store, *, silence_s: float) -> None:
        """``silence_s``: how long a request hangs that is never answered."""
        self._store = store
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="store")
        self._silence_s = silence_s
        # What arrives while the disk is busy is written together.
        self._charges: Batcher[NewCharge, Charge] = Batcher(self._charge_all, in_flight_max=1)
        self.something_due = asyncio.Event()

    async def charge(self, wanted: ChargeRequest) -> Charge:
        script = script_of(wanted.source)
        if script.is_done:
            charge = await self._charges.ask(
                NewCharge(wanted.id, wanted.amount, wanted.currency, wanted.source, wanted.return_url, wanted.authenticate)
            )
            script = script_of(charge.token)
            self.something_due.set()
        await self._reply(script.reply, wanted.id)
        return charge

    async def refund(self, wanted: RefundRequest) -> dict[str, object]:
        is_known = await self.ask(self._store.find_refund, wanted.id) is not None
        refund = await self.ask(self._store.refund, wanted.id, wanted.charge_id, wanted.amount, wanted.currency)
        self.something_due.set()
        script = await self._script_of(wanted.charge_id)
        if script.refund_reply is not Reply.NEVER or not is_known:
            await self._reply(script.refund_reply, wanted.id)
        return shown_refund(refund)

    async def ask(self, question: Callable[P, R], *arguments: P.args, **named: P.kwargs) -> R:
        """Ask the database, in its thread."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, lambda: question(*arguments, **named))

    @property
    def store(self) -> Store:
        return self._store

    async def close(self) -> None:
        await self.ask(self._store.close)
        self._thread.shutdown()

    async def _charge_all(self, wanted: Sequence[NewCharge]) -> Sequence[Charge | BaseException]:
        return await self.ask(self._store.charge, wanted)

    async def _script_of(self, charge_id: str) -> Script:
        charge = await self.ask(self._store.find_charge, charge_id)
        assert charge is not None
        return script_of(charge.token)

    async def _reply(self, reply: Reply, subject: str) -> None:
        match reply:
            case Reply.NEVER:
                await asyncio.sleep(self._silence_s)
                raise InternalServerException("You were not meant to wait for this.")
            case Reply.ERROR:
                raise InternalServerException("Something went wrong here. Perhaps it was done, perhaps not.")
            case Reply.AFTER_WEBHOOK:
                await self._delivery(subject)
            case Reply.AT_ONCE:
                pass

    async def _delivery(self, subject: str) -> None:
        give_up_at = asyncio.get_running_loop().time() + DELIVERY_WAIT_S
        # The database is what is waited for: nobody could set an event.
        while (  # noqa: ASYNC110
            await self.ask(self._store.waits_for_delivery, subject) and asyncio.get_running_loop().time() < give_up_at
        ):
            await asyncio.sleep(_POLL_S)


@get("/livez", sync_to_thread=False, opt={"public": True})
def livez() -> dict[str, bool]:
    return {"alive": True}


@post("/charges", status_code=HTTP_200_OK)
async def charge(data: JSONBody[ChargeRequest], request: Request[Any, Any, Any], sandbox: Sandbox) -> dict[str, object]:
    """Charge a token."""
    return _shown(await sandbox.charge(data), request)


@get("/charges/{charge_id:str}")
async def find_charge(charge_id: str, request: Request[Any, Any, Any], sandbox: Sandbox) -> dict[str, object]:
    """What became of a charge, by the caller's own id."""
    found = await sandbox.ask(sandbox.store.find_charge, charge_id)
    if found is None:
        raise NotFoundException("There is no such charge.")
    return _shown(found, request)


@post("/refunds", status_code=HTTP_200_OK)
async def refund(data: JSONBody[RefundRequest], sandbox: Sandbox) -> dict[str, object]:
    """Give money back."""
    return await sandbox.refund(data)


@get("/refunds/{refund_id:str}")
async def find_refund(refund_id: str, sandbox: Sandbox) -> dict[str, object]:
    """What became of a refund, by the caller's own id."""
    found = await sandbox.ask(sandbox.store.find_refund, refund_id)
    if found is None:
        raise NotFoundException("There is no such refund.")
    return shown_refund(found)


@get("/refunds")
async def list_refunds(charge: str, sandbox: Sandbox) -> list[dict[str, object]]:
    """The refunds of a charge."""
    return [shown_refund(found) for found in await sandbox.ask(sandbox.store.refunds_of, charge)]


@post("/disputes", status_code=HTTP_200_OK)
async def dispute(data: JSONBody[DisputeRequest], sandbox: Sandbox) -> dict[str, object]:
    """Dispute a charge."""
    opened = await sandbox.ask(sandbox.store.dispute, data.charge_id, data.amount, data.reason)
    sandbox.something_due.set()
    return shown_dispute(opened)


@get("/disputes")
async def list_disputes(charge: str, sandbox: Sandbox) -> list[dict[str, object]]:
    """The disputes of a charge."""
    return [shown_dispute(found) for found in await sandbox.ask(sandbox.store.disputes_of, charge)]


@post("/disputes/{dispute_id:str}", status_code=HTTP_200_OK)
async def decide_dispute(dispute_id: str, data: JSONBody[DecisionRequest], sandbox: Sandbox) -> dict[str, object]:
    """Decide a dispute."""
    decided = await sandbox.ask(sandbox.store.decide_dispute, dispute_id, DisputeStatus(data.status))
    sandbox.something_due.set()
    return shown_dispute(decided)


@get("/settled")
async def list_settled(
    sandbox: Sandbox, since: float = 0.0, after: int = 0, limit: Annotated[int, Meta(ge=1, le=1000)] = 500
) -> list[dict[str, object]]:
    """Money that moved from a time on (seconds since 1970), in order, after a position."""
    return shown_movements(await sandbox.ask(sandbox.store.movements, since, after, limit))


@get("/tokens", sync_to_thread=False, opt={"public": True})
def list_tokens() -> dict[str, str]:
    """Every token, and what it makes the sandbox do."""
    return {token: script.means for token, script in SCRIPTS.items()}


@get("/3ds/{reference:str}", media_type=MediaType.HTML, opt={"public": True})
async def show_page(reference: str, sandbox: Sandbox) -> Response[str]:
    """The page on which a payer confirms a payment."""
    found = await sandbox.ask(sandbox.store.find_by_reference, reference)
    if found is None:
        raise NotFoundException("There is no such payment.")
    return Response(pages.ask(found), media_type=MediaType.HTML)


@post("/3ds/{reference:str}", status_code=HTTP_200_OK, opt={"public": True})
async def answer_page(reference: str, request: Request[Any, Any, Any], sandbox: Sandbox) -> Response[Any]:
    """The payer's answer: ``decision`` is ``approve`` or ``decline``, from the page's form or as JSON."""
    is_json = request.headers.get("content-type", "").startswith("application/json")
    answer = await (request.json() if is_json else request.form())
    decision = answer.get("decision") if hasattr(answer, "get") else None
    if decision not in ("approve", "decline"):
        raise ClientException('Send decision: "approve" or "decline".')
    found = await sandbox.ask(sandbox.store.answer_page, reference, is_approved=decision == "approve")
    if found is None:
        raise NotFoundException("There is no such payment.")
    sandbox.something_due.set()
    if is_json:
        return Response(_shown(found, request))
    if found.return_url:
        return Redirect(found.return_url, status_code=303)
    return Response(pages.thank(found), media_type=MediaType.HTML)


def create_sandbox(
    database: Path,
    secret: str,
    webhook_url: str | None,
    *,
    late_s: float = LATE_S,
    silence_s: float = SILENCE_S,
    page_lives_s: float = PAGE_LIVES_S,
) -> Litestar:
    """The sandbox as an ASGI application. ``webhook_url`` None: nobody is told anything."""

    @asynccontextmanager
    async def running(app: Litestar) -> AsyncIterator[None]:
        sandbox = Sandbox(Store(database, late_s=late_s, page_lives_s=page_lives_s), silence_s=silence_s)
        app.state.sandbox = sandbox
        courier = asyncio.create_task(Courier(sandbox, secret, webhook_url).run())
        yield
        courier.cancel()
        await asyncio.wait([courier])
        await sandbox.close()

    def give(request: Request[Any, Any, Any]) -> Any:
        return request.app.state.sandbox

    async def require_secret(connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler) -> None:
        if handler.opt.get("public"):
            return
        given = connection.headers.get("authorization", "")
        if not hmac.compare_digest(given.encode(), f"Bearer {secret}".encode()):
            raise NotAuthorizedException("Send the sandbox's secret as Authorization: Bearer.")

    return Litestar(
        route_handlers=[
            livez, charge, find_charge, refund, find_refund, list_refunds, dispute, list_disputes, decide_dispute, list_settled,
            list_tokens, show_page, answer_page,
        ],
        dependencies={"sandbox": Provide(give, sync_to_thread=False)},
        guards=[require_secret],
        exception_handlers={OtherRequest: _refused(409), NotRefundable: _refused(422), NotDisputable: _refused(422)},
        lifespan=[running],
        openapi_config=None,
        request_max_body_size=64 * 1024,
    )  # fmt: skip


def _shown(charge: Charge, request: Request[Any, Any, Any]) -> dict[str, object]:
    asks = charge.status is ChargeStatus.PENDING and charge.asks_payer
    return {**shown_charge(charge), "nextAction": f"{str(request.base_url).rstrip('/')}/3ds/{charge.reference}" if asks else None}


def _refused(status: int) -> Callable[[Request[Any, Any, Any], Exception], Response[dict[str, str]]]:
    def answer(_: Request[Any, Any, Any], error: Exception) -> Response[dict[str, str]]:
        return Response({"error": (type(error).__doc__ or "").strip()}, status_code=status)

    return answer
