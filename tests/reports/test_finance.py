"""The finance report against the ledger, to the piastre."""

from collections.abc import Callable
from datetime import date, timedelta
from uuid import UUID

import pytest
from sqlalchemy import text
from tests.payments.market import Market, over_http
from tests.payments.till import signed_in
from tests.shop import FARE, FEE, FIRST_PAGE, fresh_key

from holdfast.common.actor import Actor, Role
from holdfast.common.errors import Invalid
from holdfast.common.paging import PageRequest
from holdfast.database import Database
from holdfast.reports.models import FinanceRow, Grouping, Totals
from holdfast.reports.service import FinanceReport

Moves = Callable[[timedelta], None]


async def look(market: Market, grouping: Grouping = Grouping.DAY, **days: date | None) -> FinanceReport:
    return await market.reports.service.finance(Actor((await market.shop.person(Role.ADMIN)).id, Role.ADMIN), grouping, FIRST_PAGE, **days)


async def a_day(market: Market, move_time: Moves) -> dict[str, int]:
    """Sales, cancellations, money that came too late, a session called off, a payout; returns what it should add up to."""
    shop = market.shop
    leaving = await shop.session(4)
    passenger, cancelled = await market.sell(leaving, 1)
    await market.sell(leaving, 3)
    await market.cancel(passenger, cancelled)

    called_off = await shop.session(2)
    await market.sell(called_off, 2)
    await shop.sessions.service.cancel(Actor(called_off.driver_id, Role.DRIVER), None, called_off.id, None)
    await shop.follow()

    late = await shop.session(1)
    slow = await shop.person()
    held = await shop.hold(slow, late, 1)
    begun = await market.pay(slow, held, "tok_timeout_done")
    move_time(timedelta(minutes=20))
    await market.sell(late, 1)
    await market.payments.reconciler.ask_for_unanswered()
    async with market.database.reading() as tx:
        assert await tx.value(text("SELECT settlement FROM payments WHERE id = :id"), id=begun.payment.id) == "TOO_LATE"
    await market.payments.refunds.do_due()

    await market.close(leaving)
    payout = await market.payouts.service.ask(Actor(leaving.driver_id, Role.DRIVER), fresh_key(), leaving.id)
    admin = await shop.person(Role.ADMIN)
    await market.payouts.service.approve(admin, fresh_key(), payout.id)
    await market.payouts.service.pay(admin, fresh_key(), payout.id)

    captured = (FARE + FEE) + (3 * FARE + FEE) + (2 * FARE + FEE) + (FARE + FEE) + (FARE + FEE)
    refunded = FARE + (2 * FARE + FEE) + (FARE + FEE)
    return {"captured": captured, "refunded": refunded, "fees": 3 * FEE, "paid_out": 3 * FARE}


def sums(rows: list[FinanceRow]) -> dict[str, int]:
    return {name: sum(getattr(row, name) for row in rows) for name in ("captured", "refunded", "fees", "paid_out")}


async def test_every_grouping_adds_up_to_the_ledger(market: Market, move_time: Moves) -> None:
    expected = await a_day(market, move_time)
    for grouping in Grouping:
        report = await look(market, grouping)
        (totals,) = report.totals
        assert totals.agree, (totals.booked, totals.in_ledger)
        assert sums(list(report.page.rows)) == expected
        assert {name: getattr(totals, name) for name in expected} == expected
        assert totals.ledger_earned == expected["captured"] - expected["refunded"] - expected["fees"]
    by_driver = await look(market, Grouping.DRIVER)
    assert len(by_driver.page.rows) == 3
    (route,) = (await look(market, Grouping.ROUTE)).page.rows
    assert (route.key, route.name_en) == (str(UUID(int=market.shop.route_id.int)), "Ramses - Abbaseya")


async def test_a_window_takes_what_happened_in_it(market: Market, move_time: Moves) -> None:
    session = await market.shop.session(2)
    passenger, booking = await market.sell(session, 1)
    first_day = (await look(market)).window.last_day - timedelta(days=1)
    move_time(timedelta(days=2))
    await market.cancel(passenger, booking)
    then, later = await look(market, first_day=first_day, last_day=first_day + timedelta(days=1)), await look(market)
    assert sums(list(then.page.rows)) == {"captured": FARE + FEE, "refunded": 0, "fees": FEE, "paid_out": 0}
    assert sums(list(later.page.rows)) == {"captured": FARE + FEE, "refunded": FARE, "fees": FEE, "paid_out": 0}
    assert [row.key for row in later.page.rows] == [first_day.isoformat(), (first_day + timedelta(days=2)).isoformat()]
    for report in (then, later):
        assert all(totals.agree for totals in report.totals)
    nothing = await look(market, first_day=date(2020, 1, 1), last_day=date(2020, 2, 1))
    assert (list(nothing.page.rows), nothing.totals) == ([], ())


async def test_a_difference_is_seen(market: Market, owner: Database) -> None:
    """The control: with one entry changed, or one payment, both sides no longer agree."""
    session = await market.shop.session(2)
    await market.sell(session, 1)
    assert [totals.agree for totals in (await look(market)).totals] == [True]
    for change, back in (
        (
            "UPDATE ledger_entries SET amount = amount + 1 WHERE amount > 999",
            "UPDATE ledger_entries SET amount = amount - 1 WHERE amount > 999",
        ),
        ("UPDATE payments SET captured_amount = captured_amount - 1", "UPDATE payments SET captured_amount = captured_amount + 1"),
    ):
        async with owner.transaction() as tx:
            await tx.run(text(change))
        assert [totals.agree for totals in (await look(market)).totals] == [False], change
        async with owner.transaction() as tx:
            await tx.run(text(back))


async def test_pages_go_on_where_the_last_one_ended(market: Market, move_time: Moves) -> None:
    await a_day(market, move_time)
    admin = Actor((await market.shop.person(Role.ADMIN)).id, Role.ADMIN)
    seen: list[FinanceRow] = []
    page = PageRequest(limit=1)
    while True:
        report = await market.reports.service.finance(admin, Grouping.DRIVER, page)
        seen += report.page.rows
        if report.page.next_cursor is None:
            break
        page = PageRequest(limit=1, cursor=report.page.next_cursor)
    assert seen == list((await look(market, Grouping.DRIVER)).page.rows)


async def test_that_an_admin_looked_is_audited(market: Market) -> None:
    report = await look(market)
    async with market.database.reading() as tx:
        kept = await tx.value(text("SELECT after FROM audit_logs WHERE action = 'report.viewed' AND entity = 'report'"))
    assert kept == {
        "report": "finance",
        "by": "day",
        "from": report.window.first_day.isoformat(),
        "to": report.window.last_day.isoformat(),
    }


@pytest.mark.parametrize(
    ("first_day", "last_day"),
    [
        (date(2026, 2, 1), date(2026, 2, 1)),
        (date(2026, 2, 2), date(2026, 2, 1)),
        (date(2001, 1, 1), date(2099, 1, 1)),
        (date(1, 1, 1), None),
        (None, date(9999, 12, 31)),
    ],
)
async def test_impossible_days_are_refused(market: Market, first_day: date | None, last_day: date | None) -> None:
    with pytest.raises(Invalid):
        await look(market, first_day=first_day, last_day=last_day)


async def test_over_http_admins_see_names_and_amounts(market: Market, move_time: Moves) -> None:
    await a_day(market, move_time)
    admin = await market.shop.person(Role.ADMIN)
    async with over_http(market) as client:
        answer = await client.get("/reports/finance?by=route", headers=signed_in(admin))
        assert answer.status_code == 200, answer.text
        (row,) = answer.json()["data"]
        assert (row["routeId"], row["routeName"], row["payments"]) == (str(market.shop.route_id), "Ramses - Abbaseya", 5)
        assert b'"captured":85.00' in answer.content
        assert [totals["agree"] for totals in answer.json()["totals"]] == [True]
        for query, status in (
            ("by=week", 422),
            ("from=soon", 422),
            ("from=2026-02-02&to=2026-02-01", 422),
            ("cursor=x", 422),
            ("from=2026-02-02", 200),
            ("by=driver&limit=1", 200),
        ):
            found = await client.get(f"/reports/finance?{query}", headers=signed_in(admin))
            assert found.status_code == status, (query, found.text)
        assert found.headers["link"].endswith('rel="next"')
        for role in (Role.PASSENGER, Role.DRIVER, Role.PROVIDER):
            refused = await client.get("/reports/finance", headers=signed_in(await market.shop.person(role)))
            assert refused.status_code == 403


def test_agreeing_means_every_figure() -> None:
    figures = {"captured": 10, "refunded": 4, "fees": 1, "paid_out": 2}
    both = figures | {f"ledger_{name}": value for name, value in figures.items()} | {"ledger_earned": 5}
    assert Totals(currency="EGP", **both).agree
    for name in both:
        assert not Totals(currency="EGP", **(both | {name: both[name] + 1})).agree, name
