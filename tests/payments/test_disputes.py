"""Payers who dispute at their bank what they paid for: over real HTTP, in any order, and never for more than was captured."""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import uuid4

import httpx
import msgspec
import pytest
from tests.payments import guards
from tests.payments.test_refunds import bought, give_back, settles
from tests.payments.test_webhooks import insist, told, undecided
from tests.payments.till import SECRET, Till, signed_in, somebody, until
from tests.races import guarded_and, race

from holdfast.common.actor import Role
from holdfast.common.money import egp
from holdfast.payments import RefundState
from holdfast.payments.disputes.service import Disputes
from holdfast.payments.disputes.states import DISPUTE
from holdfast.payments.gateway import DisputeFact, DisputeStatus
from holdfast.payments.models import Payment

CAPTURED = {("GATEWAY", "EGP"): -3100, ("PAYEE", "EGP"): 3000, ("FEES", "EGP"): 100}

assert guards


def about(payment: Payment, status: DisputeStatus = DisputeStatus.OPENED, *, dispute: str = "dp_1", minor: int = 3100) -> DisputeFact:
    return DisputeFact(payment.id, "ch_1", dispute, msgspec.structs.replace(payment.total, minor=minor), status, "fraudulent")


def message(payment: Payment, status: str, *, dispute: str = "dp_1", minor: int = 3100) -> bytes:
    """The body of a message about a dispute."""
    said = {"id": dispute, "chargeId": str(payment.id), "chargeReference": "ch_1", "amount": minor, "currency": "EGP"}
    return msgspec.json.encode({"type": f"dispute.{status}", "data": {**said, "status": status, "reason": "fraudulent"}})


async def at_the_bank(till: Till, path: str, **body: object) -> Any:
    async with httpx.AsyncClient(base_url=till.sandbox_url, trust_env=False) as client:
        answer = await client.post(path, json=body, headers={"Authorization": f"Bearer {SECRET}"})
    assert answer.status_code == 200, answer.text
    return answer.json()


async def stands(till: Till, payment: Payment) -> list[DisputeStatus]:
    found = await till.payments.service.read(somebody(Role.ADMIN), payment.id)
    return [dispute.status for dispute in found.disputes]


async def comes_to(till: Till, payment: Payment, status: DisputeStatus) -> None:
    async def is_so() -> bool:
        return await stands(till, payment) == [status]

    await until(is_so)


@pytest.mark.parametrize(("decision", "status"), [("won", DisputeStatus.WON), ("lost", DisputeStatus.LOST)])
async def test_a_dispute_takes_the_money_and_brings_it_back_if_it_is_won(till: Till, decision: str, status: DisputeStatus) -> None:
    payment = (await till.pay(await till.thing(), "tok_dispute")).payment
    await comes_to(till, payment, DisputeStatus.OPENED)
    # The gateway has it no more, and whoever had earned it owes it.
    assert await till.balances() == {}
    assert (await till.payment(payment.id)).charged_back_amount == 3100
    (dispute,) = (await till.payments.service.read(somebody(Role.ADMIN), payment.id)).disputes
    await at_the_bank(till, f"/disputes/{dispute.reference}", status=decision)
    await comes_to(till, payment, status)
    assert await till.balances() == (CAPTURED if status is DisputeStatus.WON else {})
    names = "SELECT array_agg(name ORDER BY version) FROM events WHERE subject_id = :id AND name LIKE '%Dispute%'"
    assert await till.value(names, id=payment.id) == ["PaymentDisputed", f"Dispute{decision.capitalize()}"]
    await till.check_books()


async def test_what_a_dispute_may_take_is_what_was_not_given_back(till: Till) -> None:
    thing, payment = await bought(till)
    (refund,) = await give_back(till, [thing], egp(20), egp(0))
    await till.payments.refunds.do_due()
    await settles(till, refund, RefundState.SUCCESS)
    await at_the_bank(till, "/disputes", chargeId=str(payment.id))
    await comes_to(till, payment, DisputeStatus.OPENED)
    (dispute,) = (await till.payments.service.read(somebody(Role.ADMIN), payment.id)).disputes
    assert (dispute.amount, dispute.fare_amount, dispute.service_fee) == (3100, 1000, 100)
    assert await till.balances() == {}
    await till.check_books()


async def test_a_refund_after_a_dispute_gives_nothing_a_second_time(till: Till) -> None:
    thing, payment = await bought(till)
    await Disputes(till.database).apply("sandbox", about(payment, minor=2500))
    (refund,) = await give_back(till, [thing], egp(30), egp(0))
    assert refund.amount == 500
    assert await give_back(till, [thing], egp(30), egp(0)) == []
    await till.check_books()


async def test_after_a_payout_the_payee_owes(till: Till) -> None:
    """The money of the payment is gone to the payee's bank: the account stands below zero, and nothing is lost in silence."""
    _, payment = await bought(till)
    await Disputes(till.database).apply("sandbox", about(payment))
    _, other = await bought(till)
    await Disputes(till.database).apply("sandbox", about(other, dispute="dp_2", minor=1000))
    owes = "SELECT sum(e.amount) FROM ledger_entries e JOIN ledger_accounts a ON a.id = e.account_id WHERE a.owner = :owner"
    assert await till.value(owes, owner=str(payment.payee_id)) == 0
    assert await till.value(owes, owner=str(other.payee_id)) == 2000


async def test_two_disputes_never_take_more_than_came(till: Till) -> None:
    _, payment = await bought(till)
    for number in range(3):
        await Disputes(till.database).apply("sandbox", about(payment, dispute=f"dp_{number}", minor=1500))
    assert (await till.payment(payment.id)).charged_back_amount == 3100
    assert await till.value("SELECT array_agg(fare_amount + service_fee ORDER BY id) FROM payment_disputes") == [1500, 1500, 100]
    assert await till.balances() == {}


async def test_a_dispute_before_its_money_waits_for_it(till: Till, move_time: Callable[[timedelta], None]) -> None:
    payment = await undecided(till)
    assert await insist(till, message(payment, "opened")) == 204
    assert await stands(till, payment) == []
    assert await insist(till, told(payment), event_id="msg_2") == 204
    assert await stands(till, payment) == []
    move_time(timedelta(seconds=31))
    assert await till.payments.inbox.apply_waiting() == 1
    assert await stands(till, payment) == [DisputeStatus.OPENED]
    assert await till.value("SELECT count(*) FROM gateway_webhooks WHERE applied_at IS NULL") == 0


async def test_a_payment_is_found_by_what_the_gateway_calls_it(till: Till) -> None:
    _, payment = await bought(till)
    assert payment.gateway_reference is not None
    fact = msgspec.structs.replace(about(payment), payment=None, payment_reference=payment.gateway_reference)
    assert await Disputes(till.database).apply("sandbox", fact) is not None
    assert await Disputes(till.database).apply("another", fact) is None
    assert await Disputes(till.database).apply("sandbox", msgspec.structs.replace(fact, payment_reference="ch_of_others")) is None


async def test_every_pair_of_states_moves_as_the_table_says(till: Till) -> None:
    for start in DisputeStatus:
        for end in DisputeStatus:
            _, payment = await bought(till)
            name, disputes = f"dp_{uuid4().hex}", Disputes(till.database)
            await disputes.apply("sandbox", about(payment, start, dispute=name))
            after = await disputes.apply("sandbox", about(payment, end, dispute=name))
            assert after is not None
            assert after.status is (end if DISPUTE.allows(start, end) else start)
    await till.check_books()


@guarded_and("payments.without_dispute_lock")
async def test_a_dispute_told_fifty_times_at_once_takes_once(till: Till, owner_url: str, guard: str | None) -> None:
    async def once() -> str:
        _, payment = await bought(till)
        facts = [
            about(payment, status, dispute=f"dp_{payment.id}") for status in (DisputeStatus.OPENED, DisputeStatus.LOST) for _ in range(25)
        ]
        answers = await asyncio.gather(*(Disputes(till.database).apply("sandbox", fact) for fact in facts), return_exceptions=True)
        failed = [answer for answer in answers if isinstance(answer, Exception) and guard is not None]
        taken = (await till.payment(payment.id)).charged_back_amount
        lost = await till.value("SELECT count(*) FROM events WHERE name = 'DisputeLost' AND subject_id = :id", id=payment.id)
        return f"{taken} taken, {lost} lost, {len(failed)} failed" if (taken, lost, len(failed)) != (3100, 1, 0) else ""

    await race(once, guard, owner_url)


async def test_admins_see_disputes_and_others_do_not(till: Till) -> None:
    _, payment = await bought(till)
    await Disputes(till.database).apply("sandbox", about(payment))
    admin = somebody(Role.ADMIN)
    answer = await till.client.get("/admin/disputes", params={"status": "OPENED"}, headers=signed_in(admin))
    (shown,) = answer.json()["data"]
    assert (shown["paymentId"], shown["amount"], shown["bookedAmount"], shown["status"]) == (str(payment.id), 31.0, 31.0, "OPENED")
    assert await till.value("SELECT count(*) FROM audit_logs WHERE action = 'dispute.viewed' AND actor_id = :id", id=admin.id) == 1
    refused = await till.client.get("/admin/disputes", headers=signed_in(somebody()))
    assert refused.status_code == 403
