"""The desk: what is stuck does not stop the rest."""

import asyncio
from collections.abc import AsyncIterator

import psycopg
import pytest
from tests.shop import Shop

from holdfast.bookings.models import HeldBooking
from holdfast.common.errors import Overloaded
from holdfast.database import Database

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
