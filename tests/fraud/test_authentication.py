"""3-D Secure demanded by a rule, at the sandbox."""

import pytest
from sqlalchemy import text
from tests.fraud.watch import ADMIN, Watch
from tests.payments.till import fresh_key, somebody, until

from holdfast.common.money import egp
from holdfast.fraud.models import RuleAction, RuleKind
from holdfast.idempotency import IdempotencyKey
from holdfast.payments import PaymentState
from holdfast.payments.gateway import Unknown
from holdfast.payments.settling import PaymentAnswer


@pytest.fixture
async def rule(watch: Watch) -> None:
    await watch.rule(RuleKind.AMOUNT_ABOVE, RuleAction.AUTHENTICATE, within=None, amount=egp(100))


async def test_the_payer_confirms_what_would_have_been_charged_at_once(watch: Watch, rule: None) -> None:
    small = await watch.try_to_pay(somebody(), pounds=100)
    assert isinstance(small, PaymentAnswer)
    assert small.payment.status is PaymentState.SUCCESS
    large = await watch.try_to_pay(somebody(), pounds=101)
    assert isinstance(large, PaymentAnswer)
    assert (large.payment.status, large.payment.authenticate) == (PaymentState.INITIATED, True)
    assert large.payment.next_action is not None
    answer = await watch.till.client.post(large.payment.next_action, json={"decision": "approve"})
    assert answer.json()["status"] == "captured"

    async def succeeded() -> bool:
        return (await watch.till.payment(large.payment.id)).status is PaymentState.SUCCESS

    await until(succeeded)
    await watch.till.check_books()


async def test_who_declines_there_has_not_paid(watch: Watch, rule: None) -> None:
    large = await watch.try_to_pay(somebody(), pounds=101)
    assert isinstance(large, PaymentAnswer)
    assert large.payment.next_action is not None
    await watch.till.client.post(large.payment.next_action, json={"decision": "decline"})

    async def failed() -> bool:
        return (await watch.till.payment(large.payment.id)).status is PaymentState.FAILED

    await until(failed)


async def test_what_would_be_declined_is_declined_without_asking(watch: Watch, rule: None) -> None:
    declined = await watch.try_to_pay(somebody(), "tok_decline_do_not_honor", pounds=101)
    assert isinstance(declined, PaymentAnswer)
    assert declined.payment.status is PaymentState.FAILED


async def test_a_charge_that_never_got_there_demands_it_again(watch: Watch, rule: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """The request is repeated, perhaps by another process and after the rule was changed: what was judged once stands."""
    thing, key = await watch.till.thing(somebody(), fare=egp(101), fee=egp(0)), fresh_key()
    demanded: list[object] = []
    charge = watch.till.gateway.charge

    async def noted(*arguments: object) -> object:
        demanded.append(arguments[-1])
        return Unknown("it never got there") if len(demanded) == 1 else await charge(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(watch.till.gateway, "charge", noted)
    await watch.till.pay(thing, "tok_success", key)
    await _ask_now(watch)
    (found,) = await watch.fraud.service.list_rules()
    await watch.fraud.service.delete_rule(ADMIN, found.id)
    again = await watch.till.pay(thing, "tok_success", IdempotencyKey(key.text, key.fingerprint))
    assert demanded == [True, True]
    assert again.payment.next_action is not None


async def _ask_now(watch: Watch) -> None:
    async with watch.till.database.transaction() as tx:
        await tx.run(text("UPDATE payments SET ask_after = business_now() - interval '1 second'"))
