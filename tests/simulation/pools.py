"""The core alone: several pools in one request, several requests in one transaction, and what was granted, sold and given back.

It has no bookings that would remember, so each answer is kept under its key in the commit that made it true.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, ClassVar
from uuid import UUID, uuid5

from msgspec import Struct
from tests.simulation.schedule import Process
from tests.simulation.simulation import Known, Simulation, Wish

from holdfast import idempotency
from holdfast.cache import RedisLink
from holdfast.common.actor import Actor, Role, UserId
from holdfast.common.errors import Refusal
from holdfast.database import Database, Tx, retried
from holdfast.idempotency import IdempotencyKey
from holdfast.inventory import ClaimRequest, HoldId, Inventory, Line, NewPool, Pool, PoolId

POOLS = 7
CAPACITY_MAX = 12
LINES_MAX = 4
REQUESTS_MAX = 3
EXPIRE_BATCH = 20


class NothingLeft(Refusal):
    """Nothing of what was asked for could be done."""

    code = "nothing_left"
    status = 409


class Moved(Struct, frozen=True):
    """The holds that an operation moved: granted, sold, released or given back."""

    holds: tuple[HoldId, ...]


class Silent:
    """An owner of holds that has nothing to write down."""

    async def given_back(self, tx: Tx, hold_ids: Sequence[HoldId], pools: Mapping[PoolId, Pool]) -> None:
        """Nobody else wants to know."""


@dataclass
class Booth:
    """A process of the program that has the core and nothing else."""

    process: Process
    database: Database
    inventory: Inventory

    @property
    def redis(self) -> RedisLink | None:
        return None

    @retried
    async def claim(self, actor: Actor, key: IdempotencyKey, requests: Sequence[ClaimRequest]) -> Moved:
        async with self.database.transaction() as tx, idempotency.once(tx, actor, key, Moved) as once:
            if once.replay:
                return once.replay
            claim = await self.inventory.claim(tx, requests)
            return once.keep(_some(request.hold for request in requests if request.hold in claim.granted))

    @retried
    async def confirm(self, actor: Actor, key: IdempotencyKey, holds: Sequence[HoldId]) -> Moved:
        async with self.database.transaction() as tx, idempotency.once(tx, actor, key, Moved) as once:
            if once.replay:
                return once.replay
            return once.keep(_some(await self.inventory.confirm(tx, await self._lock(tx, holds))))

    @retried
    async def release(self, actor: Actor, key: IdempotencyKey, holds: Sequence[HoldId]) -> Moved:
        async with self.database.transaction() as tx, idempotency.once(tx, actor, key, Moved) as once:
            if once.replay:
                return once.replay
            return once.keep(_some({line.hold_id for line in await self.inventory.release(tx, await self._lock(tx, holds))}))

    @retried
    async def give_back(self, actor: Actor, key: IdempotencyKey, holds: Sequence[HoldId]) -> Moved:
        async with self.database.transaction() as tx, idempotency.once(tx, actor, key, Moved) as once:
            if once.replay:
                return once.replay
            return once.keep(_some({line.hold_id for line in await self.inventory.give_back(tx, await self._lock(tx, holds))}))

    @retried
    async def extend(self, actor: Actor, key: IdempotencyKey, hold: HoldId, by: timedelta) -> Moved:
        async with self.database.transaction() as tx, idempotency.once(tx, actor, key, Moved) as once:
            if once.replay:
                return once.replay
            locked = (await self.inventory.lock_holds(tx, [hold])).get(hold)
            extended = await self.inventory.extend(tx, hold, locked.expires_at + by) if locked else None
            return once.keep(_some([hold] if extended else []))

    @retried
    async def close(self, pool: PoolId) -> None:
        async with self.database.transaction() as tx:
            await self.inventory.lock_pools(tx, [pool])
            await self.inventory.close(tx, [pool])

    @retried
    async def expire(self) -> int:
        async with self.database.transaction() as tx:
            return await self.inventory.expire(tx, EXPIRE_BATCH)

    async def _lock(self, tx: Tx, holds: Sequence[HoldId]) -> list[HoldId]:
        """Those that are there, locked: one that is granted a moment later is none of ours."""
        locked = list(await self.inventory.lock_holds(tx, holds))
        await self.inventory.lock_pools(tx, await self.inventory.pools_of(tx, locked))
        return locked


def _some(holds: Any) -> Moved:
    """Raises NothingLeft where it is none: then the key is free again."""
    moved = Moved(tuple(sorted(holds)))
    if not moved.holds:
        raise NothingLeft
    return moved


class Pools(Simulation[Booth]):
    """A simulation of the core."""

    operations: ClassVar[Mapping[str, int]] = {
        "claim": 34,
        "repeat": 12,
        "confirm": 16,
        "release": 6,
        "give_back": 8,
        "extend": 5,
        "expire": 12,
        "close": 1,
        "time_passes": 6,
    }

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._pools: dict[PoolId, int] = {}
        self._asked: dict[HoldId, dict[PoolId, int]] = {}
        self._sent: dict[str, list[Wish[Booth]]] = {"claim": [], "confirm": [], "release": [], "give_back": []}

    def start(self, process: Process, database: Database, redis_url: str) -> Booth:
        inventory = Inventory()
        inventory.owner = Silent()
        return Booth(process, database, inventory)

    async def settle_down(self, running: Booth) -> None:
        async with running.database.transaction() as tx:
            new = [
                NewPool(PoolId.new(), "test", UserId.new(), self.dice.randint(2, CAPACITY_MAX), self.schedule.began) for _ in range(POOLS)
            ]
            await running.inventory.open_pools(tx, new)
        self._pools = {pool.id: pool.capacity for pool in new}

    async def claim(self, running: Booth) -> None:
        requests = [self._request() for _ in range(self.dice.randint(1, REQUESTS_MAX))]
        self._asked |= {request.hold: _wanted(request) for request in requests}
        await self._ask("claim", running, lambda booth, actor, key: booth.claim(actor, key, requests))

    def _request(self) -> ClaimRequest:
        pools = [self.dice.choice(list(self._pools)) for _ in range(self.dice.randint(1, LINES_MAX))]
        # Two lines on one pool are for bookings that ask so; the table of lines has one for each pool.
        lines = tuple(Line(pool, self.dice.randint(1, 3)) for pool in dict.fromkeys(pools))
        return ClaimRequest(HoldId.new(), lines, timedelta(seconds=self.dice.randint(20, 300)))

    async def confirm(self, running: Booth) -> None:
        holds = self._some_holds()
        await self._ask("confirm", running, lambda booth, actor, key: booth.confirm(actor, key, holds))

    async def release(self, running: Booth) -> None:
        holds = self._some_holds()
        await self._ask("release", running, lambda booth, actor, key: booth.release(actor, key, holds))

    async def give_back(self, running: Booth) -> None:
        holds = self._some_holds()
        await self._ask("give_back", running, lambda booth, actor, key: booth.give_back(actor, key, holds))

    async def extend(self, running: Booth) -> None:
        holds, by = self._some_holds(), timedelta(seconds=self.dice.randint(1, 200))
        if holds:
            await self._ask("", running, lambda booth, actor, key: booth.extend(actor, key, holds[0], by))

    async def expire(self, running: Booth) -> None:
        await running.expire()

    async def close(self, running: Booth) -> None:
        if self.dice.random() < 1 / 3:
            await running.close(self.dice.choice(list(self._pools)))

    async def work_off(self, running: Booth) -> None:
        while await running.expire():
            pass

    async def count_undone(self) -> int:
        return len(await self.rows("SELECT 1 FROM holds"))

    async def _ask(self, what: str, running: Booth, ask: Any) -> None:
        actor = Actor(UserId.of(uuid5(UUID(int=0), str(self.dice.randrange(5)))), Role.PASSENGER)
        wish = self.wish(actor, ask)
        self._sent.setdefault(what, []).append(wish)
        await self.send(running, wish)

    def _some_holds(self) -> list[HoldId]:
        recent = list(self._asked)[-30:]
        return sorted({self.dice.choice(recent) for _ in range(self.dice.randint(1, 3))}) if recent else []

    def _moved(self, what: str) -> set[HoldId]:
        done = [wish.answer for wish in self._sent[what] if wish.known is Known.DONE]
        holds = [hold for answer in done if isinstance(answer, Moved) for hold in answer.holds]
        self.wrong += [f"{hold} was moved twice: {what}" for hold in set(holds) if holds.count(hold) > 1]
        return set(holds)

    async def judge(self) -> None:
        granted, sold, released, returned = (self._moved(what) for what in ("claim", "confirm", "release", "give_back"))
        self.wrong += [f"{hold} was sold and never granted" for hold in (sold | released) - granted]
        self.wrong += [f"{hold} was released and sold" for hold in sold & released]
        self.wrong += [f"{hold} was given back and never sold" for hold in returned - sold]
        expected = {(hold, pool): quantity for hold in sold - returned for pool, quantity in self._asked[hold].items()}
        found = {(row[0], row[1]): row[2] for row in await self.rows("SELECT hold_id, pool_id, quantity FROM sold_lines")}
        self.wrong += [f"sold, and not there: {line}" for line in expected.keys() - found.keys()]
        self.wrong += [f"there, and sold to nobody: {line}" for line in found.keys() - expected.keys()]
        self.wrong += [f"{line} has another quantity" for line in found.keys() & expected.keys() if found[line] != expected[line]]
        left = await self.rows("SELECT id FROM holds UNION ALL SELECT hold_id FROM hold_lines")
        self.wrong += [f"{row[0]} is held for ever" for row in left]
        for pool, capacity in self._pools.items():
            taken = sum(quantity for (_, of), quantity in expected.items() if of == pool)
            now = (await self.rows(f"SELECT capacity, held, sold FROM pools WHERE id = '{pool.hex}'"))[0]
            if now != (capacity, 0, taken) or taken > capacity:
                self.wrong.append(f"{pool} of {capacity}, of which {taken} were sold, says {now}")
        await self.examine(only=("i1_bounds", "i1_counters", "i2_units", "i5_keys"))


def _wanted(request: ClaimRequest) -> dict[PoolId, int]:
    return {line.pool: line.quantity for line in request.lines}
