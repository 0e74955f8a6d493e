"""The real core and the reference side by side: one does what the other does, and after every step both must say the same."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any, TypeVar
from uuid import UUID

import psycopg
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, invariant, multiple, precondition, rule
from psycopg.rows import dict_row
from tests.interleavings.town import BUS, PEOPLE, Facts, Start, Town
from tests.model.reference import LIFETIME, BookingModel, Model, PoolModel
from tests.shop import FARE, UNPAID_HOLDS_MAX, Shop

from holdfast.bookings.models import BookingId, HeldBooking
from holdfast.bookings.states import BookingState
from holdfast.common.actor import Actor, Role, UserId
from holdfast.common.errors import Refusal
from holdfast.database import Database
from holdfast.idempotency import IdempotencyKey
from holdfast.inventory import CapacityInUse
from holdfast.payments.payable import Due
from holdfast.sessions.states import SessionState

T = TypeVar("T")

START = Start(
    seats=3,
    pools={"first": 2, "second": 3},
    offers={"both": ("first", "second"), "one": ("first",), "two": ("second",)},
)
LIVE_MAX = 3
SOLD_FOR = 90
"""Minutes for which the session is sold at least."""

_SEEN = """
SELECT 'pool' AS sort, p.id, NULL::uuid AS customer_id, NULL::uuid AS owner_id,
       format('%s of %s held, %s sold%s', p.held, p.capacity, p.sold, CASE WHEN p.closed_at IS NULL THEN '' ELSE ', closed' END) AS text
  FROM pools p
UNION ALL
SELECT 'booking', b.id, b.customer_id, b.owner_id,
       format('%s %s %s%s', b.quantity, b.status, b.end_reason,
              'for ' || round(extract(epoch FROM h.expires_at - b.created_at) / 60) || ' min')
  FROM bookings b LEFT JOIN holds h ON h.id = b.id
UNION ALL
SELECT 'session', id, NULL, NULL, status FROM driver_sessions
"""


class Ground:
    """What every example stands on: one event loop, one database, one town that is put back before each."""

    def __init__(self, database_url: str, owner_url: str) -> None:
        self._runner = asyncio.Runner()
        self._database_url, self._owner_url = database_url, owner_url

    def __enter__(self) -> "Ground":
        self._runner.__enter__()
        self.run(self._open())
        return self

    def __exit__(self, *_: object) -> None:
        self.run(self._close())
        self._runner.close()

    def run(self, awaitable: Awaitable[T]) -> T:
        async def wait() -> T:
            return await awaitable

        return self._runner.run(wait())

    async def _open(self) -> None:
        self._owner = await psycopg.AsyncConnection.connect(self._owner_url, autocommit=True)
        self.database = Database(self._database_url, name="model", connections=2)
        self.town = Town(self._owner, self.database)
        self.facts: Facts = await self.town.arrange(START)

    async def _close(self) -> None:
        await self.database.close()
        await self._owner.close()

    async def pass_time(self, by: timedelta) -> None:
        await self._owner.execute("UPDATE test_clock_offset SET moved = moved + %s", (by,))

    async def seen(self) -> list[dict[str, Any]]:
        async with self._owner.cursor(row_factory=dict_row) as cursor:
            await cursor.execute(_SEEN, prepare=True)
            return await cursor.fetchall()


class SalesMachine(RuleBasedStateMachine):
    """Three people, a bus and two nights of a tour; everything that can happen to them, in any order."""

    held = Bundle("held")

    def __init__(self, ground: Ground) -> None:
        super().__init__()
        self._ground = ground
        self._facts = ground.facts
        ground.run(ground.town.put_back())
        self._shop = Shop(ground.database, "", ground.facts.tours, live_holds_max=LIVE_MAX)
        self._model = Model(
            pools={BUS: PoolModel(START.seats, session=BUS)} | {name: PoolModel(units) for name, units in START.pools.items()},
            offers={BUS: (BUS,)} | {name: tuple(pools) for name, pools in START.offers.items()},
            fares={BUS: FARE} | {name: FARE * len(pools) for name, pools in START.offers.items()},
            live_max=LIVE_MAX,
            unpaid_max=UNPAID_HOLDS_MAX,
            sessions={BUS: SessionState.ACTIVE},
        )
        self._answers: dict[str, HeldBooking] = {}
        self._keys = 0

    @initialize(target=held, who=st.sampled_from(PEOPLE), units=st.integers(1, 3))
    def somebody_comes_first(self, who: str, units: int) -> object:
        return self._try_to_hold(who, BUS, units)

    @rule(target=held, who=st.sampled_from(PEOPLE), units=st.integers(1, 3))
    def hold_seats(self, who: str, units: int) -> object:
        return self._try_to_hold(who, BUS, units)

    @rule(target=held, who=st.sampled_from(PEOPLE), offer=st.sampled_from(list(START.offers)), units=st.integers(1, 3))
    def hold_nights(self, who: str, offer: str, units: int) -> object:
        return self._try_to_hold(who, offer, units)

    def _try_to_hold(self, who: str, offer: str, units: int) -> object:
        self._keys += 1
        name = f"{who}'s {self._keys}"
        answer = self._do(lambda: self._hold(who, name, offer, units, b"hold"))
        if isinstance(answer, HeldBooking):
            self._answers[name] = answer
        self._same(self._model.hold(name, who, offer, units), "held" if isinstance(answer, HeldBooking) else _word(answer))
        return name if isinstance(answer, HeldBooking) else multiple()

    @rule(booking=held)
    def hold_again_with_its_key(self, booking: str) -> None:
        """Whatever became of it, the answer stays."""
        asked = self._booking(booking)
        answer = self._do(lambda: self._hold(asked.who, booking, asked.offer, asked.units, b"hold"))
        assert isinstance(answer, HeldBooking), answer
        assert (answer.id, answer.expires_at) == (self._answers[booking].id, self._answers[booking].expires_at)

    @rule(booking=held, offer=st.sampled_from([BUS, *START.offers]))
    def use_its_key_for_something_else(self, booking: str, offer: str) -> None:
        answer = self._do(lambda: self._hold(self._booking(booking).who, booking, offer, 1, b"another body"))
        self._same("KeyUsedForAnother", _word(answer))

    @rule(booking=held, right_amount=st.sampled_from([True, True, True, False]))
    def money_arrives(self, booking: str, right_amount: bool) -> None:
        answer = self._do(lambda: self._pay(booking, right_amount=right_amount))
        self._same(self._model.pay(booking, right_amount=right_amount), _word(answer))

    @rule(booking=held)
    def begin_to_pay(self, booking: str) -> None:
        answer = self._do(lambda: self._begin(booking))
        self._same(self._model.begin_to_pay(booking), "due" if isinstance(answer, Due) else _word(answer))

    @rule(booking=held)
    def release(self, booking: str) -> None:
        answer = self._do(lambda: self._shop.bookings.service.release(self._customer(booking), None, self._id(booking)))
        self._same(self._model.release(booking), _word(answer, "status"))

    @rule(booking=consumes(held))
    def cancel(self, booking: str) -> None:
        answer = self._do(lambda: self._shop.bookings.service.cancel(self._customer(booking), None, self._id(booking)))
        said = _word(answer) if isinstance(answer, Exception) else f"{answer.status}, {answer.refund.minor} back"
        self._same(self._model.cancel(booking), said)

    @rule(booking=held, units=st.integers(1, 3))
    def change(self, booking: str, units: int) -> None:
        answer = self._do(lambda: self._shop.bookings.service.change(self._customer(booking), None, self._id(booking), units))
        said = _word(answer) if isinstance(answer, Exception) else f"{answer.booking.status}, {answer.refund.minor} back"
        self._same(self._model.change(booking, units), said)

    @rule(booking=held)
    def a_stranger_tries_to_release_it(self, booking: str) -> None:
        stranger = Actor(UserId.new(), Role.PASSENGER)
        self._same("BookingUnknown", _word(self._do(lambda: self._shop.bookings.service.release(stranger, None, self._id(booking)))))

    @precondition(lambda self: any(booking.status is BookingState.PENDING for booking in self._model.bookings.values()))
    @rule()
    def worker_expires(self) -> None:
        self._same(str(self._model.expire()), str(self._do(self._shop.bookings.expiry.expire_some)))

    @rule(minutes=st.sampled_from([1, 2, LIFETIME, 2 * LIFETIME, 30]))
    def time_passes(self, minutes: int) -> None:
        self._ground.run(self._ground.pass_time(timedelta(minutes=minutes)))
        self._model.now += minutes

    @rule(pool=st.sampled_from(list(START.pools)), units=st.integers(1, 4))
    def resize(self, pool: str, units: int) -> None:
        answer = self._do(lambda: self._resize(pool, units))
        self._same(self._model.resize(pool, units), _word(answer) if isinstance(answer, Exception) else str(answer))

    @rule(pool=st.sampled_from(list(START.pools)), is_closed=st.booleans())
    def close_or_open_a_pool(self, pool: str, is_closed: bool) -> None:
        self._do(lambda: self._set_closed(pool, closed=is_closed))
        (self._model.close_pool if is_closed else self._model.reopen_pool)(pool)

    # Once it has ended little can happen on it, so it is sold for a while first.
    @precondition(lambda self: self._model.now >= SOLD_FOR)
    @rule(is_called_off=st.booleans())
    def driver_ends_the_session(self, is_called_off: bool) -> None:
        driver, session_id = Actor(self._facts.session.driver_id, Role.DRIVER), self._facts.session.id
        service = self._shop.sessions.service
        if is_called_off:
            answer = self._do(lambda: service.cancel(driver, None, session_id, "engine"))
        else:
            answer = self._do(lambda: service.close(driver, None, session_id))
        to = SessionState.CANCELLED if is_called_off else SessionState.CLOSED
        self._same(self._model.end_session(BUS, to), _word(answer, "status"))

    @precondition(lambda self: self._model.untold)
    @rule()
    def bookings_hear_of_it(self) -> None:
        self._do(self._shop.follow)
        self._model.tell()

    @invariant()
    def both_say_the_same(self) -> None:
        names: dict[UUID, str] = {actor.id: name for name, actor in self._facts.people.items()}
        names |= {owner_id: name for name, owner_id in self._facts.offers.items()}
        names |= {pool_id: name for name, pool_id in self._facts.pools.items()}
        names |= {self._facts.session.id: BUS, self._facts.session.pool_id: BUS}
        names |= {answer.id: name for name, answer in self._answers.items()}
        said: dict[str, str] = {}
        for row in self._ground.run(self._ground.seen()):
            words = [names[row[column]] for column in ("customer_id", "owner_id") if row[column]]
            said[f"{row['sort']} {names[row['id']]}"] = " ".join([*words, row["text"]]).strip()
        expected = self._model.seen()
        wrong = {
            what: (expected.get(what), said.get(what)) for what in expected.keys() | said.keys() if expected.get(what) != said.get(what)
        }
        assert not wrong, f"(expected, found): {wrong}"

    def teardown(self) -> None:
        assert self._ground.run(self._ground.town.look()).broken == ()

    # What the rules do, in the words of the program.

    async def _hold(self, who: str, key: str, offer: str, units: int, body: bytes) -> HeldBooking:
        kind, owner_id = self._facts.owner_of(offer)
        return await self._shop.bookings.service.hold(self._facts.people[who], IdempotencyKey(key, body), kind, owner_id, units)

    async def _pay(self, booking: str, *, right_amount: bool) -> object:
        held = self._answers[booking]
        amount = (held.fare + held.service_fee).minor - (0 if right_amount else 1)
        return await self._shop.arrive(held, amount=amount)

    async def _begin(self, booking: str) -> Due | Refusal:
        async with self._ground.database.transaction() as tx:
            locked = await self._shop.bookings.payable.lock(tx, [self._id(booking)], settling=False)
            due = (await locked.amounts_due(tx))[self._id(booking)]
            if isinstance(due, Due):
                await locked.begun(tx)
            return due

    async def _resize(self, pool: str, units: int) -> int:
        async with self._ground.database.transaction() as tx:
            return (await self._shop.inventory.resize(tx, self._facts.pools[pool], units)).capacity

    async def _set_closed(self, pool: str, *, closed: bool) -> None:
        ids = [self._facts.pools[pool]]
        async with self._ground.database.transaction() as tx:
            await self._shop.inventory.lock_pools(tx, ids)
            await (self._shop.inventory.close if closed else self._shop.inventory.reopen)(tx, ids)

    def _do(self, deed: Callable[[], Awaitable[Any]]) -> Any:
        """What it answers, or the refusal that it raises. Whatever else it raises is a failure."""
        try:
            return self._ground.run(deed())
        except (Refusal, CapacityInUse) as refusal:
            return refusal

    def _same(self, expected: str, found: str) -> None:
        assert expected == found, f"the reference says {expected}, the program {found}"

    def _booking(self, name: str) -> BookingModel:
        return self._model.bookings[name]

    def _customer(self, name: str) -> Actor:
        return self._facts.people[self._booking(name).who]

    def _id(self, name: str) -> BookingId:
        return self._answers[name].id


def _word(answer: object, attribute: str = "") -> str:
    if attribute and not isinstance(answer, Exception):
        return str(getattr(answer, attribute))
    return type(answer).__name__
