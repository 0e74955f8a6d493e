"""What gateways send: genuine or forged, once or often, early, late or never."""

import asyncio
import base64
import hmac
import time
from collections.abc import Callable
from datetime import timedelta

import msgspec
import pytest
from tests.payments.till import LATE_S, SECRET, Till, until

from holdfast.app.sandbox.courier import signed
from holdfast.payments import PaymentState, inbox
from holdfast.payments.gateway import ForgedWebhook, Outcome
from holdfast.payments.gateways.sandbox import SandboxGateway
from holdfast.payments.models import Payment, PaymentId
from holdfast.payments.outcomes import Outcomes
from holdfast.payments.settling import PaymentAnswer

PATH = "/webhooks/gateways/sandbox"
Moves = Callable[[timedelta], None]


def told(payment: Payment, status: str = "captured", **other: object) -> bytes:
    """The body of a message about a payment."""
    charge = {
        "id": str(payment.id),
        "reference": "ch_by_hand",
        "status": status,
        "taken": payment.total_amount,
        "amount": payment.total_amount,
        "currency": payment.currency,
        "reason": "do_not_honor" if status == "declined" else None,
    }
    return msgspec.json.encode({"type": f"charge.{status}", "data": charge | other})


async def undecided(till: Till) -> Payment:
    return (await till.pay(await till.thing(), "tok_3ds")).payment


async def send(till: Till, body: bytes, *, event_id: str = "msg_1", secret: str = SECRET, **headers: str) -> int:
    answer = await till.client.post(PATH, content=body, headers=signed(secret.encode(), event_id, body) | headers)
    return answer.status_code


async def insist(till: Till, body: bytes, *, event_id: str = "msg_1") -> int:
    """Send a message as gateways do: again while we are too busy to take it."""
    while (status := await send(till, body, event_id=event_id)) == 503:
        pass
    return status


async def kept(till: Till) -> int:
    return int(await till.value("SELECT count(*) FROM gateway_webhooks"))


async def test_a_genuine_message_is_acted_upon(till: Till) -> None:
    payment = await undecided(till)
    assert await send(till, told(payment)) == 204
    assert (await till.payment(payment.id)).status is PaymentState.SUCCESS
    assert await till.value("SELECT body FROM gateway_webhooks WHERE applied_at IS NOT NULL") == told(payment)
    await till.check_books()


async def test_a_forged_message_changes_nothing_and_is_not_kept(till: Till) -> None:
    payment = await undecided(till)
    body = told(payment)
    good = signed(SECRET.encode(), "msg_1", body)
    # Far enough from the border of five minutes for a slow machine.
    old = str(int(time.time()) - 360)
    forged = {
        "another secret": (body, signed(b"another secret", "msg_1", body)),
        "another body": (body.replace(b"3100", b"3101"), good),
        "another id": (body, good | {"webhook-id": "msg_2"}),
        "another time": (body, good | {"webhook-timestamp": str(int(good["webhook-timestamp"]) + 1)}),
        "an old message": (body, {**good, "webhook-timestamp": old}),
        "an old message, signed when it was old": (body, _signed_at(body, int(time.time()) - 360)),
        "from the future": (body, _signed_at(body, int(time.time()) + 360)),
        "no signature": (body, good | {"webhook-signature": ""}),
        "another version": (body, good | {"webhook-signature": good["webhook-signature"].replace("v1,", "v0,")}),
        "no base 64": (body, good | {"webhook-signature": "v1,%%%"}),
        "no time": (body, good | {"webhook-timestamp": "soon"}),
        "huge time": (body, good | {"webhook-timestamp": "9" * 4000}),
        "no id": (body, good | {"webhook-id": ""}),
    }
    for what, (content, headers) in forged.items():
        answer = await till.client.post(PATH, content=content, headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (401, "forged_webhook"), what
    assert await kept(till) == 0
    assert (await till.payment(payment.id)).status is PaymentState.INITIATED


async def test_each_byte_of_a_message_is_signed() -> None:
    body, gateway = b'{"type":"charge.captured","data":{}}', SandboxGateway("http://127.0.0.1:1", SECRET)
    headers = signed(SECRET.encode(), "msg_1", body)
    assert gateway.read_webhook(headers, body)[0].event_id == "msg_1"
    for place in range(len(body)):
        changed = body[:place] + bytes([body[place] ^ 1]) + body[place + 1 :]
        with pytest.raises(ForgedWebhook):
            gateway.read_webhook(headers, changed)
    await gateway.close()


async def test_the_sandbox_forges_one_too(till: Till) -> None:
    thing = await till.thing()
    declined = await till.pay(thing, "tok_forged_webhook")

    async def genuine_came() -> bool:
        return await kept(till) == 1

    await until(genuine_came)
    assert (await till.payment(declined.payment.id)).status is PaymentState.FAILED
    assert (await till.now(thing.id)).sold == 0


async def test_fifty_copies_of_a_message_are_one(till: Till) -> None:
    payment = await undecided(till)
    statuses = await asyncio.gather(*(insist(till, told(payment)) for _ in range(50)))
    assert set(statuses) == {204}
    assert await kept(till) == 1
    assert await till.value("SELECT count(*) FROM events WHERE name = 'PaymentSucceeded'") == 1
    await till.check_books()


async def test_the_same_fact_under_many_ids_has_one_effect(till: Till) -> None:
    payment = await undecided(till)
    statuses = await asyncio.gather(*(insist(till, told(payment), event_id=f"msg_{number}") for number in range(30)))
    assert set(statuses) == {204}
    assert await kept(till) == 30
    assert await till.value("SELECT count(*) FROM events WHERE name = 'PaymentSucceeded'") == 1
    assert await till.value("SELECT sold FROM things") == 1
    await till.check_books()


async def test_the_sandbox_sends_twice_and_under_two_ids(till: Till) -> None:
    paid = await till.pay(await till.thing(), "tok_double_webhook")

    async def all_came() -> bool:
        return bool(await till.value("SELECT count(*) = 2 FROM gateway_webhooks WHERE applied_at IS NOT NULL"))

    await until(all_came)
    assert await till.payment(paid.payment.id) == paid.payment
    await till.check_books()


async def test_a_message_may_come_before_the_answer(till: Till) -> None:
    thing = await till.thing()
    paid = await till.pay(thing, "tok_webhook_first")
    assert paid.payment.is_kept
    assert await till.value("SELECT count(*) FROM gateway_webhooks WHERE applied_at < business_now()") == 1
    assert await till.value("SELECT count(*) FROM events WHERE name = 'PaymentSucceeded'") == 1


async def test_a_message_may_come_late(till: Till) -> None:
    thing = await till.thing()
    begun = await till.pay(thing, "tok_late_webhook")
    assert begun.payment.status is PaymentState.INITIATED
    assert begun.payment.next_action is None

    async def is_captured() -> bool:
        return (await till.payment(begun.payment.id)).is_kept

    await until(is_captured, within_s=LATE_S + 10)
    assert (await till.now(thing.id)).sold == 1


async def test_an_old_no_after_the_money_came_changes_nothing(till: Till) -> None:
    payment = await undecided(till)
    await send(till, told(payment), event_id="msg_2")
    await send(till, told(payment, "declined"), event_id="msg_1")
    await send(till, told(payment, "pending"), event_id="msg_0")
    assert (await till.payment(payment.id)).status is PaymentState.SUCCESS
    await till.check_books()


@pytest.mark.parametrize(
    "body",
    [
        b'{"type":"charge.disputed","data":{"id":"whatever"}}',
        b'{"type":"customer.created","data":{}}',
        b"no JSON at all",
        b"",
        b'{"type":"charge.captured","data":{"id":"pay_123","reference":"ch_1","status":"captured","taken":1,"currency":"EGP"}}',
    ],
)
async def test_genuine_messages_that_tell_us_nothing_are_kept_and_no_more(till: Till, body: bytes) -> None:
    assert await send(till, body) == 204
    assert await till.value("SELECT count(*) FROM gateway_webhooks WHERE applied_at IS NOT NULL") == 1


async def test_a_message_about_a_payment_of_somebody_else_is_kept_and_no_more(till: Till) -> None:
    payment = msgspec.structs.replace(await undecided(till), id=PaymentId.new())
    assert await send(till, told(payment)) == 204
    assert await till.value("SELECT count(*) FROM payments WHERE status = 'SUCCESS'") == 0


async def test_an_unknown_gateway_has_no_inbox(till: Till) -> None:
    body = told(await undecided(till))
    answer = await till.client.post("/webhooks/gateways/paypal", content=body, headers=signed(SECRET.encode(), "msg_1", body))
    assert (answer.status_code, answer.json()["code"]) == (404, "gateway_unknown")


async def test_a_huge_message_is_refused(till: Till) -> None:
    body = b" " * (256 * 1024 + 1)
    assert await send(till, body) == 413


async def test_what_was_kept_but_could_not_be_done_is_done_by_the_worker(till: Till, move_time: Moves) -> None:
    """The row is kept locked while the message comes: it is accepted all the same, and applied later."""
    payment = await undecided(till)
    async with till.database.transaction() as tx:
        await till.payable.lock(tx, [payment.payable_id], settling=True)
        assert await send(till, told(payment)) == 204
    assert (await till.payment(payment.id)).status is PaymentState.INITIATED
    # Sent once more, it is not acted upon twice, and not lost either.
    assert await send(till, told(payment)) == 204
    move_time(timedelta(seconds=31))
    assert await till.payments.inbox.apply_waiting() == 1
    assert (await till.payment(payment.id)).status is PaymentState.SUCCESS
    assert await till.payments.inbox.apply_waiting() == 0
    await till.check_books()


async def test_messages_that_were_acted_upon_long_ago_are_forgotten(till: Till, move_time: Moves, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inbox, "FORGOTTEN_AT_ONCE_MAX", 2)
    payment = await undecided(till)
    for number in range(5):
        assert await send(till, told(payment), event_id=f"msg_{number}") == 204
    waiting = await undecided(till)
    async with till.database.transaction() as tx:
        await till.payable.lock(tx, [waiting.payable_id], settling=True)
        assert await send(till, told(waiting), event_id="msg_waiting") == 204
    move_time(timedelta(days=89))
    await till.payments.inbox.forget_old()
    assert await kept(till) == 6
    assert await send(till, told(payment), event_id="msg_new") == 204
    move_time(timedelta(days=2))
    await till.payments.inbox.forget_old()
    assert await till.value("SELECT array_agg(event_id ORDER BY event_id) FROM gateway_webhooks") == ["msg_new", "msg_waiting"]


async def test_a_message_that_trips_us_is_accepted_and_its_neighbours_are_acted_upon(
    till: Till, move_time: Moves, monkeypatch: pytest.MonkeyPatch
) -> None:
    payments = [await undecided(till) for _ in range(3)]
    whole = Outcomes.apply

    async def trips(outcomes: Outcomes, payment_id: PaymentId, outcome: Outcome) -> PaymentAnswer | None:
        if payment_id == payments[0].id or is_broken:
            raise ValueError("a fault of ours")
        return await whole(outcomes, payment_id, outcome)

    is_broken = True
    monkeypatch.setattr(Outcomes, "apply", trips)
    for number, payment in enumerate(payments):
        assert await send(till, told(payment), event_id=f"msg_{number}") == 204
    is_broken = False
    move_time(timedelta(seconds=31))
    assert await till.payments.inbox.apply_waiting() == 3
    assert [(await till.payment(payment.id)).status for payment in payments] == [
        PaymentState.INITIATED,
        PaymentState.SUCCESS,
        PaymentState.SUCCESS,
    ]
    assert await till.value("SELECT count(*) FROM gateway_webhooks WHERE applied_at IS NULL") == 1


def _signed_at(body: bytes, at: int) -> dict[str, str]:
    digest = hmac.digest(SECRET.encode(), f"msg_1.{at}.".encode() + body, "sha256")
    return {
        "content-type": "application/json",
        "webhook-id": "msg_1",
        "webhook-timestamp": str(at),
        "webhook-signature": f"v1,{base64.b64encode(digest).decode()}",
    }
