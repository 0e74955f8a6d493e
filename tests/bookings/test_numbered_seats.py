"""A kind that sells numbered seats, on the same desk as the microbus: pools of one unit each, several choices for each wish."""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text
from tests.shop import UNPAID_HOLDS_MAX, Shop, fresh_key

from holdfast.bookings.desk import Desk, HoldLimits
from holdfast.bookings.models import HeldBooking
from holdfast.bookings.seats import SoldOutMemo
from holdfast.cache import Marks, RedisLink
from holdfast.common.actor import UserId
from holdfast.common.errors import Refusal
from holdfast.common.money import egp
from holdfast.database import Database, Tx
from holdfast.inventory import NewPool, Pool, PoolId, Shortage, best_adjacent
from holdfast.resources.kind import Booked, Description, Kinds, PricedLine, Resolved, Wanted


class NoSeatsTogether(Refusal):
    """So many seats are not free beside each other. {available} are free; ask for fewer."""

    code = "no_seats_together"
    status = 409


class Hall:
    """One hall with two rows of eight, 50 EGP a seat."""

    name = "hall"
    is_uniform = False

    def __init__(self) -> None:
        self.owner_id = uuid4()
        self.rows = [[PoolId.new() for _ in range(8)] for _ in range(2)]

    async def open(self, shop: Shop) -> None:
        start = datetime(2026, 12, 1, 20, tzinfo=UTC)
        async with shop.database.transaction() as tx:
            await shop.inventory.open_pools(tx, [NewPool(pool, "hall", uuid4(), 1, start) for row in self.rows for pool in row])
        self._inventory = shop.inventory

    async def resolve(self, tx: Tx, requests: Sequence[Wanted]) -> Sequence[Resolved | Refusal]:
        free = [pool for pool, found in (await self._inventory.free(tx, [pool for row in self.rows for pool in row])).items() if found.free]
        return [self._offer(request.quantity, free) for request in requests]

    def _offer(self, quantity: int, free: Sequence[PoolId]) -> Resolved | Refusal:
        choices = [
            tuple(PricedLine(line.pool, 1, egp(50)) for line in lines) for lines in best_adjacent(self.rows, free, quantity, choices_max=99)
        ]
        if not choices:
            return NoSeatsTogether(available=len(free))
        return Resolved(choices[0], egp(50 * quantity), egp(1), UserId.new(), timedelta(minutes=5), tuple(choices[1:]))

    def refusal_of(self, shortage: Shortage) -> Refusal:
        return NoSeatsTogether(available=shortage.free)

    async def changed(self, tx: Tx, pools: Mapping[PoolId, Pool]) -> None: ...

    async def describe(self, tx: Tx, booked: Sequence[Booked]) -> Sequence[Description]:
        raise NotImplementedError


@pytest.fixture
async def shop(database: Database) -> Shop:
    return Shop(database)


def desk_for(shop: Shop, kind: Hall) -> Desk:
    return Desk(shop.database, shop.inventory, Kinds(kind), SoldOutMemo(Marks(RedisLink(""))), limits=HoldLimits(100, UNPAID_HOLDS_MAX))


async def seats_of(shop: Shop, held: HeldBooking) -> list[UUID]:
    async with shop.database.reading() as tx:
        rows = await tx.rows(
            text(
                "SELECT i.pool_id FROM booking_items i JOIN hold_lines l ON (l.hold_id, l.pool_id) = (i.booking_id, i.pool_id)"
                " WHERE i.booking_id = :id"
            ),
            id=held.id,
        )
    return [row["pool_id"] for row in rows]


async def test_everybody_gets_seats_beside_each_other_that_nobody_else_has(shop: Shop) -> None:
    hall = Hall()
    await hall.open(shop)
    desks = [desk_for(shop, hall) for _ in range(2)]
    people = [await shop.person() for _ in range(12)]
    answers = await asyncio.gather(
        *(desks[n % 2].hold(person, fresh_key(), "hall", hall.owner_id, 2) for n, person in enumerate(people)), return_exceptions=True
    )
    held = [answer for answer in answers if isinstance(answer, HeldBooking)]
    refused = [answer for answer in answers if isinstance(answer, NoSeatsTogether)]
    assert len(held) + len(refused) == 12, answers
    seats = [await seats_of(shop, each) for each in held]
    taken = [seat for pair in seats for seat in pair]
    assert len(set(taken)) == len(taken) == 2 * len(held)
    for pair in seats:
        row = next(row for row in hall.rows if pair[0] in row)
        assert abs(row.index(PoolId.of(pair[0])) - row.index(PoolId.of(pair[1]))) == 1
    # What is left are single seats: a pair is refused, and somebody alone is not.
    assert len(held) >= 6
    await shop.assert_counted()


async def test_a_pair_that_finds_none_does_not_speak_for_somebody_alone(shop: Shop) -> None:
    hall = Hall()
    hall.rows = [hall.rows[0][:3]]
    await hall.open(shop)
    desk, person = desk_for(shop, hall), await shop.person()
    await desk.hold(person, fresh_key(), "hall", hall.owner_id, 2)
    with pytest.raises(NoSeatsTogether) as refused:
        await desk.hold(person, fresh_key(), "hall", hall.owner_id, 2)
    assert refused.value.facts == {"available": 1}
    assert isinstance(await desk.hold(person, fresh_key(), "hall", hall.owner_id, 1), HeldBooking)
