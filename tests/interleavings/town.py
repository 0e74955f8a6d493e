"""A small state to fight over, made by the program itself, and put back before each run."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import psycopg
from psycopg import sql
from psycopg.rows import dict_row
from tests.bookings.test_life import HOLD_LIFETIME
from tests.shop import FARE, Shop, fresh_key

from holdfast.app.check.invariants import invariants, known_states
from holdfast.bookings.models import HeldBooking
from holdfast.common.actor import Actor, UserId
from holdfast.common.errors import Refusal
from holdfast.common.money import Amount, egp
from holdfast.database import Database, Tx
from holdfast.inventory import NewPool, Pool, PoolId, Shortage
from holdfast.resources.kind import Booked, Description, PricedLine, Resolved, Wanted
from holdfast.sessions.errors import SessionClosedAlready, SoldOut
from holdfast.sessions.kind import SESSION_KIND
from holdfast.sessions.models import Session

TOUR_KIND = "tour"
BUS = "bus"
PEOPLE = ("amal", "badr", "celia")
LIVE_HOLDS_MAX = 100

# What concerns pools, holds and bookings. Money is given to the Payable here, so the books of payments have nothing to say.
JUDGED = (
    "i1_bounds",
    "i1_counters",
    "i2_units",
    "i2_held",
    "i2_deadlines",
    "i5_keys",
    "i8_sold",
    "i8_items",
    "i9_states",
    "i9_sessions",
    "i9_booking_moves",
    "i9_session_moves",
)

# Put back in this order, taken away in the other.
_TABLES = (
    "driver_sessions",
    "pools",
    "holds",
    "hold_lines",
    "sold_lines",
    "bookings",
    "booking_items",
    "idempotency_keys",
    "events",
    "audit_logs",
)


class Tours:
    """A kind of resource for tests: an owner offers the same number of units of each of several pools, for a night's fare each."""

    name = TOUR_KIND
    is_uniform = True

    def __init__(self, offers: Mapping[UUID, Sequence[PoolId]]) -> None:
        self._offers = offers
        self._guide = UserId.new()

    async def resolve(self, tx: Tx, requests: Sequence[Wanted]) -> Sequence[Resolved | Refusal]:
        return [self._resolved(request) for request in requests]

    def _resolved(self, request: Wanted) -> Resolved:
        price = egp(FARE // 100 * request.quantity)
        lines = tuple(PricedLine(pool, request.quantity, price) for pool in self._offers[request.owner_id])
        fare = Amount(price.currency, price.minor * len(lines))
        return Resolved(lines, fare, egp(1), self._guide, HOLD_LIFETIME)

    def refusal_of(self, shortage: Shortage) -> Refusal:
        return SessionClosedAlready() if shortage.closed else SoldOut(available=shortage.free)

    async def changed(self, tx: Tx, pools: Mapping[PoolId, Pool]) -> None:
        """Nothing becomes full here."""

    async def describe(self, tx: Tx, booked: Sequence[Booked]) -> Sequence[Description]:
        now = datetime.now(UTC)
        return [Description("جولة", "Tour", "", "", now, None) for _ in booked]


@dataclass(frozen=True)
class Wish:
    """Somebody, what he wants (the bus, or an offer by name), and how many units of it."""

    who: str
    what: str = BUS
    units: int = 1


@dataclass(frozen=True)
class Start:
    """How the world is when everybody begins. Units of ``pools``; ``offers`` name the pools that one of them takes."""

    seats: int = 0
    pools: Mapping[str, int] = field(default_factory=dict)
    offers: Mapping[str, Sequence[str]] = field(default_factory=dict)
    paid: Sequence[Wish] = ()
    lapsed: Sequence[Wish] = ()
    held: Sequence[Wish] = ()


@dataclass
class Facts:
    """What the start made, by name."""

    people: dict[str, Actor] = field(default_factory=dict)
    bus: Session | None = None
    pools: dict[str, PoolId] = field(default_factory=dict)
    offers: dict[str, UUID] = field(default_factory=dict)
    held: dict[str, HeldBooking] = field(default_factory=dict)
    tours: Tours = field(default_factory=lambda: Tours({}))

    @property
    def session(self) -> Session:
        assert self.bus is not None
        return self.bus

    def owner_of(self, what: str) -> tuple[str, UUID]:
        return (SESSION_KIND, self.session.id) if what == BUS else (TOUR_KIND, self.offers[what])

    def shop(self, database: Database) -> Shop:
        """The program as one process runs it."""
        return Shop(database, "", self.tours, live_holds_max=LIVE_HOLDS_MAX)


@dataclass(frozen=True)
class State:
    """What is left, in words that are the same in every run."""

    pools: tuple[str, ...]
    bookings: tuple[str, ...]
    session: str
    broken: tuple[str, ...]
    """Invariants that do not hold, with the rows that say so."""


class Town:
    """Makes a start, puts it back, and says what is left. ``owner`` may do what the program may not."""

    def __init__(self, owner: psycopg.AsyncConnection[Any], database: Database) -> None:
        self._owner = owner
        self._database = database
        self._put_back = b""
        self._judgement = _judgement()
        self.facts = Facts()
        self.lapses = False

    async def arrange(self, start: Start) -> Facts:
        """Make the start by the program's own functions, and remember it."""
        await self._clear()
        facts = self.facts = Facts()
        shop = facts.shop(self._database)
        await shop.open()
        if start.seats:
            facts.bus = await shop.session(start.seats)
        await self._open_pools(shop, start)
        facts.tours = Tours({facts.offers[name]: [facts.pools[pool] for pool in offer] for name, offer in start.offers.items()})
        shop = facts.shop(self._database)
        for name in PEOPLE:
            facts.people[name] = await shop.person()
        for wish in start.paid:
            await shop.arrive(await self._hold(shop, wish))
        for wish in start.lapsed:
            await self._hold(shop, wish)
        if start.lapsed:
            await self.pass_time()
        for wish in start.held:
            await self._hold(shop, wish)
        await self._keep()
        return facts

    async def put_back(self) -> None:
        """The start again, at the moment at which it was made."""
        await self._owner.execute(self._put_back)

    async def pass_time(self) -> None:
        """Every deadline that was set until now passes."""
        await self._owner.execute("UPDATE test_clock_offset SET moved = moved + %s", (HOLD_LIFETIME,))

    async def look(self) -> State:
        async with self._owner.cursor(row_factory=dict_row) as cursor:
            await cursor.execute(self._judgement, known_states(), prepare=True)
            broken = [f"{row['name']}: {row['offending']}" for row in await cursor.fetchall()]
            await cursor.execute(_STATE, prepare=True)
            rows = await cursor.fetchall()
        names: dict[UUID, str] = {actor.id: name for name, actor in self.facts.people.items()}
        names |= {pool: name for name, pool in self.facts.pools.items()}
        names |= {offer: name for name, offer in self.facts.offers.items()}
        if self.facts.bus:
            names |= {self.facts.bus.id: BUS, self.facts.bus.pool_id: BUS}
        said: dict[str, list[str]] = {"pool": [], "booking": [], "session": []}
        for row in rows:
            what = [names.get(row[column], "") for column in ("first", "second") if row[column]]
            said[row["sort"]].append(" ".join([*what, row["text"]]))
        return State(tuple(sorted(said["pool"])), tuple(sorted(said["booking"])), " ".join(said["session"]), tuple(broken))

    async def _clear(self) -> None:
        for table in reversed(_TABLES):
            await self._owner.execute(sql.SQL("DELETE FROM {}").format(sql.Identifier(table)))
        await self._owner.execute("UPDATE test_clock_offset SET moved = '0'")

    async def _open_pools(self, shop: Shop, start: Start) -> None:
        # Named in the order of their ids, which is the order in which they are locked.
        self.facts.pools = dict(zip(start.pools, sorted(PoolId.new() for _ in start.pools), strict=True))
        self.facts.offers = {name: uuid4() for name in start.offers}
        opened = datetime(2026, 11, 21, tzinfo=UTC)
        pools = [NewPool(self.facts.pools[name], TOUR_KIND, uuid4(), units, opened) for name, units in start.pools.items()]
        async with self._database.transaction() as tx:
            await shop.inventory.open_pools(tx, pools)

    async def _hold(self, shop: Shop, wish: Wish) -> HeldBooking:
        kind, owner_id = self.facts.owner_of(wish.what)
        held = await shop.bookings.service.hold(self.facts.people[wish.who], fresh_key(), kind, owner_id, wish.units)
        self.facts.held[wish.who] = held
        return held

    async def _keep(self) -> None:
        await self._owner.execute("CREATE SCHEMA IF NOT EXISTS kept")
        statements = [sql.SQL("DELETE FROM {}").format(sql.Identifier(table)) for table in reversed(_TABLES)]
        for table in _TABLES:
            here, kept = sql.Identifier(table), sql.Identifier("kept", table)
            await self._owner.execute(sql.SQL("DROP TABLE IF EXISTS {}").format(kept))
            await self._owner.execute(sql.SQL("CREATE TABLE {} AS TABLE {}").format(kept, here))
            if (await (await self._owner.execute(sql.SQL("SELECT count(*) FROM {}").format(kept))).fetchone() or (0,))[0]:
                statements.append(sql.SQL("INSERT INTO {} TABLE {}").format(here, kept))
        row = await (
            await self._owner.execute("SELECT business_now(), exists(SELECT FROM holds WHERE expires_at <= business_now())")
        ).fetchone()
        assert row is not None
        at, self.lapses = row
        # However long exploring takes, each run begins at the same moment of business time.
        statements.append(sql.SQL("UPDATE test_clock_offset SET moved = {} - statement_timestamp()").format(sql.Literal(at)))
        self._put_back = sql.SQL("; ").join(statements).as_bytes(self._owner)


_STATE = """
SELECT 'pool' AS sort, p.id AS first, NULL::uuid AS second,
       format('%s of %s held, %s sold%s', p.held, p.capacity, p.sold, CASE WHEN p.closed_at IS NULL THEN '' ELSE ', closed' END) AS text
  FROM pools p
UNION ALL
SELECT 'booking', customer_id, owner_id, format('%s %s %s', quantity, status, end_reason) FROM bookings
UNION ALL
SELECT 'session', NULL, NULL, status FROM driver_sessions
"""


def _judgement() -> bytes:
    known = {invariant.name: invariant.query.text for invariant in invariants()}
    parts = [f"SELECT '{name}' AS name, to_jsonb(o)::text AS offending FROM ({known[name]}) AS o" for name in JUDGED]
    return " UNION ALL ".join(parts).encode()
