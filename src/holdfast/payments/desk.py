"""Paying out of wallets: many requests at a time, in one transaction and one commit, from the key to the confirmed booking.

No network is asked, so there are no three steps: either all of it is done, or nothing.
"""

import asyncio
from collections.abc import Mapping, Sequence
from uuid import UUID

import psycopg
import structlog
from msgspec import Struct

from holdfast import audit, events, idempotency, ledger
from holdfast.audit import Deed
from holdfast.common.actor import Actor
from holdfast.common.batching import Batcher
from holdfast.common.errors import Overloaded, Refusal
from holdfast.common.money import Amount
from holdfast.common.wire import restored
from holdfast.database import Database, Tx, retried
from holdfast.idempotency import IdempotencyKey, KeyedRequest, New, OtherBody, Replay, RequestKey, Standing
from holdfast.idempotency.errors import KeyUsedForAnother, StillRunning
from holdfast.ledger import Account, Overdrawn
from holdfast.payments import postings, repository
from holdfast.payments.availability.errors import MethodUnavailable
from holdfast.payments.availability.repository import is_off
from holdfast.payments.errors import MethodNotTaken, PaymentRunning, WalletTooLow
from holdfast.payments.models import Earner, Method, PaidFor, PaymentId
from holdfast.payments.payable import Arrived, Due, HoldLapsedMeanwhile, Payables, PayableUnknown, Settled
from holdfast.payments.repository import PaidFromWallet
from holdfast.payments.screening import NO_SCREENING, UNKNOWN_ORIGIN, Attempt, Means, Origin, Screening
from holdfast.payments.settling import PaymentAnswer, facts, succeeded

log = structlog.get_logger()

Answer = PaymentAnswer | BaseException


class WalletRequest(Struct, frozen=True):
    """One person's wish to pay for a thing out of their wallet. ``payment_id`` is the id that the payment will have."""

    actor: Actor
    key: IdempotencyKey
    kind: str
    payable_id: UUID
    payment_id: PaymentId
    origin: Origin = UNKNOWN_ORIGIN

    @property
    def keyed(self) -> KeyedRequest:
        return KeyedRequest(RequestKey(self.actor.id, self.key.text), self.key.fingerprint, self.payment_id)


class WalletDesk:
    """Takes money out of wallets in the order of arrival, up to 200 payments in one transaction."""

    def __init__(self, database: Database, payables: Payables, screening: Screening = NO_SCREENING) -> None:
        self._database = database
        self._payables = payables
        self._screening = screening
        # Waiting here has no deadline: parts of a batch must not lose their turn to those that wait for a stuck row.
        self._turns = asyncio.Semaphore(database.transactions_max)
        self._batcher: Batcher[WalletRequest, PaymentAnswer] = Batcher(self._answer)

    async def pay(self, actor: Actor, key: IdempotencyKey, payable: tuple[str, UUID], origin: Origin = UNKNOWN_ORIGIN) -> PaymentAnswer:
        """Pay for a thing, or refuse. Raises WalletTooLow, PayableUnknown, PaymentRunning, KeyUsedForAnother, StillRunning, Overloaded,
        PaymentNotPossible, PaymentInReview, and what the thing refuses with.
        """
        kind, payable_id = payable
        await self._screening.look()
        return await self._batcher.ask(WalletRequest(actor, key, kind, payable_id, PaymentId.new(), origin))

    async def _answer(self, requests: Sequence[WalletRequest]) -> Sequence[Answer]:
        """One answer for each. What cannot be had together is tried again alone, so that only what is stuck fails."""
        if len(requests) > 1 and not _can_go_together(requests):
            return [await self._alone(request) for request in requests]
        try:
            async with self._turns:
                return await self._pay_all(requests)
        except (Overloaded, StillRunning, Overdrawn, HoldLapsedMeanwhile, psycopg.Error) as error:
            if len(requests) == 1:
                return [_refusal_for(error)]
            log.info("wallet_payments_taken_apart", payments=len(requests), reason=type(error).__name__)
            return await asyncio.gather(*(self._alone(request) for request in requests))

    async def _alone(self, request: WalletRequest) -> Answer:
        (answer,) = await self._answer([request])
        return answer

    @retried
    async def _pay_all(self, requests: Sequence[WalletRequest]) -> Sequence[Answer]:
        async with self._database.transaction() as tx:
            standing = await idempotency.begin(tx, [request.keyed for request in requests])
            fresh = [request for request in requests if isinstance(standing[request.keyed.key], New)]
            judged = await self._judge(tx, fresh)
            await idempotency.keep(tx, {r.keyed.key: a if isinstance(a := judged[r.payment_id], PaymentAnswer) else None for r in fresh})
        return [judged.get(request.payment_id) or _standing_answer(request, standing[request.keyed.key]) for request in requests]

    async def _judge(self, tx: Tx, requests: Sequence[WalletRequest]) -> dict[PaymentId, Answer]:
        """Pay for what can be paid for, and write it down; the others get their refusal. All are for things of one kind."""
        if not requests:
            return {}
        if await is_off(tx, Method.WALLET):
            return {request.payment_id: MethodUnavailable(method=Method.WALLET.value) for request in requests}
        kind, ids = requests[0].kind, sorted(request.payable_id for request in requests)
        locked = await self._payables[kind].lock(tx, ids, settling=True)
        due = await locked.amounts_due(tx)
        attempts = await repository.of_payables(tx, kind, ids)
        funds = await ledger.guarded_balances(tx, _wallets(due))
        judged: dict[PaymentId, Answer] = {}
        paying: dict[PaymentId, PaidFromWallet] = {}
        for request in requests:
            found = _judged(request, due.get(request.payable_id), attempts[request.payable_id], funds)
            if isinstance(found, Refusal):
                judged[request.payment_id] = found
                continue
            wallet = (Account.wallet(found.payer_id), found.total.currency)
            funds[wallet] -= found.total
            paying[request.payment_id] = PaidFromWallet(
                request.payment_id, request.payable_id, found.payer_id, found.payee_id, found.fare, found.fee, request.key.text
            )
        refused = await self._screened(tx, [request for request in requests if request.payment_id in paying], paying)
        judged |= refused
        paying = {payment_id: each for payment_id, each in paying.items() if payment_id not in refused}
        if not paying:
            return judged
        effects = await locked.captured(tx, [Arrived(p.id, p.payable_id, p.payer_id, p.fare + p.fee) for p in paying.values()])
        if not all(isinstance(effect, Settled) for effect in effects.values()):
            # What is due was judged under the same locks, so only a hold that lapsed since then has no effect.
            raise HoldLapsedMeanwhile
        actors = {request.payment_id: request.actor for request in requests}
        return judged | await self._write(tx, kind, list(paying.values()), actors)

    async def _screened(
        self, tx: Tx, requests: Sequence[WalletRequest], paying: Mapping[PaymentId, PaidFromWallet]
    ) -> dict[PaymentId, Refusal]:
        """Those of the payments that may not be tried. There is nobody whom 3-D Secure could be demanded of."""
        attempts = [_attempt(request, paying[request.payment_id]) for request in requests]
        verdicts = await self._screening.judge(tx, attempts)
        return {payment_id: verdict for payment_id, verdict in verdicts.items() if isinstance(verdict, Refusal)}

    async def _write(
        self, tx: Tx, kind: str, paying: Sequence[PaidFromWallet], actors: Mapping[PaymentId, Actor]
    ) -> dict[PaymentId, PaymentAnswer]:
        """The payments, with the ledger, the audit log and the events. Raises Overdrawn where another took the money meanwhile."""
        written = await repository.insert_paid(tx, kind, paying)
        paid = [written[each.id] for each in paying]
        await ledger.post(tx, [postings.capture(payment) for payment in paid])
        await audit.record(tx, [Deed(actors[payment.id], "payment.captured", payment.id, after=facts(payment)) for payment in paid])
        await events.publish(tx, [succeeded(payment) for payment in paid])
        standing = await self._payables[kind].standing(tx, [payment.payable_id for payment in paid])
        return {payment.id: PaymentAnswer(payment, standing.get(payment.payable_id)) for payment in paid}


def _can_go_together(requests: Sequence[WalletRequest]) -> bool:
    """Pools are locked once in a transaction, so one kind at a time; and of two requests for one thing, or under one key, the second
    is judged by what the first one did.
    """
    things = {request.payable_id for request in requests}
    keys = {request.keyed.key for request in requests}
    return len({request.kind for request in requests}) == 1 and len(things) == len(keys) == len(requests)


def _attempt(request: WalletRequest, paid: PaidFromWallet) -> Attempt:
    means = Means(Method.WALLET, origin=request.origin)
    return Attempt(request.payment_id, request.kind, request.payable_id, paid.payer_id, paid.fare + paid.fee, means)


def _wallets(due: Mapping[UUID, Due | Refusal]) -> list[tuple[Account, str]]:
    return sorted({(Account.wallet(each.payer_id), each.total.currency) for each in due.values() if isinstance(each, Due)})


def _judged(
    request: WalletRequest, due: Due | Refusal | None, attempts: PaidFor, funds: Mapping[tuple[Account, str], Amount]
) -> Due | Refusal:
    """What is to be taken from the wallet, or why nothing is."""
    if due is None or (isinstance(due, Due) and due.payer_id != request.actor.id):
        return PayableUnknown()
    if isinstance(due, Refusal):
        return due
    if due.earner is Earner.WALLET:
        return MethodNotTaken(method=Method.WALLET.value, supported=Method.CARD.value)
    if running := attempts.running:
        return PaymentRunning(payment_id=str(running.id), next_action=running.next_action)
    has = funds[Account.wallet(due.payer_id), due.total.currency]
    return due if has >= due.total else WalletTooLow(has=str(has), costs=str(due.total))


def _standing_answer(request: WalletRequest, standing: Standing) -> Answer:
    if isinstance(standing, OtherBody):
        return KeyUsedForAnother()
    assert isinstance(standing, Replay)
    if standing.answer is None:
        return StillRunning()
    request.key.replayed = True
    return restored(standing.answer, PaymentAnswer)


def _refusal_for(error: Exception) -> BaseException:
    """What one request is told for which nobody else is to blame. A fault of ours stays what it is, for the edge to log."""
    return Overloaded() if isinstance(error, Overdrawn | HoldLapsedMeanwhile | psycopg.OperationalError) else error
