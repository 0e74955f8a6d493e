"""The core without HTTP, in a process of its own: outcomes of payments, and requests for several nights.

``python -m holdfast.app.bench.core JOB RESULT`` reads a CoreJob and writes a CoreResult. The database is that of the settings.
"""

import asyncio
import sys
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from uuid import UUID, uuid4

import msgspec
import uvloop
from msgspec import Struct

from holdfast.app.bench import numbers
from holdfast.app.bench.figures import percentile
from holdfast.app.settings import load_settings
from holdfast.app.wiring import CURRENCY
from holdfast.bookings import module as bookings_module
from holdfast.bookings.desk import HoldLimits
from holdfast.bookings.models import PAYABLE_KIND
from holdfast.cache import Marks, RedisLink
from holdfast.common.actor import Actor, Role
from holdfast.common.batching import SIZE_MAX
from holdfast.common.errors import Refusal
from holdfast.common.money import Amount
from holdfast.config import Settings
from holdfast.database import Database, Tx
from holdfast.idempotency import IdempotencyKey
from holdfast.inventory import POOL_WAIT_MS, Inventory, Pool, PoolId, Shortage
from holdfast.payments.cash import Cash
from holdfast.payments.gateway import Captured
from holdfast.payments.models import PaymentId
from holdfast.payments.module import OWES_MAX
from holdfast.payments.outcomes import Outcomes
from holdfast.payments.payable import Payables
from holdfast.resources.kind import Booked, Description, Kinds, PricedLine, Resolved, Wanted
from holdfast.sessions import module as sessions_module
from holdfast.sessions.errors import SoldOut
from holdfast.wallets.models import TOP_UP_KIND
from holdfast.wallets.payable import TopUpPayable

ROOM_KIND = "room"
NIGHTS = 14
NIGHT_PRICE = 1_000
FEE = 100
ERRORS_SHOWN = 2_000
_FINGERPRINT = bytes(32)


class Settle(Struct, frozen=True, tag=True):
    """Money for these payments has arrived. All of them owe ``amount`` piastres."""

    payments: list[UUID]
    amount: int


class HoldNights(Struct, frozen=True, tag=True):
    """People by number ask for fourteen nights of rooms by number."""

    first_room: int
    last_room: int
    first_person: int
    last_person: int
    concurrency: int


class CoreJob(Struct, frozen=True):
    """What to do, for ``seconds`` at most."""

    work: Settle | HoldNights
    seconds: float


class CoreResult(Struct, frozen=True):
    """What was done: how many, in how many seconds, what of it went wrong."""

    done: int
    seconds: float
    errors: int
    first_error: str
    p50_ms: float
    p95_ms: float
    p99_ms: float
    cpu_s: float


class RoomKind:
    """Rooms for fourteen nights, whose pools are known by number: what a hotel will be, as far as the core is concerned."""

    name = ROOM_KIND
    is_uniform = False

    def __init__(self, lifetime: timedelta) -> None:
        self._lifetime = lifetime

    async def resolve(self, tx: Tx, requests: Sequence[Wanted]) -> Sequence[Resolved | Refusal]:
        night, fee = Amount(CURRENCY, NIGHT_PRICE), Amount(CURRENCY, FEE)
        resolved = []
        for request in requests:
            number = numbers.number_of(request.owner_id)
            lines = tuple(PricedLine(numbers.pool_id(NIGHTS * number + each), 1, night) for each in range(NIGHTS))
            resolved.append(Resolved(lines, Amount(CURRENCY, NIGHTS * NIGHT_PRICE), fee, numbers.driver_id(number), self._lifetime))
        return resolved

    def refusal_of(self, shortage: Shortage) -> Refusal:
        return SoldOut(available=shortage.free)

    async def changed(self, tx: Tx, pools: Mapping[PoolId, Pool]) -> None:
        """A room has no state that its nights could change."""

    async def describe(self, tx: Tx, booked: Sequence[Booked]) -> Sequence[Description]:
        raise NotImplementedError("nobody is told about rooms of a benchmark")


class Core:
    """Inventory, bookings and outcomes, put together as ``app/wiring.py`` does for one process."""

    def __init__(self, settings: Settings) -> None:
        sixth = settings.database_connections // 6
        self._desk_database = Database(
            settings.database_url, connections=sixth, readers=0, name="holdfast desk", lock_timeout_ms=POOL_WAIT_MS
        )
        self._sales = Database(settings.database_url, connections=3 * sixth, name="holdfast sales")
        self._redis = RedisLink(settings.redis_url)
        inventory = Inventory()
        fee = Amount(CURRENCY, settings.service_fee_piastres)
        sessions = sessions_module.build(self._sales, inventory, hold_lifetime=settings.hold_lifetime, service_fee=fee)
        kinds = Kinds(sessions.kind, RoomKind(settings.hold_lifetime))
        limits = HoldLimits(settings.live_holds_max, settings.unpaid_holds_max)
        payables = Payables()
        self.outcomes = Outcomes(self._sales, payables)
        bookings = bookings_module.build(
            self._sales,
            self._desk_database,
            inventory,
            kinds,
            Marks(self._redis),
            Cash(self._sales, payables, self.outcomes, owes_max=OWES_MAX),
            limits=limits,
        )
        inventory.owner = bookings.hold_owner
        payables.add(PAYABLE_KIND, bookings.payable)
        payables.add(TOP_UP_KIND, TopUpPayable())
        self.bookings = bookings.service
        self.settlers = 2 * SIZE_MAX

    async def close(self) -> None:
        await self._redis.close()
        await self._desk_database.close()
        await self._sales.close()


async def run(job: CoreJob, settings: Settings) -> CoreResult:
    core = Core(settings)
    try:
        match job.work:
            case Settle() as work:
                return await _together(job.seconds, core.settlers, len(work.payments), _settling(core, work))
            case HoldNights() as work:
                return await _together(job.seconds, work.concurrency, None, _holding(core, work))
    finally:
        await core.close()


def _settling(core: Core, work: Settle) -> Callable[[int], Awaitable[object]]:
    amount = Amount(CURRENCY, work.amount)

    async def settle(number: int) -> object:
        payment_id = PaymentId.of(work.payments[number])
        return await core.outcomes.apply(payment_id, Captured(amount, f"bench-{payment_id}"))

    return settle


def _holding(core: Core, work: HoldNights) -> Callable[[int], Awaitable[object]]:
    people, rooms = work.last_person - work.first_person + 1, work.last_room - work.first_room + 1

    async def hold(number: int) -> object:
        actor = Actor(numbers.person_id(work.first_person + number % people), Role.PASSENGER)
        # A step that shares no divisor with the number of rooms, so that neighbours in a batch want different ones.
        room = numbers.room_id(work.first_room + number * 7_919 % rooms)
        return await core.bookings.hold(actor, IdempotencyKey(str(uuid4()), _FINGERPRINT), ROOM_KIND, room, 1)

    return hold


async def _together(seconds: float, width: int, count_max: int | None, act: Callable[[int], Awaitable[object]]) -> CoreResult:
    """``width`` acts at a time, numbered from 0, until ``seconds`` are over or there is nothing left."""
    latencies: list[float] = []
    faults: list[str] = []
    following = iter(range(count_max if count_max is not None else sys.maxsize))
    began, cpu = time.perf_counter(), time.process_time()
    until = began + seconds

    async def go_on() -> None:
        while (now := time.perf_counter()) < until:
            number = next(following, None)
            if number is None:
                return
            try:
                await act(number)
            except Exception as error:
                faults.append(f"{type(error).__name__}: {error}")
            latencies.append(time.perf_counter() - now)

    await asyncio.gather(*(go_on() for _ in range(width)))
    took, ordered = time.perf_counter() - began, sorted(latencies) or [0.0]
    p50, p95, p99 = (round(percentile(ordered, share) * 1000, 3) for share in (0.50, 0.95, 0.99))
    return CoreResult(
        done=len(latencies) - len(faults),
        seconds=took,
        errors=len(faults),
        first_error=faults[0][:ERRORS_SHOWN] if faults else "",
        p50_ms=p50,
        p95_ms=p95,
        p99_ms=p99,
        cpu_s=time.process_time() - cpu,
    )


def main() -> None:
    job, result = Path(sys.argv[1]), Path(sys.argv[2])
    done = uvloop.run(run(msgspec.json.decode(job.read_bytes(), type=CoreJob), load_settings()))
    result.write_bytes(msgspec.json.encode(done))


if __name__ == "__main__":
    main()
