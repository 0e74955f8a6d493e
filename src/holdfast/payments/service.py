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
from holdfast.common.errors import Invalid, Overloaded, Refusal
from holdfast.common.money import Amount
from holdfast.common.wire import restored
from holdfast.database import Database, Tx, retried
from holdfast.idempotency import IdempotencyKey, KeyedRequest, OtherBody, Replay, RequestKey
from holdfast.idempotency.errors import KeyUsedForAnother, StillRunning
from holdfast.ledger import Account, Overdrawn
from holdfast.payments import postings, repository
from holdfast.payments.availability.service import Availability
from holdfast.payments.desk import WalletDesk
from holdfast.payments.errors import MethodNotTaken, PaymentRunning, PaymentUnknown
from holdfast.payments.events import PaymentInitiated
from holdfast.payments.gateway import Gateways, Outcome, Unknown
from holdfast.payments.models import Earner, Method, Payment, PaymentId
from holdfast.payments.outcomes import Outcomes
from holdfast.payments.payable import Due, Payables, PayableUnknown
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
        availability: Availability,
        return_url: str | None = None,
    ) -> None:
        """``return_url``: the page to which payers come back from 3-D Secure, if there is one."""
        self._database = database
        self._payables = payables
        self._gateways = gateways
        self._outcomes = outcomes
        self._wallets = wallets
        self._availability = availability
        self._return_url = return_url

    async def pay(
        self,
        actor: Actor,
        key: IdempotencyKey,
        payable: tuple[str, UUID],
        method: Method,
        token: str | None = None,
        *,
        wallet_first: bool = False,
    ) -> PaymentAnswer:
        """Pay for a thing with a token of a means of payment, or, without one, out of the payer's wallet.

        ``wallet_first``: what the wallet has is set aside, and the gateway is asked for the rest; all of it, if it is enough.
        The answer is SUCCESS, FAILED (try again until the deadline of the hold), or INITIATED while nobody knows yet. Repeating it
        with the same key asks for the outcome of the first request and never charges twice. Raises MethodNotTaken, MethodUnavailable,
        Invalid, WalletTooLow, PayableUnknown (also for another's), PaymentRunning, StillRunning, KeyUsedForAnother, and what the
        thing refuses with.
        """
        if method is Method.WALLET:
            return await self._wallets.pay(actor, key, payable)
        if self._gateways.taking(method) is None:
            raise MethodNotTaken(method=method.value, supported=", ".join([*self._gateways.methods(), Method.WALLET]))
        if token is None:
            raise Invalid(("token", "Send the token of your card or account that the gateway's page gave you."))
        payment_id = PaymentId.new()
        try:
            begun = await self._begin(actor, key, payment_id, payable, method, wallet_first=wallet_first)
        except _WalletIsEnough:
            return await self._wallets.pay(actor, key, payable)
        except Overdrawn as error:
            # Another payment took from the wallet what this one had seen in it.
            raise Overloaded from error
        if isinstance(begun, PaymentAnswer):
            return begun
        if begun.id != payment_id:
            return await self._ask_again(begun, token)
        outcome = await self._gateways[begun.gateway].charge(begun.id, begun.charged, token, self._return_url)
        await self._availability.heard(begun.gateway, outcome)
        return await self._make_true(begun, outcome)

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
        method: Method,
        *,
        wallet_first: bool,
    ) -> Payment | PaymentAnswer:
        """The payment to be tried, or that of an earlier request with this key; its answer, where it is decided."""
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
            gateway = await self._availability.choose(tx, method)
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
                method=method,
                gateway=gateway.name,
                idempotency_key=key.text,
                answer_within=ANSWER_WITHIN,
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
        attempts = (await repository.of_payables(tx, kind, [payable_id]))[payable_id].payments
        running = next((payment for payment in reversed(attempts) if payment.status is PaymentState.INITIATED), None)
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
        found = await gateway.find(payment.id)
        if found is not None:
            return found
        # The first call never reached the gateway. The payer asks for it once more, under the same id.
        return await gateway.charge(payment.id, payment.charged, token, self._return_url)

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
