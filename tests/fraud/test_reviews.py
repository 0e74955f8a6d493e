"""The queue of what somebody has to look at, from the refused attempt to the payment that goes through."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from sqlalchemy import text
from tests.fraud.watch import ADMIN, Watch, paid
from tests.payments.till import fresh_key, signed_in, somebody

from holdfast.common.actor import Role
from holdfast.events.consumers import consume_next
from holdfast.fraud.models import RuleAction, RuleKind
from holdfast.idempotency import IdempotencyKey
from holdfast.notifications.handlers import NotificationConsumer
from holdfast.payments.screening import PaymentInReview, PaymentNotPossible

DAY = timedelta(days=1)


async def reviews(watch: Watch, state: str | None = None) -> list[dict[str, Any]]:
    answer = await watch.till.client.get("/admin/fraud/reviews", params={"state": state} if state else {}, headers=signed_in(ADMIN))
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["data"]
    return found


async def decide(watch: Watch, review_id: str, decision: str) -> Any:
    return await watch.till.client.post(
        f"/admin/fraud/reviews/{review_id}/decision",
        json={"decision": decision, "note": "Called back: the card is theirs."},
        headers=signed_in(ADMIN),
    )


async def told(watch: Watch, user_id: object) -> list[str]:
    while await consume_next(watch.till.database, NotificationConsumer()):
        pass
    async with watch.till.database.transaction() as tx:
        return [row["type"] for row in await tx.rows(text("SELECT type FROM notifications WHERE user_id = :id ORDER BY id"), id=user_id)]


async def test_an_attempt_in_review_takes_no_money_and_is_written_down(watch: Watch) -> None:
    rule = await watch.rule(RuleKind.ATTEMPTS_PER_PERSON, RuleAction.REVIEW, uses=0)
    person = somebody()
    thing = await watch.till.thing(person)
    for _ in range(2):
        assert isinstance(await watch.again(thing), PaymentInReview)
    assert await watch.till.attempts(thing) == ()
    assert await watch.till.value("SELECT count(*) FROM idempotency_keys WHERE actor_id = :id", id=person.id) == 0
    (review,) = await reviews(watch, "OPEN")
    assert (review["userId"], review["ruleId"], review["amount"], review["state"]) == (str(person.id), str(rule.id), 31.0, "OPEN")
    deeds = "SELECT count(*) FROM audit_logs WHERE action = :action"
    assert await watch.till.value(deeds, action="fraud_review.opened") == 1
    assert await watch.till.value(deeds, action="fraud_review.viewed") == 1
    assert await watch.till.value("SELECT count(*) FROM events WHERE name = 'FraudReviewOpened'") == 1


async def test_who_is_allowed_passes_that_rule_for_a_day(watch: Watch, move_time: Callable[[timedelta], None]) -> None:
    await watch.rule(RuleKind.ATTEMPTS_PER_PERSON, RuleAction.REVIEW, uses=0, within=timedelta(days=7))
    person = somebody()
    await told(watch, person.id)
    await watch.try_to_pay(person)
    (review,) = await reviews(watch)
    decided = await decide(watch, review["id"], "allow")
    assert decided.status_code == 200, decided.text
    assert (decided.json()["state"], decided.json()["decidedBy"]) == ("ALLOWED", str(ADMIN.id))
    assert await told(watch, person.id) == ["PAYMENT_ALLOWED"]
    assert paid(await watch.try_to_pay(person))
    assert isinstance(await watch.try_to_pay(somebody()), PaymentInReview), "nobody else was let through"
    move_time(DAY - timedelta(seconds=10))
    assert paid(await watch.try_to_pay(person))
    move_time(timedelta(seconds=10))
    assert isinstance(await watch.try_to_pay(person), PaymentInReview)


async def test_who_passes_one_rule_does_not_pass_another(watch: Watch) -> None:
    await watch.rule(RuleKind.ATTEMPTS_PER_PERSON, RuleAction.REVIEW, uses=0, priority=1)
    await watch.rule(RuleKind.FAILURES_PER_PERSON, RuleAction.REFUSE, uses=0, priority=2)
    person = somebody()
    assert isinstance(await watch.try_to_pay(person), PaymentInReview)
    (review,) = await reviews(watch)
    await decide(watch, review["id"], "allow")
    assert isinstance(await watch.try_to_pay(person), PaymentNotPossible)


async def test_who_is_denied_is_refused_for_a_day_without_another_review(watch: Watch, move_time: Callable[[timedelta], None]) -> None:
    await watch.rule(RuleKind.ATTEMPTS_PER_PERSON, RuleAction.REVIEW, uses=0)
    person = somebody()
    await told(watch, person.id)
    await watch.try_to_pay(person)
    (review,) = await reviews(watch)
    assert (await decide(watch, review["id"], "deny")).json()["state"] == "DENIED"
    assert await told(watch, person.id) == ["PAYMENT_DENIED"]
    assert isinstance(await watch.try_to_pay(person), PaymentNotPossible)
    assert await reviews(watch, "OPEN") == []
    move_time(DAY)
    assert isinstance(await watch.try_to_pay(person), PaymentInReview)
    assert len(await reviews(watch, "OPEN")) == 1


async def test_a_review_is_decided_once(watch: Watch) -> None:
    await watch.rule(RuleKind.ATTEMPTS_PER_PERSON, RuleAction.REVIEW, uses=0)
    await watch.try_to_pay(somebody())
    (review,) = await reviews(watch)
    await decide(watch, review["id"], "allow")
    again = await decide(watch, review["id"], "deny")
    assert (again.status_code, again.json()["code"]) == (409, "fraud_review_decided")
    assert await watch.till.value("SELECT count(*) FROM audit_logs WHERE action = 'fraud_review.decided'") == 1
    # What somebody wrote stands with the review and nowhere else.
    assert await watch.till.value("SELECT count(*) FROM audit_logs WHERE after::text LIKE '%Called back%'") == 0
    gone = await decide(watch, "frv_01h455vb4pex5vsknk084sn02q", "allow")
    assert (gone.status_code, gone.json()["code"]) == (404, "fraud_review_unknown")


async def test_nobody_but_admins_looks_and_decides(watch: Watch) -> None:
    for role in (Role.PASSENGER, Role.DRIVER):
        stranger = signed_in(somebody(role))
        assert (await watch.till.client.get("/admin/fraud/reviews", headers=stranger)).status_code == 403
        assert (await watch.till.client.get("/admin/fraud/rules", headers=stranger)).status_code == 403
        body = {"decision": "allow", "note": "me"}
        path = "/admin/fraud/reviews/frv_01h455vb4pex5vsknk084sn02q/decision"
        assert (await watch.till.client.post(path, json=body, headers=stranger)).status_code == 403


async def test_the_refused_are_not_told_which_rule_it_was(watch: Watch) -> None:
    """Two rules of different kinds, both over HTTP: the two answers say the same."""
    person = somebody()
    answers = []
    for kind in (RuleKind.ATTEMPTS_PER_PERSON, RuleKind.ATTEMPTS_PER_DEVICE):
        rule = await watch.rule(kind, uses=0)
        thing = await watch.till.thing(person)
        answer = await watch.till.client.post(
            "/payments/pay",
            json={"bookingId": str(thing.id), "method": "CARD", "token": "tok_success"},
            headers={**signed_in(person), "X-Device-Id": "phone one"},
        )
        answers.append({name: value for name, value in answer.json().items() if name not in ("instance", "requestId", "traceId")})
        assert answer.status_code == 409
        await watch.fraud.service.delete_rule(ADMIN, rule.id)
    assert answers[0] == answers[1]
    assert answers[0]["code"] == "payment_not_possible"


async def test_the_device_of_a_request_is_counted(watch: Watch) -> None:
    await watch.rule(RuleKind.ATTEMPTS_PER_DEVICE, uses=1)
    statuses = []
    for device in ("phone one", "phone one", "phone two"):
        person = somebody()
        thing = await watch.till.thing(person)
        body = {"bookingId": str(thing.id), "method": "CARD", "token": "tok_success"}
        answer = await watch.till.client.post("/payments/pay", json=body, headers={**signed_in(person), "X-Device-Id": device})
        statuses.append(answer.status_code)
    assert statuses == [201, 409, 201]


async def test_a_refused_key_can_be_used_again(watch: Watch) -> None:
    rule = await watch.rule(RuleKind.ATTEMPTS_PER_PERSON, uses=0)
    thing, key = await watch.till.thing(somebody()), fresh_key()
    assert isinstance(await watch.again(thing), PaymentNotPossible)
    await watch.fraud.service.delete_rule(ADMIN, rule.id)
    assert paid(await watch.till.pay(thing, "tok_success", IdempotencyKey(key.text, key.fingerprint)))
