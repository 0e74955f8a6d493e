"""Paying through the sandbox, over real HTTP."""

from tests.payments.till import Till

from holdfast.payments import PaymentState


async def test_money_that_is_taken_buys_the_thing(till: Till) -> None:
    thing = await till.thing()
    answer = await till.pay(thing, "tok_success")
    assert answer.payment.status is PaymentState.SUCCESS
    assert answer.standing is not None
    assert answer.standing.status == "SOLD"
    assert (await till.now(thing.id)).sold == 1
    assert await till.balances() == {("GATEWAY", "EGP"): -3100, ("PAYEE", "EGP"): 3000, ("FEES", "EGP"): 100}
    await till.check_books()
