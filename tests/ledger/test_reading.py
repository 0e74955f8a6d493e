"""What admins read of the ledger: balances, accounts, entries and statements."""

import csv
import io
from datetime import UTC, date, datetime, timedelta

import pytest
from sqlalchemy import text
from tests.ledger.books import BANK, SANDBOX, ZONE, now, posted, transfer
from tests.shop import FIRST_PAGE

from holdfast.common.actor import Actor, Role, UserId
from holdfast.common.errors import Invalid, NotFound
from holdfast.common.language import Language
from holdfast.common.money import Amount, egp
from holdfast.common.paging import PageRequest
from holdfast.database import Database
from holdfast.ledger import FEES, Account, AccountKind, Purpose
from holdfast.ledger.dto import StatementView, TrialBalanceView, read_owner, shown_owner
from holdfast.ledger.errors import AccountUnknown, StatementTooLong
from holdfast.ledger.models import AccountId, LedgerAccount, StandingAccount, Statement
from holdfast.ledger.paper import WORDS, as_pdf
from holdfast.ledger.roll_up import RollUp
from holdfast.ledger.service import LedgerService
from holdfast.ledger.table import as_csv

ADMIN = Actor(UserId.new(), Role.ADMIN)
DRIVER = UserId.new()
# In Cairo it is half past midnight of the second of May.
LATE = datetime(2026, 5, 1, 21, 30, tzinfo=UTC)
DAYS = (date(2026, 5, 1), date(2026, 5, 4))


@pytest.fixture
async def service(database: Database) -> LedgerService:
    """A ledger with three entries of a driver, one before the days that are asked for."""
    driver = Account.payee(DRIVER)
    await posted(
        database,
        [
            transfer(SANDBOX, driver, egp(100), LATE - timedelta(days=3)),
            transfer(SANDBOX, driver, egp(30), LATE),
            transfer(driver, BANK, egp(120, 50), LATE + timedelta(days=1), purpose=Purpose.PAYOUT_PAID),
            transfer(SANDBOX, FEES, Amount("KWD", 1_500), LATE),
        ],
    )
    return LedgerService(database, zone=ZONE)


async def account_of(service: LedgerService, kind: AccountKind, owner: str | None = None) -> StandingAccount:
    (found,) = (await service.list_accounts(ADMIN, FIRST_PAGE, kind=kind, owner=owner)).rows
    return found


async def driver_statement(service: LedgerService, *days: date) -> Statement:
    account = await account_of(service, AccountKind.PAYEE)
    return await service.statement(ADMIN, account.id, *(days or DAYS))


async def looks(database: Database) -> list[str]:
    async with database.reading() as tx:
        return [row["action"] for row in await tx.rows(text("SELECT action FROM audit_logs WHERE action LIKE 'ledger.%' ORDER BY id"))]


async def test_the_trial_balance_sums_to_zero_now_and_then(service: LedgerService, database: Database) -> None:
    found = await service.trial_balance(ADMIN, None)
    assert {(row.kind.value, row.currency): row.balance for row in found.rows} == {
        ("BANK", "EGP"): 12_050,
        ("GATEWAY", "EGP"): -13_000,
        ("PAYEE", "EGP"): 950,
        ("FEES", "KWD"): 1_500,
        ("GATEWAY", "KWD"): -1_500,
    }
    assert TrialBalanceView.of(found).is_balanced
    before = await service.trial_balance(ADMIN, LATE)
    assert {(row.kind.value, row.currency): row.balance for row in before.rows if row.balance} == {
        ("GATEWAY", "EGP"): -10_000,
        ("PAYEE", "EGP"): 10_000,
    }
    assert await looks(database) == ["ledger.viewed"] * 2


async def test_a_crooked_ledger_shows(service: LedgerService, owner: Database) -> None:
    async with owner.transaction() as tx:
        await tx.run(text("UPDATE ledger_entries SET amount = amount + 1 WHERE amount = 3000"))
    view = TrialBalanceView.of(await service.trial_balance(ADMIN, None))
    assert not view.is_balanced
    assert {total.currency: total.balance.amount.minor for total in view.totals} == {"EGP": 1, "KWD": 0}


@pytest.mark.parametrize("rolls_up", [False, True])
async def test_accounts_are_listed_with_what_they_have(service: LedgerService, database: Database, rolls_up: bool) -> None:
    if rolls_up:
        await RollUp(database).roll_up_some()
    listed: list[StandingAccount] = []
    cursor = None
    while True:
        page = await service.list_accounts(ADMIN, PageRequest(2, cursor))
        listed += page.rows
        cursor = page.next_cursor
        if cursor is None:
            break
    assert {(each.kind, each.currency): each.balance for each in listed} == {
        (AccountKind.BANK, "EGP"): 12_050,
        (AccountKind.GATEWAY, "EGP"): -13_000,
        (AccountKind.PAYEE, "EGP"): 950,
        (AccountKind.FEES, "KWD"): 1_500,
        (AccountKind.GATEWAY, "KWD"): -1_500,
    }
    drivers = await account_of(service, AccountKind.PAYEE, read_owner(str(DRIVER)))
    assert shown_owner(drivers) == str(DRIVER)
    assert not (await service.list_accounts(ADMIN, FIRST_PAGE, owner=read_owner(str(UserId.new())))).rows
    assert read_owner("sandbox") == "sandbox"
    with pytest.raises(Invalid):
        read_owner("usr_nobody")


async def test_entries_of_an_account_are_paged_newest_first(service: LedgerService, database: Database) -> None:
    account = await account_of(service, AccountKind.PAYEE)
    first = await service.list_entries(ADMIN, account.id, PageRequest(2))
    second = await service.list_entries(ADMIN, account.id, PageRequest(2, first.next_cursor))
    found = [*first.rows, *second.rows]
    assert sorted(entry.amount for entry in found) == [-12_050, 3_000, 10_000]
    assert [entry.id for entry in found] == sorted((entry.id for entry in found), reverse=True)
    assert second.next_cursor is None
    assert await looks(database) == ["ledger.viewed", "ledger.account_viewed", "ledger.account_viewed"]
    with pytest.raises(AccountUnknown):
        await service.list_entries(ADMIN, AccountId.new(), FIRST_PAGE)


async def test_a_statement_is_of_days_of_the_zone(service: LedgerService, database: Database) -> None:
    found = await driver_statement(service)
    assert (found.opening, found.closing, [entry.amount for entry in found.entries]) == (10_000, 950, [3_000, -12_050])
    assert found.balances == [13_000, 950]
    # The entry of half past midnight is of the second of May.
    first = await driver_statement(service, DAYS[0], date(2026, 5, 2))
    assert (first.opening, first.closing, first.entries) == (10_000, 10_000, ())
    assert StatementView.of(found).closing.amount == egp(9, 50)
    assert "ledger.account_viewed" in await looks(database)


async def test_a_statement_without_days_is_of_the_last_31(service: LedgerService) -> None:
    account = await account_of(service, AccountKind.PAYEE)
    found = await service.statement(ADMIN, account.id, None, None)
    assert found.period.last_day - found.period.first_day == timedelta(days=31)
    assert found.period.ends_at > await now(service._database)


async def test_what_cannot_be_a_statement_is_refused(service: LedgerService) -> None:
    account = await account_of(service, AccountKind.PAYEE)
    for first, last in ((DAYS[1], DAYS[0]), (DAYS[0], DAYS[0]), (date(1999, 1, 1), None), (date(2001, 1, 1), date(2030, 1, 1))):
        with pytest.raises(Invalid):
            await service.statement(ADMIN, account.id, first, last)
    with pytest.raises(StatementTooLong):
        await service.statement(ADMIN, account.id, *DAYS, entries_max=1)
    with pytest.raises(NotFound):
        await service.statement(ADMIN, AccountId.new(), *DAYS)
    with pytest.raises(Invalid):
        await service.trial_balance(ADMIN, LATE.replace(year=1999))


async def test_a_statement_as_csv(service: LedgerService) -> None:
    found = await driver_statement(service)
    rows = list(csv.DictReader(io.StringIO(as_csv(found).decode("utf-8-sig"))))
    assert [(row["purpose"], row["received"], row["given"], row["balance"]) for row in rows] == [
        ("OPENING", "", "", "100.00"),
        ("CAPTURE", "30.00", "", "130.00"),
        ("PAYOUT_PAID", "", "120.50", "9.50"),
        ("CLOSING", "", "", "9.50"),
    ]
    assert {(row["owner"], row["account"], row["currency"]) for row in rows} == {(str(DRIVER), "PAYEE", "EGP")}


@pytest.mark.parametrize("owner", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1"])
async def test_no_text_of_a_csv_is_a_formula(service: LedgerService, owner: str) -> None:
    found = await driver_statement(service)
    account = found.account
    crooked = LedgerAccount(account.id, AccountKind.GATEWAY, owner, account.currency, account.created_at)
    content = as_csv(Statement(crooked, found.period, -5, found.entries)).decode("utf-8-sig")
    rows = list(csv.reader(io.StringIO(content, newline="")))
    assert {row[2] for row in rows[1:]} == {f"'{owner}"}
    # Amounts are numbers, also below zero.
    assert rows[1][7] == "-0.05"


@pytest.mark.parametrize("language", Language)
async def test_a_statement_as_pdf(service: LedgerService, language: Language) -> None:
    paper = as_pdf(await driver_statement(service), language, ZONE)
    assert paper.startswith(b"%PDF-")
    assert paper.count(b"/Type /Page\n") == 1


async def test_a_long_statement_takes_more_pages(service: LedgerService) -> None:
    found = await driver_statement(service)
    many = Statement(found.account, found.period, found.opening, found.entries * 40)
    assert as_pdf(many, Language.AR, ZONE).count(b"/Type /Page\n") > 1


@pytest.mark.parametrize("language", Language)
def test_everything_has_words_on_paper(language: Language) -> None:
    words = WORDS[language]
    assert set(words.kinds) == set(AccountKind)
    assert set(words.purposes) == set(Purpose)
