"""Paying as a client sees it."""

from tests.payments.test_refunds import give_back
from tests.payments.till import Till, signed_in, somebody

from holdfast.common.actor import Actor, Role
from holdfast.common.money import egp


async def test_a_payer_pays_repeats_and_sees_what_went_back(till: Till) -> None:
    thing = await till.thing()
    headers = signed_in(Actor(thing.payer_id, Role.PASSENGER))
    wanted = {"bookingId": str(thing.id), "method": "credit_card", "token": "tok_success"}
    paid = await till.client.post("/payments/pay", json=wanted, headers=headers)
    assert paid.status_code == 201, paid.text
    body = paid.json()
    assert (body["status"], body["method"], body["currency"], body["bookingId"]) == ("SUCCESS", "CARD", "EGP", str(thing.id))
    assert b'"totalAmount":31.00' in paid.content
    assert body["booking"] == {"bookingId": str(thing.id), "status": "SOLD", "expiresAt": None}

    repeated = await till.client.post("/payments/pay", json=wanted, headers=headers)
    assert (repeated.status_code, repeated.json()) == (201, body)
    assert repeated.headers["idempotency-replayed"] == "true"

    (refund,) = await give_back(till, [thing], egp(30), egp(0))
    await till.payments.refunds.do_due()
    shown = (await till.client.get(f"/payments/{body['id']}", headers=headers)).json()
    assert shown["refundedAmount"] == 30.0
    assert [(found["id"], found["status"]) for found in shown["refunds"]] == [(str(refund.id), "SUCCESS")]

    stranger = await till.client.get(f"/payments/{body['id']}", headers=signed_in(somebody()))
    assert (stranger.status_code, stranger.json()["code"]) == (404, "payment_unknown")


async def test_three_d_secure_is_a_redirect(till: Till) -> None:
    thing = await till.thing()
    headers = signed_in(Actor(thing.payer_id, Role.PASSENGER))
    begun = await till.client.post("/payments/pay", json={"holdId": str(thing.id), "method": "CARD", "token": "tok_3ds"}, headers=headers)
    assert begun.status_code == 201, begun.text
    assert begun.json()["status"] == "INITIATED"
    assert begun.json()["nextAction"]["type"] == "redirect"
    assert begun.json()["nextAction"]["url"].startswith(till.sandbox_url)

    other = await till.client.post(
        "/payments/pay",
        json={"bookingId": str(thing.id), "method": "CARD", "token": "tok_success"},
        headers=signed_in(Actor(thing.payer_id, Role.PASSENGER)),
    )
    assert (other.status_code, other.json()["code"]) == (409, "payment_running")
    assert other.json()["paymentId"] == begun.json()["id"]
    assert other.json()["nextAction"] == begun.json()["nextAction"]["url"]


async def test_faults_are_named_and_change_nothing(till: Till) -> None:
    thing = await till.thing()
    for change, status, path in (
        ({"method": "PAYPAL"}, 422, None),
        ({"method": "gold"}, 422, "method"),
        ({"token": None}, 422, "token"),
        ({"token": ""}, 422, "token"),
        ({"token": "with blanks"}, 422, "token"),
        ({"bookingId": None}, 422, "bookingId"),
        ({"bookingId": "nonsense"}, 422, "bookingId"),
        ({"bookingId": "usr_01h455vb4pex5vsknk084sn02q"}, 404, None),
        ({"bookingId": "bkg_01h455vb4pex5vsknk084sn02q"}, 404, None),
        ({"holdId": "bkg_01h455vb4pex5vsknk084sn02q"}, 422, "bookingId"),
        ({"amount": 1}, 422, "amount"),
    ):
        body = {"bookingId": str(thing.id), "method": "CARD", "token": "tok_success"} | change
        answer = await till.client.post("/payments/pay", json=body, headers=signed_in(Actor(thing.payer_id, Role.PASSENGER)))
        assert answer.status_code == status, (change, answer.text)
        if path is not None:
            assert path in [fault["path"] for fault in answer.json()["errors"]], answer.text
    assert not await till.attempts(thing)


async def test_paying_needs_a_key_and_a_person(till: Till) -> None:
    thing = await till.thing()
    body = {"bookingId": str(thing.id), "method": "CARD", "token": "tok_success"}
    headers = signed_in(Actor(thing.payer_id, Role.PASSENGER))
    answer = await till.client.post("/payments/pay", json=body, headers={"Authorization": headers["Authorization"]})
    assert (answer.status_code, answer.json()["code"]) == (400, "idempotency_key_missing")
    answer = await till.client.post("/payments/pay", json=body, headers={"Idempotency-Key": headers["Idempotency-Key"]})
    assert answer.status_code == 401
    assert not await till.attempts(thing)
