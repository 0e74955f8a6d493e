"""A limit from two processes at once, also without the statement that makes the second wait for the first."""

from collections.abc import AsyncIterator
from functools import partial

import pytest
from tests.concurrency.together import together
from tests.controls import CONTROLS, Control
from tests.fraud.watch import VAULT, Watch, paid
from tests.payments.till import SOLD, Thing, fresh_key, somebody
from tests.races import guarded_and, race

from holdfast.common.actor import Actor, Role
from holdfast.common.errors import Refusal
from holdfast.database import Database
from holdfast.fraud import module, repository
from holdfast.fraud.models import RuleAction, RuleKind
from holdfast.payments import Method
from holdfast.payments import module as payments_module
from holdfast.payments.gateway import Gateways
from holdfast.payments.module import PaymentsModule
from holdfast.payments.screening import PaymentInReview, PaymentNotPossible
from holdfast.payments.settling import PaymentAnswer

ATTEMPTS, LIMIT = 12, 5

_STALE = "coalesce((SELECT b.used FROM fraud_counters b WHERE b.rule_id = c.rule_id AND b.subject = c.subject), 0) + 1 AS used"

CONTROLS.update(
    {
        # Whoever counts goes by what the counter had when the statement began.
        "fraud.without_counter_lock": lambda: Control(
            edits=[(repository.SQL.count_attempts, "RETURNING rule_id, subject, used)", f"RETURNING rule_id, subject, {_STALE})")]
        ),
        # However often somebody is to be looked at, each time is written down.
        "fraud.without_one_review": lambda: Control(
            edits=[(repository.SQL.open_reviews, "ON CONFLICT (user_id, rule_id) WHERE state = 'OPEN' DO NOTHING", "")],
            ddl=["DROP INDEX fraud_reviews_open_idx"],
        ),
    }
)


@pytest.fixture
async def other(watch: Watch, database_url: str) -> AsyncIterator[PaymentsModule]:
    """The same payments, watched by another process."""
    database = Database(database_url, name="another process")
    fraud = module.build(database, VAULT)
    yield payments_module.build(database, watch.till.payables, Gateways(watch.till.gateway), screening=fraud.screening)
    await database.close()


async def from_both(watch: Watch, other: PaymentsModule, person: Actor) -> list[object]:
    """Several payments of one person at once, every second one in the other process."""
    sides = (watch.till.payments, other)
    things = [await watch.till.thing(person) for _ in range(ATTEMPTS)]
    return await together([partial(_pay, sides[n % 2], thing) for n, thing in enumerate(things)])


async def _pay(payments: PaymentsModule, thing: Thing) -> PaymentAnswer:
    return await payments.service.pay(Actor(thing.payer_id, Role.PASSENGER), fresh_key(), (SOLD, thing.id), Method.CARD, "tok_success")


@guarded_and("fraud.without_counter_lock")
async def test_no_sixth_of_five(watch: Watch, other: PaymentsModule, owner_url: str, guard: str | None) -> None:
    await watch.rule(RuleKind.ATTEMPTS_PER_PERSON, uses=LIMIT)

    async def once() -> str:
        answers = await from_both(watch, other, somebody())
        through = sum(isinstance(answer, PaymentAnswer) and paid(answer) for answer in answers)
        assert all(isinstance(answer, PaymentAnswer | PaymentNotPossible) for answer in answers), answers
        return f"{through} of {LIMIT}" if through != LIMIT else ""

    await race(once, guard, owner_url, rounds=5)


@guarded_and("fraud.without_one_review")
async def test_many_attempts_are_one_review(watch: Watch, other: PaymentsModule, owner_url: str, guard: str | None) -> None:
    await watch.rule(RuleKind.ATTEMPTS_PER_PERSON, RuleAction.REVIEW, uses=0)

    async def once() -> str:
        person = somebody()
        answers = await from_both(watch, other, person)
        assert all(isinstance(answer, PaymentInReview) for answer in answers if isinstance(answer, Refusal)), answers
        found = await watch.till.value("SELECT count(*) FROM fraud_reviews WHERE user_id = :id", id=person.id)
        return f"{found} reviews" if found != 1 else ""

    await race(once, guard, owner_url, rounds=3)
