"""Paying through a gateway, in three steps, because nobody waits for the network while rows are locked.

First the payment is committed as INITIATED, then the gateway is called with our payment's id as its key, then the outcome is
committed with all that follows from it. Whatever dies in between, the worker asks for the outcome by that id.
"""

import asyncio
from datetime import timedelta
from uuid import UUID

import structlog

from holdfast import audit, events, idempotency, ledger
from holdfast.audit import Deed
from holdfast.common.actor import Actor
from holdfast.common.cards import holds_card_number
from holdfast.common.errors import Invalid, Overloaded, Refusal
from holdfast.common.money import Amount
from holdfast.common.wire import restored
from holdfast.database import Database, Tx, retried
from holdfast.idempotency import IdempotencyKey, KeyedRequest, OtherBody, Replay, RequestKey
from holdfast.idempotency.errors import KeyUsedForAnother, StillRunning
from holdfast.ledger import Account, Overdrawn
from holdfast.payments import postings, repository
from holdfast.payments.availability.service import Availability
from holdfast.payments.cash import Cash
from holdfast.payments.desk import WalletDesk
from holdfast.payments.errors import CardNumberSent, MethodNotTaken, PaymentRunning, PaymentUnknown
from holdfast.payments.events import PaymentInitiated
from holdfast.payments.gateway import Gateways, Known, Outcome, Unknown
from holdfast.payments.models import CASH_GATEWAY, Earner, Method, Payment, PaymentId
from holdfast.payments.outcomes import Outcomes
from holdfast.payments.payable import Due, Payables, PayableUnknown
from holdfast.payments.screening import NO_SCREENING, UNKNOWN_ORIGIN, Attempt, Means, Origin, Screening
from holdfast.payments.settling import PaymentAnswer
from holdfast.payments.states import PaymentState

ANSWER_WITHIN = timedelta(seconds=15)
"""How long the gateway's call and the commit of its answer may take before the worker asks. Calls themselves give up before."""

ANSWER_AGAIN_WITHIN = timedelta(seconds=30)
"""The same for a repeated request, which first asks for the payment and may then call for it: two calls, one after the other."""

OVERLOADED_WAITS_S = (0.1, 0.4, 1.0)

log = structlog.get_logger()


class _WalletIsEnough(Exception):
    """No gateway need be asked: the wallet pays for all of it."""


class PaymentService:
    """The use cases of payers."""

    def __init__(
        self,
        database: Database,
        payables: Payables,
        gateways: Gateways,
        outcomes: Outcomes,
        wallets: WalletDesk,
        cash: Cash,
        availability: Availability,
        return_url: str | None = None,
        screening: Screening = NO_SCREENING,
    ) -> None:
        """``return_url``: the page to which payers come back from 3-D Secure, if there is one."""
        self._database = database
        self._payables = payables
        self._gateways = gateways
        self._outcomes = outcomes
        self._wallets = wallets
        self._cash = cash
        self._availability = availability
        self._return_url = return_url
        self._screening = screening

    async def pay(
        self,
        actor: Actor,
        key: IdempotencyKey,
        payable: tuple[str, UUID],
        method: Method,
        token: str | None = None,
        origin: Origin = UNKNOWN_ORIGIN,
        *,
        wallet_first: bool = False,
    ) -> PaymentAnswer:
        """Pay for a thing with a token of a means of payment, or, without one, out of the payer's wallet.

        ``wallet_first``: what the wallet has is set aside, and the gateway is asked for the rest; all of it, if it is enough.
        The answer is SUCCESS, FAILED (try again until the deadline of the hold), or INITIATED while nobody knows yet, and with CASH until
        the driver has it. Repeating it with the same key asks for the outcome of the first request and never charges twice. Raises
        MethodNotTaken, MethodUnavailable, Invalid, CardNumberSent, CashNotTaken, WalletTooLow, PayableUnknown (also for another's),
        PaymentRunning, PaymentNotPossible, PaymentInReview, StillRunning, KeyUsedForAnother, and what the thing refuses with.
        """
        if token is not None and holds_card_number(token):
            raise CardNumberSent
        if method is Method.WALLET:
            return await self._wallets.pay(actor, key, payable, origin)
        if method is Method.CASH:
            return await self._pay_in_cash(actor, key, payable, origin)
        if self._gateways.taking(method) is None:
            raise MethodNotTaken(method=method.value, supported=", ".join([*self._gateways.methods(), Method.WALLET, Method.CASH]))
        if token is None:
            raise Invalid(("token", "Send the token of your card or account that the gateway's page gave you."))
        payment_id = PaymentId.new()
        await self._screening.look()
        means = Means(method, token, origin)
        try:
            begun = await self._begin(actor, key, payment_id, payable, means, wallet_first=wallet_first)
        except _WalletIsEnough:
            return await self._wallets.pay(actor, key, payable, origin)
        except Overdrawn as error:
            # Another payment took from the wallet what this one had seen in it.
            raise Overloaded from error
        if isinstance(begun, Refusal):
            raise begun
        if isinstance(begun, PaymentAnswer):
            return begun
        if begun.id != payment_id:
            return await self._ask_again(begun, token)
        outcome = await self._gateways[begun.gateway].charge(begun.id, begun.charged, token, self._return_url, begun.authenticate)
        await self._availability.heard(begun.gateway, outcome)
        return await self._make_true(begun, outcome)

    async def _pay_in_cash(self, actor: Actor, key: IdempotencyKey, payable: tuple[str, UUID], origin: Origin) -> PaymentAnswer:
        """Nobody is asked: the payment waits for the driver's word."""
        await self._screening.look()
        begun = await self._begin(actor, key, PaymentId.new(), payable, Means(Method.CASH, None, origin))
        if isinstance(begun, Refusal):
            raise begun
        if isinstance(begun, PaymentAnswer):
            return begun
        async with self._database.reading() as tx:
            return await self._outcomes.answer(tx, begun)

    async def _require_cash(self, tx: Tx, due: Due) -> None:
        if due.earner is Earner.WALLET:
            raise MethodNotTaken(method=Method.CASH.value, supported=", ".join(self._gateways.methods()))
        await self._availability.require_on(tx, Method.CASH)
        await self._cash.require_taken(tx, due.payee_id, due.total.currency)

    @retried
    async def read(self, actor: Actor, payment_id: PaymentId) -> PaymentAnswer:
        """A payment of one's own; admins see every one, and that they looked is audited. Raises PaymentUnknown."""
        async with self._database.reading() as tx:
            payment = await repository.get(tx, payment_id)
            if payment is None or (payment.payer_id != actor.id and not actor.is_admin):
                raise PaymentUnknown
            answer = await self._outcomes.answer(tx, payment)
        if payment.payer_id != actor.id:
            async with self._database.transaction() as tx:
                await audit.record(tx, [Deed(actor, "payment.viewed", payment.id)])
        return answer

    @retried
    async def _begin(
        self,
        actor: Actor,
        key: IdempotencyKey,
        payment_id: PaymentId,
        payable: tuple[str, UUID],
        means: Means,
        *,
        wallet_first: bool = False,
    ) -> Payment | PaymentAnswer | Refusal:
        """The payment to be tried, or that of an earlier request with this key; its answer, where it is decided.

        What the screening refuses with is returned: it writes down that it did, and that is committed.
        """
        kind, payable_id = payable
        async with self._database.transaction() as tx:
            request = KeyedRequest(RequestKey(actor.id, key.text), key.fingerprint, payment_id)
            standing = (await idempotency.begin(tx, [request]))[request.key]
            if isinstance(standing, OtherBody):
                raise KeyUsedForAnother
            if isinstance(standing, Replay):
                return await self._replayed(tx, key, standing, payment_id)
            locked = await self._payables[kind].lock(tx, [payable_id], settling=False)
            due = (await locked.amounts_due(tx)).get(payable_id)
            if due is None or (isinstance(due, Due) and due.payer_id != actor.id):
                raise PayableUnknown
            if isinstance(due, Refusal):
                raise due
            if means.method is Method.CASH:
                await self._require_cash(tx, due)
            attempt = Attempt(payment_id, kind, payable_id, due.payer_id, due.total, means)
            verdict = (await self._screening.judge(tx, [attempt]))[payment_id]
            if isinstance(verdict, Refusal):
                await idempotency.keep(tx, {request.key: None})
                return verdict
            # After the screening: what it refuses must not use up the one payment that may try a gateway.
            gateway = CASH_GATEWAY if means.method is Method.CASH else (await self._availability.choose(tx, means.method)).name
            payment = await repository.insert_payment(
                tx,
                payment_id=payment_id,
                payable_kind=kind,
                payable_id=payable_id,
                payer_id=due.payer_id,
                payee_id=due.payee_id,
                earner=due.earner,
                fare=due.fare,
                fee=due.fee,
                from_wallet=await self._set_aside(tx, due) if wallet_first else Amount(due.fare.currency, 0),
                method=means.method,
                gateway=gateway,
                idempotency_key=key.text,
                answer_within=ANSWER_WITHIN,
                authenticate=verdict.authenticate,
            )
            if payment is None:
                raise await self._running(tx, kind, payable_id)
            await locked.begun(tx)
            await audit.record(tx, [Deed(actor, "payment.initiated", payment.id, after=_facts(payment))])
            await events.publish(tx, [_initiated(payment)])
            if payment.wallet_amount:
                await ledger.post(tx, [postings.reserved(payment)])
            return payment

    async def _set_aside(self, tx: Tx, due: Due) -> Amount:
        """How much of the payer's wallet goes into a split payment. Raises _WalletIsEnough."""
        if due.earner is Earner.WALLET:
            return Amount(due.fare.currency, 0)
        wallet = (Account.wallet(due.payer_id), due.fare.currency)
        has = (await ledger.guarded_balances(tx, [wallet]))[wallet]
        if has >= due.total:
            raise _WalletIsEnough
        return has

    async def _replayed(self, tx: Tx, key: IdempotencyKey, standing: Replay, payment_id: PaymentId) -> Payment | PaymentAnswer:
        key.replayed = standing.result_id != payment_id
        if standing.answer is not None:
            return restored(standing.answer, PaymentAnswer)
        payment = await repository.get(tx, PaymentId.of(standing.result_id)) if standing.result_id else None
        if payment is None:
            raise KeyUsedForAnother
        return payment

    async def _running(self, tx: Tx, kind: str, payable_id: UUID) -> PaymentRunning:
        running = (await repository.of_payables(tx, kind, [payable_id]))[payable_id].running
        if running is None:
            return PaymentRunning()
        return PaymentRunning(payment_id=str(running.id), next_action=running.next_action)

    async def _ask_again(self, payment: Payment, token: str) -> PaymentAnswer:
        """A request was repeated whose payment is not decided: ask for it now, unless somebody is asking."""
        async with self._database.transaction() as tx:
            is_claimed = await repository.claim_payment(tx, payment.id, lease=ANSWER_AGAIN_WITHIN)
            now = await repository.get(tx, payment.id)
            assert now is not None
            if not is_claimed:
                if now.status is PaymentState.INITIATED and now.next_action is None and now.unknown_since is None:
                    raise StillRunning
                return await self._outcomes.answer(tx, now)
        return await self._make_true(now, await self._find_or_charge(now, token))

    async def _find_or_charge(self, payment: Payment, token: str) -> Outcome:
        gateway = self._gateways[payment.gateway]
        found = await gateway.find(payment.id, Known(payment.gateway_reference))
        if found is not None:
            return found
        # The first call never reached the gateway. The payer asks for it once more, under the same id.
        return await gateway.charge(payment.id, payment.charged, token, self._return_url, payment.authenticate)

    async def _make_true(self, payment: Payment, outcome: Outcome) -> PaymentAnswer:
        for wait_s in OVERLOADED_WAITS_S:
            try:
                return await self._applied(payment, outcome)
            except Overloaded:
                await asyncio.sleep(wait_s)
        # What is captured stays captured: the worker applies it when the rows come free.
        log.warning("outcome_waits", payment_id=str(payment.id), outcome=type(outcome).__name__)
        return await self._applied(payment, Unknown("the outcome could not be applied yet"))

    async def _applied(self, payment: Payment, outcome: Outcome) -> PaymentAnswer:
        answer = await self._outcomes.apply(payment.id, outcome)
        assert answer is not None
        return answer


def _facts(payment: Payment) -> dict[str, object]:
    return {
        "status": payment.status.value,
        "payable_kind": payment.payable_kind,
        "payable_id": str(payment.payable_id),
        "amount": payment.total_amount,
        "currency": payment.currency,
        "method": payment.method.value,
        "gateway": payment.gateway,
    }


def _initiated(payment: Payment) -> PaymentInitiated:
    return PaymentInitiated(
        version=payment.version,
        payment_id=payment.id,
        payable_kind=payment.payable_kind,
        payable_id=payment.payable_id,
        payer_id=payment.payer_id,
        payee_id=payment.payee_id,
        amount=payment.total,
    )
