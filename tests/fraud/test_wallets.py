"""Payments out of wallets: screened in sets, and not at all where no rule concerns them."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.fraud.watch import ADMIN, HOUR, VAULT, without_rules
from tests.payments.market import Market, open_market
from tests.shop import FARE, FEE

from holdfast.bookings.states import BookingState
from holdfast.common.money import Amount, egp
from holdfast.database import Database, Tx
from holdfast.fraud import module, repository
from holdfast.fraud.models import RuleAction, RuleKind
from holdfast.fraud.module import FraudModule
from holdfast.fraud.service import RuleTerms
from holdfast.payments.screening import PaymentInReview, PaymentNotPossible
from holdfast.payments.settling import PaymentAnswer

COSTS = Amount("EGP", FARE + FEE)


@pytest.fixture
async def fraud(database: Database) -> FraudModule:
    await without_rules(database)
    return module.build(database, VAULT)


@pytest.fixture
async def market(database: Database, tmp_path: Path, fraud: FraudModule) -> AsyncIterator[Market]:
    async with open_market(database, tmp_path, fraud.screening) as opened:
        yield opened


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many looks each statement was about."""
    asked: list[int] = []
    count_attempts = repository.count_attempts

    async def noted(tx: Tx, looks: list[object]) -> object:
        asked.append(len(looks))
        return await count_attempts(tx, looks)  # type: ignore[arg-type]

    monkeypatch.setattr(repository, "count_attempts", noted)
    return asked


async def test_where_no_rule_concerns_them_nothing_is_asked(market: Market, fraud: FraudModule, asked: list[int]) -> None:
    await fraud.service.add_rule(ADMIN, None, RuleKind.ATTEMPTS_PER_PERSON, RuleAction.REFUSE, RuleTerms(within=HOUR, uses_max=1))
    session, person = await market.shop.session(seats=5), await market.shop.person()
    await market.fill(person, 1000)
    asked.clear()
    for _ in range(2):
        await market.pay_from_wallet(person, await market.shop.hold(person, session))
    assert asked == []


async def test_a_set_is_one_statement_and_the_refused_keep_their_money_and_their_seats(
    market: Market, fraud: FraudModule, asked: list[int]
) -> None:
    session = await market.shop.session(seats=12)
    people = [await market.shop.person() for _ in range(3)]
    for person in people:
        await market.fill(person, 1000)
    await fraud.service.add_rule(
        ADMIN, None, RuleKind.ATTEMPTS_PER_PERSON, RuleAction.REVIEW, RuleTerms(within=HOUR, uses_max=2, on_wallets=True)
    )
    bookings = [(person, await market.shop.hold(person, session)) for _ in range(3) for person in people]
    asked.clear()
    answers = await asyncio.gather(*(market.pay_from_wallet(person, booking) for person, booking in bookings), return_exceptions=True)
    assert sum(isinstance(answer, PaymentAnswer) for answer in answers) == 6
    assert sum(isinstance(answer, PaymentInReview) for answer in answers) == 3
    # The first one goes alone, and what arrives meanwhile goes together.
    assert sum(asked) == 9
    assert len(asked) < 9
    for (person, booking), answer in zip(bookings, answers, strict=True):
        state = (await market.shop.booking(booking.id)).status
        assert state is (BookingState.CONFIRMED if isinstance(answer, PaymentAnswer) else BookingState.PENDING)
        assert await market.wallets.service.read(person) == egp(1000) - COSTS * 2


async def test_what_was_refused_was_not_counted(market: Market, fraud: FraudModule) -> None:
    session, person = await market.shop.session(seats=5), await market.shop.person()
    await market.fill(person, 1000)
    terms = RuleTerms(within=HOUR, amount_max=COSTS * 2, on_wallets=True)
    await fraud.service.add_rule(ADMIN, None, RuleKind.TOTAL_PER_PERSON, RuleAction.REFUSE, terms)
    two, one = await market.shop.hold(person, session, seats=2), await market.shop.hold(person, session)
    await market.pay_from_wallet(person, one)
    with pytest.raises(PaymentNotPossible):
        await market.pay_from_wallet(person, two)
    await market.pay_from_wallet(person, await market.shop.hold(person, session))


async def test_filling_a_wallet_by_card_is_screened_as_any_card(market: Market, fraud: FraudModule) -> None:
    person = await market.shop.person()
    await fraud.service.add_rule(ADMIN, None, RuleKind.AMOUNT_ABOVE, RuleAction.REFUSE, RuleTerms(amount_max=egp(500)))
    await market.fill(person, 500)
    with pytest.raises(PaymentNotPossible):
        await market.fill(person, 501)
