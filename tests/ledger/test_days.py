"""Days that are closed, and balances at instants of the past."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta

from sqlalchemy import text
from tests.ledger.books import SANDBOX, ZONE, earn, now, posted, transfer, wrongly_sealed

from holdfast.common.money import Amount, egp
from holdfast.database import Database
from holdfast.ledger import FEES, Account, AccountKind, balance
from holdfast.ledger.days import CLOSING_GRACE, Days

Moves = Callable[[timedelta], None]

# Cairo's summer time begins in the night to the 24th of April 2026, so that day has 23 hours.
BEFORE_SUMMER = datetime(2026, 4, 22, 10, tzinfo=UTC)


async def had(database: Database, account: Account, at: datetime) -> int:
    async with database.reading() as tx:
        return sum(amount.minor for amount in await balance(tx, account, at=at))


async def close_all(database: Database, zone: str = ZONE) -> int:
    days, closed = Days(database, zone=zone), 0
    while await days.close_next():
        closed += 1
    return closed


async def days_of(database: Database) -> list[tuple[date, float, int, dict[str, int]]]:
    async with database.reading() as tx:
        rows = await tx.rows(text("SELECT day, starts_at, ends_at, entries, given FROM ledger_days ORDER BY day"))
    return [(row["day"], (row["ends_at"] - row["starts_at"]) / timedelta(hours=1), row["entries"], row["given"]) for row in rows]


async def test_days_begin_at_midnight_of_the_zone_and_are_sealed_one_after_another(database: Database) -> None:
    await earn(database, 5, BEFORE_SUMMER)
    # 21:30 UTC is half past eleven in the evening in Cairo's winter, 22:30 half past midnight.
    await earn(database, 7, BEFORE_SUMMER.replace(hour=21, minute=30))
    await earn(database, 11, BEFORE_SUMMER.replace(hour=22, minute=30))
    await posted(database, [transfer(SANDBOX, FEES, Amount("KWD", 3), BEFORE_SUMMER + timedelta(days=2))])
    assert await close_all(database) == ((await now(database)).date() - date(2026, 4, 22)).days
    first = await days_of(database)
    assert first[:4] == [
        (date(2026, 4, 22), 24, 4, {"EGP": 1_200}),
        (date(2026, 4, 23), 24, 2, {"EGP": 1_100}),
        (date(2026, 4, 24), 23, 2, {"KWD": 3}),
        (date(2026, 4, 25), 24, 0, {}),
    ]
    assert await wrongly_sealed(database) == []


async def test_a_day_is_closed_when_it_is_over_and_the_grace_has_passed(database: Database, move_time: Moves) -> None:
    days = Days(database, zone="UTC")
    assert not await days.close_next()
    today = (await now(database)).replace(hour=0, minute=0, second=0, microsecond=0)
    await earn(database, 1, today)
    assert not await days.close_next()
    move_time(today + timedelta(days=1) - await now(database))
    assert not await days.close_next()
    move_time(CLOSING_GRACE)
    assert await days.close_next()
    assert not await days.close_next()


async def test_balances_at_instants(database: Database) -> None:
    for day in range(4):
        await earn(database, 1, BEFORE_SUMMER + timedelta(days=day))
    for _ in range(2):
        assert await had(database, FEES, BEFORE_SUMMER) == 0
        assert await had(database, FEES, BEFORE_SUMMER + timedelta(microseconds=1)) == 100
        assert await had(database, FEES, BEFORE_SUMMER + timedelta(days=2)) == 200
        assert await had(database, FEES, BEFORE_SUMMER + timedelta(days=2, hours=23)) == 300
        assert await had(database, FEES, await now(database)) == 400
        assert await had(database, SANDBOX, BEFORE_SUMMER + timedelta(days=3)) == -300
        assert await had(database, Account(AccountKind.BANK), await now(database)) == 0
        await close_all(database)


async def test_what_comes_late_is_posted_into_the_open_day(database: Database) -> None:
    await earn(database, 1, BEFORE_SUMMER)
    await close_all(database)
    before = await now(database)
    late = transfer(SANDBOX, FEES, egp(2), BEFORE_SUMMER + timedelta(hours=1))
    assert await posted(database, [late]) == 2
    assert await had(database, FEES, before) == 100
    assert await had(database, FEES, await now(database)) == 300
    async with database.reading() as tx:
        rows = await tx.rows(
            text(
                "SELECT posted_at FROM ledger_entries WHERE transaction_id = :id"
                " UNION SELECT posted_at FROM ledger_transactions WHERE id = :id"
            ),
            id=late.id,
        )
    # Once for the entries and for the transaction alike.
    (at,) = [row["posted_at"] for row in rows]
    assert at >= before


async def test_a_zone_that_changes_leaves_no_gap(database: Database) -> None:
    await earn(database, 1, BEFORE_SUMMER)
    assert await Days(database, zone="Africa/Cairo").close_next()
    assert await Days(database, zone="Asia/Tokyo").close_next()
    assert await Days(database, zone="UTC").close_next()
    async with database.reading() as tx:
        gaps = await tx.rows(
            text("SELECT day FROM (SELECT day, starts_at, lag(ends_at) OVER (ORDER BY day) AS b FROM ledger_days) d WHERE b <> starts_at")
        )
    assert not gaps
    assert [(hours, entries) for _, hours, entries, _ in await days_of(database)] == [(24, 2), (17, 0), (33, 0)]


async def test_a_closing_that_died_half_way_is_finished(database: Database) -> None:
    await earn(database, 1, BEFORE_SUMMER)
    days = Days(database, zone=ZONE)
    assert await days._announce() is not None
    # It died here; from now on nobody posts into that day, and the next worker seals it.
    await earn(database, 1, BEFORE_SUMMER)
    assert await days.close_next()
    assert (await days_of(database))[0][2] == 2
    assert await wrongly_sealed(database) == []
