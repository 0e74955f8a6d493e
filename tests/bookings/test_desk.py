"""The desk: what is stuck does not stop the rest."""

import asyncio
from collections.abc import AsyncIterator

import psycopg
import pytest
from tests.shop import Shop, fresh_key

from holdfast.bookings import seats
from holdfast.bookings.models import HeldBooking
from holdfast.common.errors import Overloaded
from holdfast.database import Database
from holdfast.idempotency import IdempotencyKey
from holdfast.idempotency.errors import KeyUsedForAnother, StillRunning
from holdfast.sessions.errors import SoldOut

STUCK, FREE = 16, 8


@pytest.fixture
async def desk_database(database_url: str) -> AsyncIterator[Database]:
    """As few connections as a process has for its desk."""
    few = Database(database_url, name="test desk", connections=3, readers=0)
    yield few
    await few.close()


@pytest.mark.parametrize("guard", [None, "without turns"], ids=["guarded", "control"])
async def test_parts_of_a_batch_do_not_lose_their_turn_to_stuck_pools(
    database: Database, desk_database: Database, owner_url: str, guard: str | None
) -> None:
    if guard is not None:
        desk_database.transactions_max = STUCK + FREE
    shop = Shop(database, desk_database=desk_database)
    await shop.open()
    sessions = [await shop.session() for _ in range(STUCK + FREE)]
    people = [await shop.person() for _ in sessions]
    async with await psycopg.AsyncConnection.connect(owner_url) as somebody:
        await somebody.execute("SELECT 1 FROM pools WHERE owner_id = ANY(%s) FOR UPDATE", ([session.id for session in sessions[:STUCK]],))
        wishes = (shop.hold(person, session) for person, session in zip(people, sessions, strict=True))
        answers = await asyncio.gather(*wishes, return_exceptions=True)
    assert all(isinstance(answer, Overloaded) for answer in answers[:STUCK]), answers[:STUCK]
    held = sum(isinstance(answer, HeldBooking) for answer in answers[STUCK:])
    assert held == FREE if guard is None else held < FREE
    await shop.assert_counted()


@pytest.fixture
def long_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is sold out stays so in memory for as long as the test runs."""
    monkeypatch.setattr(seats, "REMEMBERED_S", 3600.0)


async def test_what_was_sold_out_a_moment_ago_is_refused_without_a_claim(shop: Shop, long_memory: None) -> None:
    session, person, key = await shop.session(seats=1), await shop.person(), fresh_key()
    held = await shop.hold(person, session, key=key)
    with pytest.raises(SoldOut):
        await shop.hold(await shop.person(), session)
    await shop.bookings.service.release(person, None, held.id)
    # The seat is free again, and nobody has looked.
    with pytest.raises(SoldOut) as refused:
        await shop.hold(await shop.person(), session)
    assert refused.value.facts["available"] == 0
    # Whoever was granted something before is told so again, and by this alone.
    again = IdempotencyKey(key.text, key.fingerprint)
    assert await shop.hold(person, session, key=again) == held
    assert again.replayed
    with pytest.raises(KeyUsedForAnother):
        await shop.hold(person, session, key=IdempotencyKey(key.text, b"another body"))
    # Another session is not touched by it, and neither is one beside it in the same batch.
    other = await shop.session(seats=1)
    answers = await asyncio.gather(shop.hold(await shop.person(), session), shop.hold(await shop.person(), other), return_exceptions=True)
    assert isinstance(answers[0], SoldOut)
    assert isinstance(answers[1], HeldBooking)
    assert await shop.count_of("idempotency_keys") == 2


async def test_a_key_that_is_still_running_does_not_stop_others_at_the_same_session(shop: Shop, owner_url: str) -> None:
    session, stuck, other = await shop.session(seats=2), await shop.person(), await shop.person()
    insert = "INSERT INTO idempotency_keys (actor_id, key, fingerprint) VALUES (%s, 'running', 'fingerprint')"
    async with await psycopg.AsyncConnection.connect(owner_url) as somebody:
        await somebody.execute(insert, (stuck.id,))
        answers = await asyncio.gather(
            shop.hold(stuck, session, key=IdempotencyKey("running", b"fingerprint")), shop.hold(other, session), return_exceptions=True
        )
        await somebody.rollback()
    assert isinstance(answers[0], StillRunning)
    assert isinstance(answers[1], HeldBooking)
    assert await shop.hold(stuck, session, key=IdempotencyKey("running", b"fingerprint"))
    await shop.assert_counted()


async def test_two_requests_with_one_key_in_one_batch_are_one(shop: Shop) -> None:
    session, person, key = await shop.session(), await shop.person(), fresh_key()
    keys = [IdempotencyKey(key.text, key.fingerprint) for _ in range(3)] + [IdempotencyKey(key.text, b"another body")]
    # The first batches run already, so these four meet in one.
    busy = [asyncio.ensure_future(shop.hold(await shop.person(), session)) for _ in range(2)]
    answers = await asyncio.gather(*(shop.hold(person, session, key=each) for each in keys), return_exceptions=True)
    await asyncio.gather(*busy)
    assert isinstance(answers[3], KeyUsedForAnother)
    assert all(isinstance(answer, HeldBooking) and answer == answers[0] for answer in answers[:3])
    assert sorted(each.replayed for each in keys[:3]) == [False, True, True]
    assert await shop.count_of("bookings") == 3
