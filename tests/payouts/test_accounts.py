"""Where the money of payouts goes."""

from datetime import timedelta

import psycopg
import pytest
from sqlalchemy import text
from tests.payments.market import VAULT, Market, over_http
from tests.payments.till import signed_in
from tests.payouts.office import IBAN, OTHER_IBAN, approved, departed, name_account, sign_in
from tests.shop import MoveTime, fresh_key

from holdfast.auth.errors import SignInTooOld
from holdfast.common.actor import Actor, Role
from holdfast.common.errors import Invalid
from holdfast.notifications.handlers import NOTICES
from holdfast.payouts.accounts import iban
from holdfast.payouts.accounts.dto import AccountRequest
from holdfast.payouts.accounts.errors import NoPayoutAccount
from holdfast.payouts.accounts.events import PayoutAccountChanged
from holdfast.payouts.accounts.models import PayoutAccountId
from holdfast.payouts.batches.errors import PayeesNotReady

WANTED = AccountRequest("Mona Ali", "eg38 0019 0005 0000 0000 2631 8000 2", "NBEGEGCX")


def test_ibans_of_banks_are_read() -> None:
    # Examples of the registry of IBANs (SWIFT): Egypt, Germany, Saudi Arabia, the United Kingdom.
    for text_ in (IBAN, "DE89370400440532013000", "SA0380000000608010167519", "GB29NWBK60161331926819"):
        assert iban.normalized(f" {text_[:4].lower()} {text_[4:]} ") == text_


@pytest.mark.parametrize("place", range(4, 29))
def test_one_wrong_digit_is_found(place: int) -> None:
    wrong = IBAN[:place] + str((int(IBAN[place]) + 1) % 10) + IBAN[place + 1 :]
    with pytest.raises(ValueError, match="check digits"):
        iban.normalized(wrong)


@pytest.mark.parametrize(
    "wrong", ["", "EG38", "38EG0019000500000000263180002", IBAN[:-1], IBAN + "0", "EG3800190005000000002631800O2", "ÉG38" + IBAN[4:]]
)
def test_what_is_no_iban_is_refused(wrong: str) -> None:
    with pytest.raises(ValueError, match="IBAN"):
        iban.normalized(wrong)


async def test_an_account_is_shown_by_its_end_only(market: Market) -> None:
    driver = await market.shop.driver()
    with pytest.raises(NoPayoutAccount):
        await market.payouts.accounts.mine(driver)
    named = await market.payouts.accounts.change(await sign_in(market, driver.id), fresh_key(), WANTED)
    shown = await market.payouts.accounts.mine(driver)
    assert shown == named
    assert (shown.iban, shown.holder, shown.usable_at - shown.created_at) == ("EG•• •••• 0002", "M. A.", timedelta(hours=24))


async def test_nothing_of_an_account_lies_in_the_clear(market: Market, owner_url: str) -> None:
    """Not in the table, the audit log, the event log or the kept answers."""
    driver = await market.shop.driver()
    await name_account(market, driver.id)
    with psycopg.connect(owner_url) as owner:
        for table in ("payout_accounts", "payout_payees", "audit_logs", "events", "idempotency_keys"):
            kept = str(owner.execute(f"SELECT coalesce(string_agg(t::text, ' '), '') FROM {table} t").fetchall())
            sealed = owner.execute("SELECT sealed FROM payout_accounts").fetchall()[0][0]
            for secret in (IBAN, IBAN[4:20], "Mona", "NBEGEGCX") if table != "idempotency_keys" else (IBAN, IBAN[4:20], "Mona"):
                assert secret not in kept, table
                assert secret.encode() not in sealed
        told = owner.execute("SELECT action, before, after FROM audit_logs WHERE entity = 'payout_account'").fetchall()
    assert [(action, before, sorted(after)) for action, before, after in told] == [("payout_account.changed", None, ["usable_at"])]


async def test_a_forgotten_person_has_no_readable_account(market: Market) -> None:
    driver = await market.shop.driver()
    await name_account(market, driver.id)
    async with market.database.transaction() as tx:
        await VAULT.forget(tx, driver.id)
    shown = await market.payouts.accounts.mine(driver)
    assert (shown.iban, shown.holder, shown.bic) == (None, None, None)


@pytest.mark.parametrize("ago", [timedelta(minutes=9), timedelta(minutes=11)], ids=["fresh", "old"])
async def test_only_a_fresh_sign_in_changes_it(market: Market, ago: timedelta) -> None:
    driver = await market.shop.driver()
    signed = await sign_in(market, driver.id, ago=ago)
    if ago < timedelta(minutes=10):
        await market.payouts.accounts.change(signed, fresh_key(), WANTED)
        return
    for stale in (signed, Actor(driver.id, Role.DRIVER)):
        with pytest.raises(SignInTooOld):
            await market.payouts.accounts.change(stale, fresh_key(), WANTED)


async def test_a_sign_in_that_ended_changes_nothing(market: Market) -> None:
    driver = await market.shop.driver()
    signed = await sign_in(market, driver.id)
    async with market.database.transaction() as tx:
        await tx.run(
            text("UPDATE logins SET ended_at = business_now(), changed_at = business_now(), end_reason = 'LOGGED_OUT' WHERE id = :id"),
            id=signed.login_id,
        )
    with pytest.raises(SignInTooOld):
        await market.payouts.accounts.change(signed, fresh_key(), WANTED)


async def test_a_wrong_iban_is_refused_with_its_field(market: Market) -> None:
    driver = await market.shop.driver()
    wrong = AccountRequest("Mona Ali", IBAN[:-1] + "3")
    with pytest.raises(Invalid) as refused:
        await market.payouts.accounts.change(await sign_in(market, driver.id), fresh_key(), wrong)
    assert "check digits" in str(refused.value.facts)


async def test_no_money_goes_to_a_new_account_for_a_day(market: Market, move_time: MoveTime) -> None:
    session = await departed(market, 1)
    payout = await approved(market, session)
    admin = await market.shop.person(Role.ADMIN)

    async def make() -> object:
        return await market.payouts.batches.make(admin, fresh_key(), [payout.id])

    with pytest.raises(PayeesNotReady, match=str(payout.id)):
        await make()
    await name_account(market, session.driver_id)
    move_time(timedelta(hours=23, minutes=59))
    with pytest.raises(PayeesNotReady):
        await make()
    # Whoever changes it again begins anew: the account before it is theirs no longer.
    await name_account(market, session.driver_id, OTHER_IBAN)
    move_time(timedelta(hours=23, minutes=59))
    with pytest.raises(PayeesNotReady):
        await make()
    move_time(timedelta(minutes=2))
    await make()


async def test_the_payee_is_told(market: Market) -> None:
    driver = await market.shop.driver()
    event = PayoutAccountChanged(account_id=PayoutAccountId.new(), payee_id=driver.id, version=1)
    assert PayoutAccountChanged in NOTICES.events
    await name_account(market, driver.id)
    async with market.database.reading() as tx:
        bodies = await tx.rows(text("SELECT name, body FROM events WHERE name = 'PayoutAccountChanged'"))
    assert [set(row["body"]) for row in bodies] == [{"account_id", "payee_id", "version"}]
    assert event.subject_id == event.account_id


async def test_over_http(market: Market) -> None:
    driver, passenger = await market.shop.driver(), await market.shop.person()
    async with over_http(market) as client:
        assert (await client.get("/payouts/account", headers=signed_in(driver))).json()["code"] == "no_payout_account"
        body = {"holder": "Mona Ali", "iban": IBAN}
        assert (await client.post("/payouts/account", json=body, headers=signed_in(passenger))).status_code == 403
        # The tokens of these tests belong to no sign-in.
        assert (await client.post("/payouts/account", json=body, headers=signed_in(driver))).json()["code"] == "sign_in_too_old"
        for holder in ("=cmd()", "@x", "+1", "-1", "1x", "a<b"):
            refused = await client.post("/payouts/account", json={**body, "holder": holder}, headers=signed_in(driver))
            assert refused.status_code == 422, holder
