"""Customers, drivers and a worker, in two processes that may die, and what each of them was told.

What is acknowledged is written down here, in the plainest terms, and compared with the database when everything has come to rest.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from enum import Enum, auto
from random import Random
from typing import Any
from uuid import UUID

import psycopg
import redis as redis_module
from tests.shop import Shop
from tests.simulation.bank import Bank
from tests.simulation.faults import Fault
from tests.simulation.schedule import DEED, PROCESS, Deed, Process, Schedule

from holdfast.app.check.examination import Examination, examine
from holdfast.bookings.models import PAYABLE_KIND, BookingId
from holdfast.bookings.states import BookingState
from holdfast.cache.link import _client
from holdfast.common.actor import Actor, Role
from holdfast.common.errors import Overloaded, Refusal
from holdfast.common.ids import Id
from holdfast.database import Database, OutcomeUnknown
from holdfast.database.retries import ConnectionLost
from holdfast.events.consumers import follow_next
from holdfast.idempotency import IdempotencyKey
from holdfast.idempotency.errors import StillRunning
from holdfast.payments import module as payments_module
from holdfast.payments.errors import PaymentRunning
from holdfast.payments.gateway import Gateways
from holdfast.payments.models import Method
from holdfast.payments.module import PaymentsModule
from holdfast.payments.payable import Payables
from holdfast.payments.states import PaymentState
from holdfast.sessions.kind import SESSION_KIND
from holdfast.sessions.models import Session, SessionId

CROWD = 8
# So many that nobody ever waits for one: that would be the machine's choice.
CONNECTIONS = 60
PEOPLE = 10
SESSIONS = 5
SEATS_MAX = 9
TIME_MAX = timedelta(minutes=3)
REPEATS_MAX = 40
NOWHERE = "unix:///nonexistent/redis.sock"

# What a caller of ours is told when nobody knows what became of his request: repeat it with the same key.
NOBODY_KNOWS = (Overloaded, StillRunning, OutcomeUnknown, ConnectionLost, psycopg.OperationalError)


class Known(Enum):
    """What a customer knows of a request."""

    NOTHING = auto()
    DONE = auto()
    REFUSED = auto()


@dataclass(eq=False)
class Wish:
    """One request under one key, with what its sender has been told so far."""

    actor: Actor
    key: str
    ask: "Callable[[Shop, PaymentsModule, Actor, IdempotencyKey], Awaitable[Any]]"
    known: Known = Known.NOTHING
    answer: object = None


@dataclass(eq=False)
class Ticket:
    """A hold that somebody was granted, and what he was told about it afterwards."""

    booking_id: BookingId
    owner: Actor
    session_id: SessionId
    quantity: int
    was_paid: bool = False
    was_given_up: bool = False
    may_be_given_up: bool = False


@dataclass
class Course:
    """How a simulation went. ``wrong`` says what must not be; empty is good."""

    seed: int
    trace: str
    turns: int
    told: dict[str, int]
    struck: dict[str, int]
    wrong: list[str]

    def __str__(self) -> str:
        return (
            f"seed {self.seed}: {self.turns} turns, {self.told}, faults {self.struck}, course {self.trace}: {self.wrong or 'all is well'}"
        )


@dataclass
class Running:
    """A process of the program with what it is made of."""

    process: Process
    shop: Shop
    payments: PaymentsModule


class Town:
    """A simulation of bookings and money. ``seed`` decides everything that can be decided."""

    def __init__(
        self, seed: int, database_url: str, superuser: psycopg.AsyncConnection[Any], redis_url: str, *, faults_per_1000: int
    ) -> None:
        self.seed = seed
        self._dice = Random(seed)
        self._deeds = 0
        self.schedule = Schedule(Random(f"schedule {seed}"), superuser, faults_per_1000=faults_per_1000)
        self.schedule.on_fault = self._strike
        self._superuser = superuser
        self._url = database_url
        self._redis_url = redis_url
        self._redis_is_gone = False
        self._running: list[Running] = []
        self._buried: list[Running] = []
        self._wishes: list[Wish] = []
        self._tickets: dict[UUID, Ticket] = {}
        self._people: list[Actor] = []
        self._drivers: list[Actor] = []
        self._sessions: dict[UUID, Session] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._wrong: list[str] = []
        self._processes = 0

    async def run(self, operations: int) -> Course:
        """So many operations with faults, then peace, then the judgement."""
        async with self._installed():
            await self._settle_down()
            begun = 0
            while begun < operations or self._tasks:
                while begun < operations and len(self._tasks) < CROWD:
                    self._begin(self._next_operation())
                    begun += 1
                await self._go_on()
            self.schedule._faults_per_1000 = 0
            await self._make_peace()
            await self._judge()
        told = {known.name: sum(wish.known is known for wish in self._wishes) for known in Known}
        struck = {fault.name: count for fault, count in sorted(self.schedule.struck.items(), key=lambda each: each[0].name)}
        return Course(self.seed, self.schedule.trace, self.schedule.turns, told, struck, self._wrong)

    # Processes -------------------------------------------------------------------------------------------------------------------

    def _start(self) -> Running:
        self._processes += 1
        process = Process(f"process {self._processes}")
        database = Database(self._url, name=process.name, connections=CONNECTIONS)
        process.databases.append(database)
        shop = Shop(database, NOWHERE if self._redis_is_gone and self._redis_url else self._redis_url)
        if self._running or self._buried:
            before = (self._running or self._buried)[0].shop
            shop.route_id, shop.station_id = before.route_id, before.station_id
        payables = Payables()
        payments = payments_module.build(database, payables, Gateways(self.bank))
        payables.add(PAYABLE_KIND, shop.bookings.payable)
        return Running(process, shop, payments)

    async def _strike(self, fault: Fault, process: Process) -> None:
        match fault:
            case Fault.PROCESS_KILLED:
                await process.die(self._superuser)
                self._tasks -= process.tasks
                index = next(n for n, running in enumerate(self._running) if running.process is process)
                self._buried.append(self._running[index])
                self._running[index] = self._start()
            case Fault.CLOCK_JUMPS:
                self.schedule.jump()
            case Fault.REDIS_FLUSHED if self._redis_url:
                with contextlib.closing(redis_module.Redis.from_url(self._redis_url)) as client:
                    client.flushall()
            case Fault.REDIS_GONE if self._redis_url:
                self._redis_is_gone = not self._redis_is_gone
                for running in self._running:
                    running.shop.redis._client = _client(NOWHERE if self._redis_is_gone else self._redis_url)

    @asynccontextmanager
    async def _installed(self) -> AsyncIterator[None]:
        # Time stands still, and moves when the seed says so.
        still = f"SELECT timestamptz '{self.schedule.began.isoformat()}' + (SELECT moved FROM test_clock_offset)"
        await self._superuser.execute(
            f"CREATE OR REPLACE FUNCTION business_now() RETURNS timestamptz LANGUAGE sql STABLE PARALLEL SAFE AS $${still}$$".encode()
        )
        self.bank = Bank(self.schedule.began)
        with self.schedule.installed(), self._as(Process("nobody")):
            self._running = [self._start(), self._start()]
            try:
                yield
            finally:
                self.schedule.end()
                left = [task for running in self._buried + self._running for task in running.process.tasks if not task.done()]
                for task in left:
                    task.cancel()
                await asyncio.gather(*left, return_exceptions=True)
                for running in self._buried + self._running:
                    await running.shop.database.close()

    # Operations ------------------------------------------------------------------------------------------------------------------

    def _begin(self, operation: "Callable[[Running], Awaitable[None]]", running: Running | None = None) -> None:
        running = running or self._dice.choice(self._running)
        self._deeds += 1
        with self._as(running.process):
            task = asyncio.ensure_future(self._told(operation, running))
        running.process.tasks.add(task)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    @contextmanager
    def _as(self, process: Process) -> Iterator[None]:
        """What is begun inside is done by this process, and throws dice of its own."""
        tokens = PROCESS.set(process), DEED.set(Deed(self._deeds, Random(f"{self.seed} {self._deeds}")))
        try:
            yield
        finally:
            PROCESS.reset(tokens[0])
            DEED.reset(tokens[1])

    async def _told(self, operation: "Callable[[Running], Awaitable[None]]", running: Running) -> None:
        try:
            await operation(running)
        except NOBODY_KNOWS:
            return
        except Exception as error:
            if not running.process.is_dead:
                self._wrong.append(f"{type(error).__name__}: {error}")

    async def _go_on(self) -> None:
        if not await self.schedule.give_a_turn() and self._tasks:
            # Somebody waits for a time to pass that is not ours to give.
            await asyncio.wait(self._tasks, timeout=0.01, return_when=asyncio.FIRST_COMPLETED)

    async def _do(self, operation: "Callable[[Running], Awaitable[None]]", running: Running | None = None) -> None:
        """One operation, to its end, with nothing beside it."""
        self._begin(operation, running)
        while self._tasks:
            await self._go_on()

    def _next_operation(self) -> "Callable[[Running], Awaitable[None]]":
        return self._dice.choices(
            (self._hold, self._repeat, self._pay, self._release, self._cancel, self._work, self._close, self._call_off, self._time_passes),
            weights=(30, 12, 20, 6, 6, 14, 2, 1, 4),
        )[0]

    async def _settle_down(self) -> None:
        async def found(running: Running) -> None:
            await running.shop.open()
            self._people = [await running.shop.person() for _ in range(PEOPLE)]
            for _ in range(SESSIONS):
                await self._open_session(running)

        faults, self.schedule._faults_per_1000 = self.schedule._faults_per_1000, 0
        first, *others = self._running
        await self._do(found, first)
        for other in others:
            other.shop.route_id, other.shop.station_id = first.shop.route_id, first.shop.station_id
        self.schedule._faults_per_1000 = faults

    async def _open_session(self, running: Running) -> None:
        driver = await running.shop.driver()
        self._drivers.append(driver)
        shop = running.shop
        session = await shop.sessions.service.start(driver, None, shop.route_id, shop.station_id, DEED.get().dice.randint(1, SEATS_MAX))
        self._sessions[session.id] = session

    async def _send(self, running: Running, wish: Wish) -> None:
        """Ask, and write down what one is told; what was told before must be told again."""
        key = IdempotencyKey(wish.key, b"simulated")
        try:
            answer = await wish.ask(running.shop, running.payments, wish.actor, key)
        except NOBODY_KNOWS:
            raise
        except Refusal as refusal:
            if isinstance(refusal, PaymentRunning):
                return
            if wish.known is Known.DONE:
                self._wrong.append(f"{wish.key} was done, and is refused when it is repeated: {type(refusal).__name__}")
            wish.known = Known.REFUSED
            return
        if wish.known is Known.DONE and wish.answer != answer:
            self._wrong.append(f"{wish.key} was answered {wish.answer}, and {answer} when it was repeated")
        wish.known, wish.answer = Known.DONE, answer

    def _wish(self, actor: Actor, ask: "Callable[[Shop, PaymentsModule, Actor, IdempotencyKey], Awaitable[Any]]") -> Wish:
        wish = Wish(actor, f"key {len(self._wishes)}", ask)
        self._wishes.append(wish)
        return wish

    async def _hold(self, running: Running) -> None:
        session_id = SessionId.of(DEED.get().dice.choice(list(self._sessions)))
        quantity = DEED.get().dice.choice((1, 1, 1, 2, 3))

        async def ask(shop: Shop, payments: PaymentsModule, actor: Actor, key: IdempotencyKey) -> UUID:
            held = await shop.bookings.service.hold(actor, key, SESSION_KIND, session_id, quantity)
            self._tickets.setdefault(held.id, Ticket(held.id, actor, session_id, quantity))
            return held.id

        await self._send(running, self._wish(DEED.get().dice.choice(self._people), ask))

    async def _repeat(self, running: Running) -> None:
        if self._wishes:
            await self._send(running, DEED.get().dice.choice(self._wishes))

    async def _pay(self, running: Running) -> None:
        ticket = self._some_ticket()
        if ticket is None:
            return

        async def ask(shop: Shop, payments: PaymentsModule, actor: Actor, key: IdempotencyKey) -> object:
            answer = await payments.service.pay(actor, key, (PAYABLE_KIND, ticket.booking_id), Method.CARD, "a card")
            if answer.payment.status is PaymentState.INITIATED:
                raise StillRunning
            ticket.was_paid |= answer.payment.is_kept
            return answer.payment.id, answer.payment.status is PaymentState.FAILED

        await self._send(running, self._wish(ticket.owner, ask))

    async def _release(self, running: Running) -> None:
        await self._give_up(running, lambda shop, actor, key, booking: shop.bookings.service.release(actor, key, booking))

    async def _cancel(self, running: Running) -> None:
        await self._give_up(running, lambda shop, actor, key, booking: shop.bookings.service.cancel(actor, key, booking))

    async def _give_up(self, running: Running, way: "Callable[[Shop, Actor, IdempotencyKey, BookingId], Awaitable[Any]]") -> None:
        ticket = self._some_ticket()
        if ticket is None:
            return

        async def ask(shop: Shop, payments: PaymentsModule, actor: Actor, key: IdempotencyKey) -> object:
            ticket.may_be_given_up = True
            answer = await way(shop, actor, key, ticket.booking_id)
            ticket.was_given_up = True
            return answer.id, answer.status

        await self._send(running, self._wish(ticket.owner, ask))

    def _some_ticket(self) -> Ticket | None:
        return DEED.get().dice.choice(list(self._tickets.values())) if self._tickets else None

    async def _close(self, running: Running) -> None:
        await self._end_session(running, lambda shop, actor, key, session: shop.sessions.service.close(actor, key, session))

    async def _call_off(self, running: Running) -> None:
        await self._end_session(running, lambda shop, actor, key, session: shop.sessions.service.cancel(actor, key, session, "engine"))

    async def _end_session(self, running: Running, way: "Callable[[Shop, Actor, IdempotencyKey, SessionId], Awaitable[Any]]") -> None:
        session = DEED.get().dice.choice(list(self._sessions.values()))

        async def ask(shop: Shop, payments: PaymentsModule, actor: Actor, key: IdempotencyKey) -> object:
            return (await way(shop, actor, key, session.id)).status

        await self._send(running, self._wish(Actor(session.driver_id, Role.DRIVER), ask))
        await self._open_session(running)

    async def _work(self, running: Running) -> None:
        """One step of a worker. Some have two commits, and it may die between them."""
        steps: tuple[Callable[[], Awaitable[object]], ...] = (
            running.shop.bookings.expiry.expire_some,
            lambda: follow_next(running.shop.database, running.shop.bookings.calling_off),
            running.payments.reconciler.ask_for_unanswered,
            running.payments.refunds.do_due,
        )
        await DEED.get().dice.choice(steps)()

    async def _time_passes(self, running: Running) -> None:
        await self._move_time(DEED.get().dice.random() * TIME_MAX)

    async def _move_time(self, by: timedelta) -> None:
        await self._superuser.execute("UPDATE test_clock_offset SET moved = moved + %s", (by,))

    # The judgement ---------------------------------------------------------------------------------------------------------------

    async def _make_peace(self) -> None:
        """Everybody whose question is open repeats it with the same key until he knows; then the worker does what is left to do."""
        self.bank.is_calm = True
        for _ in range(REPEATS_MAX):
            await self._move_time(timedelta(minutes=2))
            await self._do(self._work_off)
            open_wishes = [wish for wish in self._wishes if wish.known is Known.NOTHING]
            for wish in open_wishes:
                await self._do(lambda running, wish=wish: self._send(running, wish))
            if not open_wishes and not await self._count_undone():
                break
        self._wrong += [f"nobody ever knew what became of {wish.key}" for wish in self._wishes if wish.known is Known.NOTHING]
        # Whoever asks once more is told the same.
        for wish in self._wishes:
            if wish.known is Known.DONE:
                await self._do(lambda running, wish=wish: self._send(running, wish))

    async def _work_off(self, running: Running) -> None:
        while await running.shop.bookings.expiry.expire_some():
            pass
        while await follow_next(running.shop.database, running.shop.bookings.calling_off):
            pass
        await running.payments.reconciler.ask_for_unanswered()
        await running.payments.refunds.do_due()

    async def _count_undone(self) -> int:
        asked = (
            "SELECT (SELECT count(*) FROM payments WHERE status = 'INITIATED') + (SELECT count(*) FROM refunds WHERE status = 'PENDING')"
        )
        row = await (await self._superuser.execute(asked)).fetchone()
        assert row is not None
        return int(row[0])

    async def _judge(self) -> None:
        cursor = await self._superuser.execute("SELECT id, customer_id, owner_id, quantity, status FROM bookings")
        found = {row[0]: row[1:] for row in await cursor.fetchall()}
        self._wrong += [f"{Id.__str__(BookingId.of(lost))} was granted and is gone" for lost in self._tickets.keys() - found.keys()]
        self._wrong += [f"{Id.__str__(BookingId.of(extra))} was granted to nobody" for extra in found.keys() - self._tickets.keys()]
        called_off = await self._called_off()
        taken: dict[UUID, int] = {}
        for booking_id in self._tickets.keys() & found.keys():
            ticket, (customer, owner, quantity, status) = self._tickets[booking_id], found[booking_id]
            if (customer, owner, quantity) != (ticket.owner.id, ticket.session_id, ticket.quantity):
                self._wrong.append(f"{ticket.booking_id} is not what was granted")
            if ticket.was_given_up and status != BookingState.CANCELLED:
                self._wrong.append(f"{ticket.booking_id} was given up and is {status}")
            if ticket.was_paid and status != BookingState.CONFIRMED and not (ticket.may_be_given_up or ticket.session_id in called_off):
                self._wrong.append(f"{ticket.booking_id} was paid for and is {status}")
            if status == BookingState.CONFIRMED:
                taken[ticket.session_id] = taken.get(ticket.session_id, 0) + ticket.quantity
        seats = {session_id: session.total_seats for session_id, session in self._sessions.items()}
        self._wrong += [f"{sold} of {seats[owner]} seats are sold" for owner, sold in taken.items() if sold > seats[owner]]
        examination = await self._examine()
        self._wrong += [f"{each.number} {each.name}: {each.rows}" for each in examination.findings if not each.holds]

    async def _examine(self) -> Examination:
        return await examine(
            self._url, consumers=["bookings.calling_off"], gateways=[self.bank], settled_grace=timedelta(0), test_clock=True
        )

    async def _called_off(self) -> set[UUID]:
        cursor = await self._superuser.execute("SELECT id FROM driver_sessions WHERE status = 'CANCELLED'")
        return {row[0] for row in await cursor.fetchall()}
