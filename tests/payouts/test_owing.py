"""F-15 and I4: what went back after a payout is owed, and set off against the next one."""

import asyncio
from uuid import uuid4

import pytest
from sqlalchemy import text
from tests.controls import CONTROLS, Control
from tests.payments.market import Market
from tests.payouts.office import answer, approved, ask, departed, departed_again, dispute, driver_of, name_account, paid, read, sent
from tests.races import guarded_and, race
from tests.shop import FARE, FEE, fresh_key

from holdfast.app.check import examine
from holdfast.bookings.models import PAYABLE_KIND
from holdfast.common.actor import SYSTEM, Actor, Role
from holdfast.common.money import Amount, egp
from holdfast.ledger import FEES, PAYOUTS_DUE, Account, AccountKind, Entry, Purpose, Transaction, post
from holdfast.payments import RefundReason, RefundRequest, refunds
from holdfast.payments.gateway import DisputeStatus
from holdfast.payouts import repository
from holdfast.payouts.errors import PayeeOwes
from holdfast.payouts.states import PayoutState
from holdfast.sessions.models import Session

CONTROLS["payouts.without_payee_lock"] = lambda: Control(edits=[(repository.SQL.lock_payee, "FOR NO KEY UPDATE", "")])
CONTROLS["payouts.counting_chargebacks_twice"] = lambda: Control(edits=[(repository.SQL.standing, " - coalesce(d.fare, 0)", "")])
CONTROLS["payouts.without_set_off"] = lambda: Control(edits=[(repository.SQL.standing, "p.fare_amount -", "0 * p.fare_amount -")])


async def give_back(market: Market, session: Session) -> int:
    """Whatever the first passenger paid for goes back, long after the driver was paid for it."""
    async with market.database.transaction() as tx:
        booking = (
            await tx.rows(
                text("SELECT id, fare, currency FROM bookings WHERE owner_id = :id AND status = 'CONFIRMED' ORDER BY id LIMIT 1"),
                id=session.id,
            )
        )[0]
        fare = Amount(booking["currency"], booking["fare"])
        await refunds.request(
            tx, SYSTEM, [RefundRequest(PAYABLE_KIND, booking["id"], fare, Amount(fare.currency, 0), RefundReason.CALLED_OFF)]
        )
    return fare.minor


async def owed_to(market: Market, driver: Actor) -> int:
    return await market.has(Account.payee(driver.id))


async def assert_i4(database_url: str) -> None:
    broken = (await examine(database_url, consumers=(), test_clock=True)).broken
    assert not [name for name in broken if name.startswith(("i4_", "i13_"))], broken


async def test_f15_a_refund_after_the_payout_is_set_off_against_the_next(market: Market, database_url: str) -> None:
    first = await departed(market, 2, 1)
    driver = driver_of(first)
    await paid(market, first)
    assert await give_back(market, first) == 2 * FARE
    assert await owed_to(market, driver) == -2 * FARE
    second = await departed_again(market, driver, 5)
    third = await departed_again(market, driver, 4)
    lessened = await approved(market, second)
    assert (lessened.net_amount, lessened.set_off_amount, lessened.due.minor) == (5 * FARE, 2 * FARE, 3 * FARE)
    # The debt is paid with that one: the other is paid in full.
    assert (await approved(market, third)).due.minor == 4 * FARE
    assert (await owed_to(market, driver), await market.has(PAYOUTS_DUE)) == (0, 7 * FARE)
    assert await market.has(Account.bank()) == 3 * FARE
    await assert_i4(database_url)


async def test_f15_a_chargeback_after_the_payout_is_set_off_too(market: Market, database_url: str) -> None:
    first = await departed(market, 1)
    driver = driver_of(first)
    await paid(market, first)
    await dispute(market, first, egp(4))
    assert await owed_to(market, driver) == -400
    second = await departed_again(market, driver, 1)
    assert (await approved(market, second)).due.minor == FARE - 400
    assert await owed_to(market, driver) == 0
    await assert_i4(database_url)


@guarded_and("payouts.counting_chargebacks_twice")
async def test_a_chargeback_before_the_payout_counts_once(market: Market, database_url: str, owner_url: str, guard: str | None) -> None:
    """The session brought in so much less, and nothing is owed besides."""

    async def once() -> str:
        session = await departed(market, 1, 2)
        await dispute(market, session, egp(11))
        payout = await approved(market, session)
        return f"{payout.due.minor} paid out of {2 * FARE}" if payout.due.minor != 2 * FARE else ""

    await race(once, guard, owner_url)
    if guard is None:
        await assert_i4(database_url)


async def test_a_dispute_that_is_won_after_the_payout_makes_up_for_the_next_debt(market: Market, database_url: str) -> None:
    first = await departed(market, 1, 2)
    driver = driver_of(first)
    await dispute(market, first, egp(11))
    assert (await paid(market, first)).due.minor == 2 * FARE
    await dispute(market, first, egp(11), DisputeStatus.WON)
    assert await owed_to(market, driver) == FARE
    # What was final when it was approved stays right, whatever becomes of the dispute.
    await assert_i4(database_url)
    await give_back(market, first)
    second = await departed_again(market, driver, 1)
    payout = await approved(market, second)
    assert (payout.set_off_amount, payout.due.minor, await owed_to(market, driver)) == (0, FARE, 0)
    await assert_i4(database_url)


async def test_what_is_owed_beyond_a_payout_stays_owed(market: Market, database_url: str) -> None:
    first = await departed(market, 3)
    driver = driver_of(first)
    await paid(market, first)
    await give_back(market, first)
    sessions = [await departed_again(market, driver, 2) for _ in range(3)]
    payouts = [await approved(market, session) for session in sessions]
    # 3 fares are owed: all of the first payout, and half of the second one.
    assert [(payout.status, payout.due.minor) for payout in payouts] == [
        (PayoutState.PAID, 0),
        (PayoutState.APPROVED, FARE),
        (PayoutState.APPROVED, 2 * FARE),
    ]
    assert await owed_to(market, driver) == 0
    await assert_i4(database_url)


async def test_asking_while_one_owes_is_refused_with_how_much(market: Market) -> None:
    first = await departed(market, 3)
    driver = driver_of(first)
    await paid(market, first)
    await give_back(market, first)
    second = await departed_again(market, driver, 1)
    with pytest.raises(PayeeOwes) as refused:
        await ask(market, second)
    assert refused.value.facts == {"due": Amount("EGP", 2 * FARE)}
    assert "20.00 EGP" in refused.value.message
    # Another session makes up for it.
    await departed_again(market, driver, 2)
    assert (await ask(market, second)).status is PayoutState.PENDING


async def test_the_fee_of_cash_is_set_off(market: Market) -> None:
    """Whoever was given a fare and the fee in cash has the fare already, and owes the fee."""
    first = await departed(market, 1)
    driver = driver_of(first)
    async with market.database.transaction() as tx:
        at = await tx.value(text("SELECT business_now()"))
        cash = Account(AccountKind.CASH, Account.payee(driver.id).owner)
        entries = (Entry(cash, -egp(11)), Entry(Account.payee(driver.id), egp(10)), Entry(FEES, egp(1)))
        await post(tx, [Transaction(uuid4(), Purpose.CASH_KEPT, at, entries)])
    assert (await approved(market, first)).due.minor == FARE - FEE


async def test_money_that_came_back_is_owed_again_and_the_debt_with_it(market: Market, database_url: str) -> None:
    first = await departed(market, 2)
    driver = driver_of(first)
    await paid(market, first)
    await give_back(market, first)
    second = await departed_again(market, driver, 5)
    await name_account(market, driver.id, is_old=True)
    lessened = await approved(market, second)
    batch = await sent(market, lessened)
    admin = await market.shop.person(Role.ADMIN)
    await answer(market, admin, batch.id, {lessened.id: "PAID"})
    assert await market.has(Account.bank()) == 5 * FARE
    await answer(market, admin, batch.id, {lessened.id: "RETURNED"})
    returned = await read(market, lessened.id)
    assert (returned.status, returned.return_reason, await market.has(Account.bank())) == (PayoutState.RETURNED, "AC04", 2 * FARE)
    assert await owed_to(market, driver) == 3 * FARE
    again = await approved(market, second)
    assert (again.net_amount, again.due.minor, await owed_to(market, driver)) == (5 * FARE, 3 * FARE, 0)
    await assert_i4(database_url)


@guarded_and("payouts.without_set_off")
async def test_i4_nobody_is_paid_more_than_was_earned_less_what_went_back(market: Market, owner_url: str, guard: str | None) -> None:
    async def once() -> str:
        first = await departed(market, 1)
        driver = driver_of(first)
        await paid(market, first)
        await give_back(market, first)
        second = await departed_again(market, driver, 2)
        due = (await approved(market, second)).due.minor
        return f"{due} paid out of {FARE}" if due != FARE else ""

    await race(once, guard, owner_url)


@guarded_and("payouts.without_payee_lock")
async def test_a_debt_is_set_off_once_by_two_approvals_at_once(market: Market, owner_url: str, guard: str | None) -> None:
    admins = [await market.shop.person(Role.ADMIN) for _ in range(2)]

    async def once() -> str:
        first = await departed(market, 2)
        driver = driver_of(first)
        await paid(market, first)
        await give_back(market, first)
        asked = [await ask(market, await departed_again(market, driver, 3)) for _ in admins]
        approvals = await asyncio.gather(
            *(market.payouts.service.approve(admin, fresh_key(), payout.id) for admin, payout in zip(admins, asked, strict=True))
        )
        set_off = sum(payout.set_off_amount for payout in approvals)
        return f"{set_off} set off" if set_off != 2 * FARE else ""

    await race(once, guard, owner_url, rounds=3)
