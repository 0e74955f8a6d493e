"""Codes: asked for, sent, tried, used up."""

import asyncio
import re
import statistics
import time
from collections.abc import Callable
from datetime import timedelta

import pytest
from redis.asyncio import Redis
from sqlalchemy import text
from tests.auth.front_door import ADDRESS, PHONE, TEST_PHONE, FrontDoor
from tests.controls import without
from tests.races import guarded_and

from holdfast.auth import ChallengeId, Code, CodeNotSent
from holdfast.auth.codes import BY_NETWORK, BY_PHONE, BY_PREFIX, TRIES, new_code, read_code
from holdfast.auth.errors import AccountClosed, CodeExpired, CodeWrong
from holdfast.auth.models import Credentials
from holdfast.auth.sender import ConsoleSender
from holdfast.common.actor import SYSTEM, Role
from holdfast.common.errors import Invalid, Refusal
from holdfast.common.language import Language
from holdfast.database import Database
from holdfast.limits import LimitReached

MINUTE = timedelta(minutes=1)


async def _ask(door: FrontDoor, phone: str = PHONE, address: str = ADDRESS) -> tuple[ChallengeId, str]:
    challenge = await door.service.request_code(phone, address, Language.EN)
    return challenge.id, door.inbox.codes[-1].digits


async def _answer(door: FrontDoor, challenge: ChallengeId, code: str, phone: str | None = None) -> Credentials | Refusal:
    try:
        return await door.service.verify_code(challenge, code, phone, Language.EN)
    except Refusal as refusal:
        return refusal


def _other(code: str) -> str:
    return "111111" if code != "111111" else "222222"


async def _refused(door: FrontDoor, phone: str, address: str = ADDRESS) -> bool:
    try:
        await door.service.request_code(phone, address, Language.EN)
    except LimitReached:
        return True
    return False


async def test_a_code_signs_in_and_makes_the_account(door: FrontDoor) -> None:
    challenge, code = await _ask(door)
    credentials = await _answer(door, challenge, code)
    assert isinstance(credentials, Credentials)
    assert (credentials.user.phone, credentials.user.role, credentials.user.is_verified) == (PHONE, Role.PASSENGER, True)
    assert (await door.who(credentials.access_token)).id == credentials.user.id
    again = await door.sign_in(PHONE)
    assert again.user.id == credentials.user.id


async def test_the_code_is_in_no_table_event_or_job(door: FrontDoor, superuser_url: str) -> None:
    challenge, code = await _ask(door)
    await _answer(door, challenge, code)
    async with door.database.reading() as tx:
        for table in ("otp_challenges", "events", "audit_logs", "limit_counters", "procrastinate_jobs", "logins", "refresh_tokens"):
            rows = str(await tx.rows(text(f"SELECT t::text FROM {table} t")))
            # A hash in hexadecimal may hold six such digits by chance, but no word of the row is the code.
            assert code not in re.findall(r"\w+", rows), table


async def test_a_code_is_good_once(door: FrontDoor) -> None:
    challenge, code = await _ask(door)
    assert isinstance(await _answer(door, challenge, code), Credentials)
    assert isinstance(await _answer(door, challenge, code), CodeExpired)


async def test_a_code_is_good_for_its_challenge_only(door: FrontDoor) -> None:
    first, first_code = await _ask(door)
    _, second_code = await _ask(door, "+201009999999")
    if first_code != second_code:
        assert isinstance(await _answer(door, first, second_code), CodeWrong)
    assert isinstance(await _answer(door, first, first_code, phone="+201009999999"), CodeExpired)
    assert isinstance(await _answer(door, ChallengeId.new(), first_code), CodeExpired)
    assert isinstance(await _answer(door, first, first_code, phone="0100 123 4567"), Credentials)


async def test_a_code_lives_five_minutes(door: FrontDoor, move_time: Callable[[timedelta], None]) -> None:
    challenge, code = await _ask(door)
    move_time(5 * MINUTE)
    assert isinstance(await _answer(door, challenge, code), CodeExpired)
    challenge, code = await _ask(door)
    move_time(4.9 * MINUTE)
    assert isinstance(await _answer(door, challenge, code), Credentials)


async def test_five_tries_and_no_more(door: FrontDoor) -> None:
    challenge, code = await _ask(door)
    refusals = [await _answer(door, challenge, _other(code)) for _ in range(TRIES)]
    assert [refusal.facts.get("tries_left") for refusal in refusals if isinstance(refusal, Refusal)] == [4, 3, 2, 1, None]
    assert isinstance(await _answer(door, challenge, code), CodeExpired)


@guarded_and("auth.without_single_use")
async def test_fifty_who_send_the_same_code_at_once_sign_in_once(door: FrontDoor, owner_url: str, guard: str | None) -> None:
    async with without(guard, owner_url):
        challenge, code = await _ask(door)
        outcomes = await asyncio.gather(*(_answer(door, challenge, code) for _ in range(50)))
        signed_in = sum(isinstance(outcome, Credentials) for outcome in outcomes)
    async with door.database.reading() as tx:
        assert await tx.value(text("SELECT count(*) FROM logins")) == signed_in
    assert signed_in == 1 if guard is None else signed_in > 1


@guarded_and("auth.without_tries")
async def test_a_thousand_guesses_at_once_are_five(door: FrontDoor, owner_url: str, guard: str | None) -> None:
    gate = asyncio.Semaphore(8)

    async def guess(digits: str) -> Credentials | Refusal:
        async with gate:
            return await _answer(door, challenge, digits)

    async with without(guard, owner_url):
        challenge, code = await _ask(door)
        await asyncio.gather(*(guess(f"{number:06}") for number in range(1000) if f"{number:06}" != code))
        last = await _answer(door, challenge, code)
    async with door.database.reading() as tx:
        tries = TRIES - await tx.value(text("SELECT tries_left FROM otp_challenges"))
    if guard is None:
        assert tries == TRIES
        assert isinstance(last, CodeExpired)
    else:
        assert tries > TRIES
        assert isinstance(last, Credentials)


@pytest.mark.parametrize("url", ["", "redis://127.0.0.1:1", "the real one"], ids=["without", "down", "with"])
async def test_limits_hold_whatever_becomes_of_redis(database: Database, redis_url: str, redis: Redis, url: str) -> None:
    door = FrontDoor(database, redis_url if url == "the real one" else url)
    crowd = await asyncio.gather(*(_refused(door, PHONE, f"198.51.100.{number}") for number in range(30)))
    assert crowd.count(False) == BY_PHONE.amount
    assert len(door.inbox.codes) == BY_PHONE.amount
    assert not await _refused(door, "+201112223344")
    assert (await redis.keys("limit:otp-phone:*") != []) == (url == "the real one")
    await redis.flushall()
    assert await _refused(door, PHONE)
    await door.redis.close()


async def test_one_phone_is_sent_ten_codes_a_day(door: FrontDoor, move_time: Callable[[timedelta], None]) -> None:
    async with door.database.reading() as tx:
        # Whole days are counted: begin at the start of one.
        left: timedelta = await tx.value(text("SELECT date_trunc('day', business_now()) + interval '1 day' - business_now()"))
    move_time(left + MINUTE)
    for _ in range(4):
        while not await _refused(door, PHONE):
            pass
        move_time(10 * MINUTE)
    assert len(door.inbox.codes) == 10
    move_time(timedelta(days=1))
    assert not await _refused(door, PHONE)


async def test_one_neighbour_is_limited_whichever_phones_and_addresses_he_uses(door: FrontDoor) -> None:
    def phone(number: int) -> str:
        return f"+2010{number:04}1234"

    def address(number: int) -> str:
        return f"2001:db8:7:7:{number:x}::{number:x}"

    outcomes = [await _refused(door, phone(2000 + number), address(number)) for number in range(BY_NETWORK.amount + 5)]
    assert outcomes == [False] * BY_NETWORK.amount + [True] * 5
    assert not await _refused(door, phone(9000), "2001:db8:7:8::1")


async def test_a_block_of_numbers_is_limited_from_wherever(door: FrontDoor) -> None:
    outcomes = [await _refused(door, f"+20100123{number:04}", f"198.51.{number}.1") for number in range(BY_PREFIX.amount + 5)]
    assert outcomes == [False] * BY_PREFIX.amount + [True] * 5
    assert not await _refused(door, "+201112223344", "198.51.100.1")


async def test_limits_keep_no_phone(door: FrontDoor) -> None:
    await _ask(door)
    async with door.database.reading() as tx:
        kept = str(await tx.rows(text("SELECT * FROM limit_counters")))
    assert "1234567" not in kept
    assert "1001234" not in kept


@pytest.mark.parametrize("careful", [True, False], ids=["guarded", "control"])
async def test_whether_somebody_has_an_account_cannot_be_told(door: FrontDoor, monkeypatch: pytest.MonkeyPatch, careful: bool) -> None:
    """The same answer and, over many tries in turn, the same time."""
    known = [f"+2011{number:03}00001" for number in range(25)]
    strange = [f"+2012{number:03}00001" for number in range(25)]
    async with door.database.transaction() as tx:
        for phone in known:
            await door.people.sign_in(tx, phone, Language.EN)

    async def greet(code: Code) -> None:
        async with door.database.transaction() as tx:
            person = await door.people.with_phone(tx, code.phone)
        await asyncio.sleep(0.02 if person else 0)

    if not careful:
        monkeypatch.setattr(door.inbox, "send", greet)
    times: dict[str, list[float]] = {"known": [], "strange": []}
    for pair in zip(known, strange, strict=True):
        for name, phone in zip(("known", "strange"), pair, strict=True):
            started = time.perf_counter()
            await door.service.request_code(phone, ADDRESS, Language.EN)
            times[name].append(time.perf_counter() - started)
    slow, fast = sorted(statistics.median(each) for each in times.values())[::-1]
    assert (slow / fast < 1.5) == careful
    async with door.database.reading() as tx:
        assert await tx.value(text("SELECT count(*) FROM users")) == len(known)


async def test_a_closed_account_is_told_only_to_its_owner(door: FrontDoor) -> None:
    credentials = await door.sign_in(PHONE)
    async with door.database.transaction() as tx:
        await door.people.change_access(tx, SYSTEM, credentials.user.id, is_active=False)
    challenge, code = await _ask(door)
    assert isinstance(await _answer(door, challenge, _other(code)), CodeWrong)
    assert isinstance(await _answer(door, challenge, code), AccountClosed)
    assert isinstance(await _answer(door, challenge, code), CodeExpired)


async def test_a_test_phone_is_sent_nothing_and_counts_for_nothing(door: FrontDoor) -> None:
    for _ in range(BY_NETWORK.amount + 1):
        challenge = await door.service.request_code(TEST_PHONE, ADDRESS, Language.EN)
    assert door.inbox.codes == []
    assert isinstance(await _answer(door, challenge.id, "000001"), CodeWrong)
    assert isinstance(await _answer(door, challenge.id, "000000"), Credentials)
    async with door.database.reading() as tx:
        assert await tx.value(text("SELECT count(*) FROM limit_counters")) == 0


@pytest.mark.parametrize("phone", ["+201000112345", "+201000912345", PHONE])
async def test_phones_beside_the_test_range_are_ordinary(door: FrontDoor, phone: str) -> None:
    challenge, code = await _ask(door, phone)
    assert len(door.inbox.codes) == 1
    if code != "000000":
        assert isinstance(await _answer(door, challenge, "000000"), CodeWrong)


async def test_test_phones_are_ordinary_where_they_are_not_accepted(database: Database) -> None:
    here, in_production = FrontDoor(database), FrontDoor(database, accepts_test_phones=False)
    challenge, code = await _ask(in_production, TEST_PHONE)
    if code != "000000":
        assert isinstance(await _answer(in_production, challenge, "000000"), CodeWrong)
    # A challenge from before the settings changed.
    old = await here.service.request_code(TEST_PHONE, ADDRESS, Language.EN)
    assert isinstance(await _answer(in_production, old.id, "000000"), CodeExpired)
    async with database.reading() as tx:
        assert await tx.value(text("SELECT count(*) FROM users")) == 0


async def test_an_admin_is_never_signed_in_with_the_code_of_tests(door: FrontDoor) -> None:
    before = await door.service.request_code(TEST_PHONE, ADDRESS, Language.EN)
    invited, code = await door.invitations.invite_admin(TEST_PHONE)
    assert isinstance(await _answer(door, before.id, "000000"), CodeExpired)
    challenge, sent = await _ask(door, TEST_PHONE)
    if sent != "000000":
        assert isinstance(await _answer(door, challenge, "000000"), CodeWrong)
    credentials = await _answer(door, invited.id, code)
    assert isinstance(credentials, Credentials)
    assert credentials.user.role is Role.ADMIN


async def test_a_message_that_does_not_go_out_is_told(door: FrontDoor, monkeypatch: pytest.MonkeyPatch) -> None:
    async def hang(code: Code) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(door.inbox, "send", hang)
    monkeypatch.setattr("holdfast.auth.service.SEND_DEADLINE_S", 0.05)
    with pytest.raises(CodeNotSent):
        await door.service.request_code(PHONE, ADDRESS, Language.EN)


async def test_the_console_shows_the_code() -> None:
    lines: list[str] = []
    await ConsoleSender(lines.append).send(Code(PHONE, "012345", 5 * MINUTE, Language.AR))
    assert lines == ["sign-in code for +201001234567: 012345"]


def test_messages_are_in_the_language_of_who_asked() -> None:
    assert Code(PHONE, "012345", 5 * MINUTE, Language.EN).text.startswith("012345 is your Holdfast sign-in code")
    assert "012345" in Code(PHONE, "012345", 5 * MINUTE, Language.AR).text
    assert "رمز" in Code(PHONE, "012345", 5 * MINUTE, Language.AR).text


def test_codes_are_of_any_digits() -> None:
    codes = [new_code() for _ in range(4000)]
    assert all(re.fullmatch(r"[0-9]{6}", code) for code in codes)
    assert len(set(codes)) > 3900
    for place in range(6):
        assert {code[place] for code in codes} == set("0123456789")


def test_a_code_may_be_typed_with_arabic_digits() -> None:
    assert read_code("٠١٢٣٤٥") == "012345"
    for typed in ("", "12345", "1234567", "12345x", "½23456", "²12345x", "12 456", "\x00" * 6):
        with pytest.raises(Invalid):
            read_code(typed)


async def test_what_is_over_is_deleted(door: FrontDoor, move_time: Callable[[timedelta], None]) -> None:
    challenge, code = await _ask(door)
    await _answer(door, challenge, code)
    await door.service.forget_old()
    tables = ("otp_challenges", "limit_counters", "logins", "refresh_tokens")
    async with door.database.reading() as tx:
        assert [await tx.value(text(f"SELECT count(*) > 0 FROM {table}")) for table in tables] == [True] * 4
    move_time(timedelta(days=32))
    await door.service.forget_old()
    async with door.database.reading() as tx:
        assert [await tx.value(text(f"SELECT count(*) > 0 FROM {table}")) for table in tables] == [False] * 4
        assert await tx.value(text("SELECT count(*) FROM users")) == 1
