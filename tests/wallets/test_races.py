"""One wallet from many sides at once: it is never below zero, and nothing that left it is lost."""

import asyncio
from collections import Counter
from random import Random

from tests.concurrency.together import together
from tests.payments.market import Market
from tests.races import guarded_and, race
from tests.shop import FARE, FEE, fresh_key

from holdfast.app.check.examination import examine
from holdfast.bookings.states import BookingState
from holdfast.common.errors import Overloaded, Refusal
from holdfast.common.money import egp
from holdfast.payments.errors import WalletTooLow
from holdfast.payments.models import Destination, Method
from holdfast.payments.settling import PaymentAnswer
from holdfast.wallets.models import TOP_UP_KIND

COSTS = FARE + FEE


@guarded_and("ledger.without_guard")
async def test_money_for_one_buys_one(market: Market, other: Market, owner_url: str, guard: str | None) -> None:
    """Two processes take the same pounds for two bookings: each saw enough of them a moment ago."""
    # Of one session, the second would wait for the first and see what it left.
    sessions = [await market.shop.session(seats=200) for _ in range(2)]

    async def once() -> object:
        person = await market.shop.person()
        await market.fill(person, COSTS // 100)
        bookings = [await market.shop.hold(person, session) for session in sessions]
        answers = await together(
            [
                lambda: market.pay_from_wallet(person, bookings[0]),
                lambda: other.pay_from_wallet(person, bookings[1]),
            ]
        )
        left = (await market.wallets.service.read(person)).minor
        sold = [(await market.shop.booking(booking.id)).status for booking in bookings].count(BookingState.CONFIRMED)
        if guard is None:
            assert Counter(type(answer) for answer in answers) in (
                Counter({PaymentAnswer: 1, WalletTooLow: 1}),
                Counter({PaymentAnswer: 1, Overloaded: 1}),
            ), answers
        return f"{sold} bookings, {left} left" if (sold, left) != (1, 0) else ""

    await race(once, guard, owner_url, rounds=10)


async def test_a_crowd_that_fills_pays_and_cancels_from_two_processes(market: Market, other: Market, database_url: str) -> None:
    """Eight people, each from four sides: whatever meets whatever, the books balance and no wallet is below zero."""
    session = await market.shop.session(seats=300)
    people = [await market.shop.person() for _ in range(8)]
    both = (market, other)

    async def act(number: int) -> None:
        dice = Random(number)
        person, here = people[number % len(people)], both[number % 2]
        for _ in range(4):
            try:
                match dice.randrange(3):
                    case 0:
                        top_up = await here.wallets.service.open_top_up(person, fresh_key(), egp(dice.randint(5, 25)))
                        await here.payments.service.pay(person, fresh_key(), (TOP_UP_KIND, top_up.id), Method.CARD, "tok_success")
                    case _:
                        booking = await here.shop.hold(person, session)
                        by_card = dice.random() < 0.3
                        await (here.pay(person, booking) if by_card else here.pay_from_wallet(person, booking))
                        await here.shop.bookings.service.cancel(person, None, booking.id, refund_to=dice.choice(list(Destination)))
            except Refusal:
                continue

    await asyncio.gather(*(act(number) for number in range(32)))
    while await market.payments.refunds.do_due():
        pass
    found = await examine(database_url, test_clock=True)
    assert {finding.name: finding.rows for finding in found.findings if not finding.holds} == {}
