"""Refresh tokens, signing out, and how soon access tokens count no longer."""

import asyncio
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text
from tests.auth.front_door import PHONE, FrontDoor
from tests.controls import without
from tests.races import guarded_and

from holdfast.auth.errors import RefreshRefused
from holdfast.auth.models import Credentials
from holdfast.common.actor import SYSTEM, Role
from holdfast.common.errors import NotSignedIn
from holdfast.database import Database

SOON_S = 1.5


async def _refresh(door: FrontDoor, token: str) -> Credentials | None:
    try:
        return await door.service.refresh(token)
    except RefreshRefused:
        return None


async def _is_let_in(door: FrontDoor, token: str) -> bool:
    try:
        await door.auth.verify(token)
    except NotSignedIn:
        return False
    return True


async def _deeds(database: Database, action: str) -> list[Any]:
    async with database.reading() as tx:
        return [dict(row) for row in await tx.rows(text("SELECT * FROM audit_logs WHERE action = :action"), action=action)]


async def _events(database: Database) -> list[Any]:
    async with database.reading() as tx:
        return [row["body"] for row in await tx.rows(text("SELECT body FROM events WHERE name = 'LoginRevoked' ORDER BY position"))]


async def test_a_refresh_token_gives_new_tokens_of_the_same_sign_in(door: FrontDoor) -> None:
    first = await door.sign_in()
    second = await _refresh(door, first.refresh_token)
    assert second is not None
    third = await _refresh(door, second.refresh_token)
    assert third is not None
    assert len({first.refresh_token, second.refresh_token, third.refresh_token}) == 3
    assert (await door.who(first.access_token)).login_id == (await door.who(third.access_token)).login_id
    assert third.user == first.user


async def test_refresh_tokens_are_kept_as_hashes(door: FrontDoor) -> None:
    first = await door.sign_in()
    second = await _refresh(door, first.refresh_token)
    assert second is not None
    async with door.database.reading() as tx:
        rows = await tx.rows(text("SELECT token_hash, t::text AS whole FROM refresh_tokens t"))
    assert len(rows) == 2
    for row in rows:
        assert len(row["token_hash"]) == 32
        assert first.refresh_token not in row["whole"]
        assert second.refresh_token not in row["whole"]


@guarded_and("auth.without_grace")
async def test_two_tabs_that_refresh_at_once_get_the_same_and_stay_signed_in(door: FrontDoor, owner_url: str, guard: str | None) -> None:
    async with without(guard, owner_url):
        first = await door.sign_in()
        tabs = await asyncio.gather(*(_refresh(door, first.refresh_token) for _ in range(20)))
        given = {tab.refresh_token for tab in tabs if tab is not None}
        assert len(given) == 1
        went_on = await _refresh(door, given.pop())
    if guard is None:
        assert None not in tabs
        assert went_on is not None
    else:
        assert None in tabs
        assert went_on is None


async def test_of_many_who_use_a_token_one_uses_it_up(door: FrontDoor) -> None:
    first = await door.sign_in()
    await asyncio.gather(*(_refresh(door, first.refresh_token) for _ in range(20)))
    async with door.database.reading() as tx:
        assert await tx.value(text("SELECT count(*) FROM refresh_tokens")) == 2
        assert await tx.value(text("SELECT count(*) FROM refresh_tokens WHERE used_at IS NOT NULL")) == 1


async def test_a_lost_reply_is_answered_again_for_ten_seconds(door: FrontDoor, move_time: Callable[[timedelta], None]) -> None:
    first = await door.sign_in()
    second = await _refresh(door, first.refresh_token)
    move_time(timedelta(seconds=9))
    again = await _refresh(door, first.refresh_token)
    assert second is not None
    assert again is not None
    assert again.refresh_token == second.refresh_token
    # Even after the tab that got its reply has gone on.
    third = await _refresh(door, second.refresh_token)
    assert third is not None
    assert await _refresh(door, second.refresh_token) is not None


async def test_an_old_token_ends_the_sign_in_for_thief_and_robbed(door: FrontDoor, move_time: Callable[[timedelta], None]) -> None:
    first, elsewhere = await door.sign_in(), await door.sign_in()
    second = await _refresh(door, first.refresh_token)
    assert second is not None
    move_time(timedelta(seconds=11))
    assert await _refresh(door, first.refresh_token) is None
    assert await _refresh(door, second.refresh_token) is None
    for token in (first.access_token, second.access_token):
        assert not await _is_let_in(door, token)
    # The person's other devices are theirs.
    assert await _is_let_in(door, elsewhere.access_token)
    assert await _refresh(door, elsewhere.refresh_token) is not None

    (deed,) = await _deeds(door.database, "login.token_reused")
    assert (deed["actor_role"], deed["entity"], deed["after"]) == ("SYSTEM", "login", {"user_id": str(first.user.id)})
    # Used again, it says nothing new.
    assert await _refresh(door, first.refresh_token) is None
    assert len(await _deeds(door.database, "login.token_reused")) == 1
    assert [event["has_ended"] for event in await _events(door.database)] == [True]


@pytest.mark.parametrize("token", ["", "x", "hfr_", "hfr_" + "A" * 43, "\x00", "ü", "hfr_" + "B" * 10_000])
async def test_what_was_never_given_out_is_refused(door: FrontDoor, token: str) -> None:
    await door.sign_in()
    assert await _refresh(door, token) is None
    assert await _deeds(door.database, "login.token_reused") == []


async def test_each_use_starts_the_thirty_days_anew_but_not_for_ever(door: FrontDoor, move_time: Callable[[timedelta], None]) -> None:
    held: Credentials | None = await door.sign_in()
    for _ in range(13):
        move_time(timedelta(days=28))
        assert held is not None
        held = await _refresh(door, held.refresh_token)
    assert held is not None
    move_time(timedelta(days=2))
    assert await _refresh(door, held.refresh_token) is None, "a sign-in lasts a year"

    held = await door.sign_in()
    assert held is not None
    move_time(timedelta(days=30, seconds=1))
    assert await _refresh(door, held.refresh_token) is None


async def test_tokens_survive_a_change_of_the_secret(database: Database) -> None:
    old = FrontDoor(database, secret="old " * 10)
    turned = FrontDoor(database, secret="new " * 10, previous="old " * 10)
    first = await old.sign_in()
    second = await _refresh(old, first.refresh_token)
    assert second is not None
    again = await _refresh(turned, first.refresh_token)
    assert again is not None
    assert again.refresh_token == second.refresh_token
    assert await _refresh(turned, second.refresh_token) is not None


@pytest.mark.parametrize("by", ["refresh token", "access token"])
async def test_who_logs_out_is_out_at_once_and_only_here(door: FrontDoor, by: str) -> None:
    here, elsewhere = await door.sign_in(), await door.sign_in()
    if by == "refresh token":
        await door.service.log_out(refresh_token=here.refresh_token)
    else:
        await door.service.log_out(access_token=here.access_token)
    assert not await _is_let_in(door, here.access_token)
    assert await _refresh(door, here.refresh_token) is None
    assert await _is_let_in(door, elsewhere.access_token)
    # Twice is as good as once, and so is what was never a token.
    await door.service.log_out(refresh_token=here.refresh_token)
    await door.service.log_out(refresh_token="hfr_nothing")
    assert len(await _events(door.database)) == 1


async def _until_refused(door: FrontDoor, token: str) -> float:
    started = time.monotonic()
    async with asyncio.timeout(10):
        while await _is_let_in(door, token):
            await asyncio.sleep(0.01)
    return time.monotonic() - started


@pytest.mark.parametrize("what", ["log out", "deactivate", "change role", "reuse"])
async def test_other_processes_know_it_soon(database: Database, move_time: Callable[[timedelta], None], what: str) -> None:
    here, there = FrontDoor(database), FrontDoor(database)
    held = await here.sign_in()
    async with there.following():
        assert await _is_let_in(there, held.access_token)
        if what == "log out":
            await here.service.log_out(refresh_token=held.refresh_token)
        elif what == "reuse":
            await here.service.refresh(held.refresh_token)
            move_time(timedelta(seconds=11))
            await _refresh(here, held.refresh_token)
        else:
            async with database.transaction() as tx:
                role, is_active = (Role.DRIVER, None) if what == "change role" else (None, False)
                await here.people.change_access(tx, SYSTEM, held.user.id, role=role, is_active=is_active)
        assert await _until_refused(there, held.access_token) < SOON_S
        went_on = await _refresh(there, held.refresh_token)
        assert (went_on is not None) == (what == "change role")
        if went_on is not None:
            assert (await there.who(went_on.access_token)).role is Role.DRIVER


async def test_without_following_nothing_would_be_known(database: Database) -> None:
    """The control of the test above."""
    here, there = FrontDoor(database), FrontDoor(database)
    held = await here.sign_in()
    assert await _is_let_in(there, held.access_token)
    await here.service.log_out(refresh_token=held.refresh_token)
    assert await _is_let_in(there, held.access_token)


async def test_a_process_that_starts_later_knows_what_was_taken_back_before(database: Database) -> None:
    here = FrontDoor(database)
    held = await here.sign_in()
    await here.service.log_out(refresh_token=held.refresh_token)
    assert not await _is_let_in(FrontDoor(database), held.access_token)


async def test_a_change_that_commits_late_is_not_missed(database: Database) -> None:
    """The transaction writes its moment, others commit and are read, then it commits."""
    here, there = FrontDoor(database), FrontDoor(database)
    held, other = await here.sign_in(), await here.sign_in(PHONE)
    revocations = there.service._revocations
    await revocations.be_ready()
    async with database.transaction() as tx:
        await here.people.change_access(tx, SYSTEM, held.user.id, is_active=False)
        await here.service.log_out(refresh_token=other.refresh_token)
        await revocations.catch_up()
        assert not await _is_let_in(there, other.access_token)
        assert await _is_let_in(there, held.access_token)
    await revocations.catch_up()
    assert not await _is_let_in(there, held.access_token)


async def test_what_expired_by_itself_is_forgotten(door: FrontDoor, monkeypatch: pytest.MonkeyPatch) -> None:
    held = await door.sign_in()
    await door.service.log_out(refresh_token=held.refresh_token)
    revocations = door.service._revocations
    await revocations.be_ready()
    assert len(revocations._generations) == 1
    now = time.monotonic()
    monkeypatch.setattr("holdfast.auth.revocations.time.monotonic", lambda: now + 700)
    revocations._forget()
    assert len(revocations._generations) == 0


async def test_nobody_is_let_in_while_it_is_unknown_what_was_taken_back() -> None:
    door = FrontDoor(Database("postgresql://nobody@127.0.0.1:1/none"))
    with pytest.raises(Exception, match=r"connection") as error:
        await door.auth.verify("anything")
    assert not isinstance(error.value, NotSignedIn)


@guarded_and("users.without_holding_still")
async def test_a_role_that_changes_during_a_sign_in_is_in_its_token_or_takes_it_back(
    door: FrontDoor, owner_url: str, guard: str | None
) -> None:
    """Sign-ins and changes of role at once: no token that counts says an old role."""
    first = await door.sign_in()
    revocations = door.service._revocations
    await revocations.be_ready()
    wrong = 0

    async def change(role: Role) -> None:
        async with door.database.transaction() as tx:
            await door.people.change_access(tx, SYSTEM, first.user.id, role=role)

    async with without(guard, owner_url):
        for turn in range(40):
            role = Role.DRIVER if turn % 2 == 0 else Role.PASSENGER
            changing = asyncio.ensure_future(change(role))
            found = await asyncio.gather(*(door.sign_in() for _ in range(8)))
            await changing
            await revocations.catch_up()
            for credentials in found:
                if await _is_let_in(door, credentials.access_token):
                    wrong += (await door.who(credentials.access_token)).role is not role
    assert wrong == 0 if guard is None else wrong > 0
