"""Admins who give money back: within what was captured, above a limit with another admin, and into a wallet what a gateway cannot do."""

import asyncio
from typing import Any

from tests.payments import guards
from tests.payments.test_refunds import bought, give_back, settles
from tests.payments.till import Till, signed_in, somebody
from tests.races import guarded_and, race

from holdfast.common.actor import Actor, Role
from holdfast.common.money import egp
from holdfast.payments import RefundState
from holdfast.payments.models import Payment, Refund

assert guards


def admin() -> Actor:
    return somebody(Role.ADMIN)


async def order(till: Till, actor: Actor, payment: Payment, amount: float, note: str = "It rained in.") -> tuple[int, Any]:
    path = f"/admin/payments/{payment.id}/refunds"
    answer = await till.client.post(path, json={"amount": amount, "note": note}, headers=signed_in(actor))
    return answer.status_code, answer.json()


async def decide(till: Till, actor: Actor, order_id: str, decision: str) -> tuple[int, Any]:
    answer = await till.client.post(f"/admin/refund-orders/{order_id}/{decision}", headers=signed_in(actor))
    return answer.status_code, answer.json()


async def big(till: Till) -> Payment:
    return (await till.pay(await till.thing(fare=egp(900), fee=egp(1)), "tok_success")).payment


async def test_an_admin_gives_a_part_back_with_a_reason(till: Till) -> None:
    _, payment = await bought(till)
    ordering = admin()
    status, shown = await order(till, ordering, payment, 10.5)
    assert (status, shown["status"], shown["amount"], shown["needsAnotherAdmin"]) == (201, "DONE", 10.5, False)
    (refund,) = await till.refunds(payment.id)
    assert (refund.amount, refund.fare_amount, refund.reason, refund.requested_by) == (1050, 1050, "DECIDED_BY_ADMIN", ordering.id)
    await till.payments.refunds.do_due()
    await settles(till, refund, RefundState.SUCCESS)
    # The fare goes before the fee, and then nothing is left.
    assert (await order(till, admin(), payment, 20.5))[0] == 201
    refused, problem = await order(till, admin(), payment, 0.01)
    assert (refused, problem["code"], problem["left"]) == (409, "refund_too_high", "0.00 EGP")
    assert (await till.payment(payment.id)).refund_amount == 3100
    # The words are kept with the order, and not for ever.
    assert not await till.value("SELECT count(*) FROM audit_logs WHERE after::text LIKE '%rained%'")
    await till.check_books()


async def test_above_the_limit_another_admin_has_to_approve(till: Till) -> None:
    payment = await big(till)
    ordering, other = admin(), admin()
    assert (await order(till, ordering, payment, 300.0))[1]["status"] == "DONE"
    # The limit is for all of a payment: the second half of a large refund is no small one.
    _, shown = await order(till, ordering, payment, 300.0)
    assert (shown["status"], shown["needsAnotherAdmin"]) == ("PROPOSED", True)
    assert (await till.payment(payment.id)).refund_amount == 30_000
    refused, problem = await decide(till, ordering, shown["id"], "approve")
    assert (refused, problem["code"]) == (403, "own_refund_order")
    status, approved = await decide(till, other, shown["id"], "approve")
    assert (status, approved["status"], approved["decidedBy"]) == (200, "DONE", str(other.id))
    assert (await till.payment(payment.id)).refund_amount == 60_000
    assert (await decide(till, other, shown["id"], "approve"))[1]["code"] == "refund_order_done"
    await till.check_books()


async def test_another_admin_may_say_no(till: Till) -> None:
    payment = await big(till)
    _, shown = await order(till, admin(), payment, 600.0)
    assert (await decide(till, admin(), shown["id"], "reject"))[1]["status"] == "REJECTED"
    assert (await decide(till, admin(), shown["id"], "approve"))[1]["code"] == "refund_order_rejected"
    assert (await till.payment(payment.id)).refund_amount == 0
    listed = await till.client.get("/admin/refund-orders", params={"status": "REJECTED"}, headers=signed_in(admin()))
    assert [found["id"] for found in listed.json()["data"]] == [shown["id"]]


async def test_faults_are_named(till: Till) -> None:
    _, payment = await bought(till)
    declined = (await till.pay(await till.thing(), "tok_decline_expired_card")).payment
    assert (await order(till, admin(), declined, 1.0))[1]["code"] == "nothing_was_kept"
    assert (await order(till, admin(), payment, 1.001))[0] == 422
    assert (await order(till, admin(), payment, 1.0, " "))[0] == 422
    assert (await order(till, somebody(), payment, 1.0))[0] == 403


async def test_who_cancels_after_that_gets_the_rest(till: Till) -> None:
    thing, payment = await bought(till)
    await order(till, admin(), payment, 25.0)
    (refund,) = await give_back(till, [thing], egp(30), egp(0))
    assert refund.amount == 500
    await till.check_books()


@guarded_and("payments.without_order_lock")
async def test_f13_twenty_admins_and_a_cancellation_give_back_once(till: Till, owner_url: str, guard: str | None) -> None:
    async def once() -> str:
        thing, payment = await bought(till)
        till.payable.is_locking = guard is None
        asked = [order(till, admin(), payment, 31.0) for _ in range(20)]
        await asyncio.gather(*asked, give_back(till, [thing], egp(30), egp(0)), return_exceptions=True)
        owed = (await till.payment(payment.id)).refund_amount
        return f"{owed} of 3100" if owed > 3100 else ""

    await race(once, guard, owner_url)


async def failed(till: Till) -> Refund:
    thing, _ = await bought(till, "tok_refund_declined")
    (refund,) = await give_back(till, [thing], egp(30), egp(0))
    await till.payments.refunds.do_due()
    return await settles(till, refund, RefundState.FAILED)


async def to_wallet(till: Till, actor: Actor, refund: Refund) -> tuple[int, Any]:
    answer = await till.client.post(f"/admin/refunds/{refund.id}/to-wallet", headers=signed_in(actor))
    return answer.status_code, answer.json()


async def test_what_a_gateway_cannot_give_back_goes_into_the_wallet(till: Till) -> None:
    refund = await failed(till)
    sending = admin()
    status, shown = await to_wallet(till, sending, refund)
    assert (status, shown["status"], shown["destination"]) == (200, "SUCCESS", "WALLET")
    assert await till.balances() == {("GATEWAY", "EGP"): -3100, ("FEES", "EGP"): 100, ("WALLET", "EGP"): 3000}
    assert await till.value("SELECT actor_id FROM audit_logs WHERE action = 'refund.sent_to_wallet'") == sending.id
    assert (await to_wallet(till, sending, refund))[1]["code"] == "already_refunded"
    await till.check_books()


async def test_a_refund_that_is_on_its_way_does_not_go_into_the_wallet_too(till: Till) -> None:
    thing, _ = await bought(till)
    (refund,) = await give_back(till, [thing], egp(30), egp(0))
    assert (await to_wallet(till, admin(), refund))[1]["code"] == "refund_running"


async def test_f13_a_refund_is_sent_to_the_wallet_once(till: Till) -> None:
    refund = await failed(till)
    answers = await asyncio.gather(*(to_wallet(till, admin(), refund) for _ in range(20)))
    assert [status for status, _ in answers].count(200) == 1
    assert (await till.balances())["WALLET", "EGP"] == 3000
    await till.check_books()
