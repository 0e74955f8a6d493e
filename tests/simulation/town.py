"""Customers, drivers, money and a worker, in two processes that may die, and what each of them was told.

What is acknowledged is written down here, in the plainest terms, and compared with the database when everything has come to rest.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar
from uuid import UUID

from tests.shop import Shop
from tests.simulation.bank import Bank
from tests.simulation.schedule import Process
from tests.simulation.simulation import Simulation

from holdfast.bookings.models import PAYABLE_KIND, BookingId
from holdfast.bookings.states import BookingState
from holdfast.cache import RedisLink
from holdfast.common.actor import Actor, Role
from holdfast.database import Database
from holdfast.events.consumers import follow_next
from holdfast.idempotency import IdempotencyKey
from holdfast.idempotency.errors import StillRunning
from holdfast.payments import module as payments_module
from holdfast.payments.gateway import Gateways
from holdfast.payments.models import Method
from holdfast.payments.module import PaymentsModule
from holdfast.payments.payable import Payables
from holdfast.payments.states import PaymentState
from holdfast.sessions.kind import SESSION_KIND
from holdfast.sessions.models import Session, SessionId

PEOPLE = 10
SESSIONS = 5
SEATS_MAX = 9


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
class Counter:
    """A process of the program: bookings and payments, with their database and Redis."""

    process: Process
    database: Database
    shop: Shop
    payments: PaymentsModule

    @property
    def redis(self) -> RedisLink:
        return self.shop.redis


class Town(Simulation[Counter]):
    """A simulation of bookings and money."""

    operations: ClassVar[Mapping[str, int]] = {
        "hold": 30,
        "repeat": 12,
        "pay": 20,
        "release": 6,
        "cancel": 6,
        "work": 14,
        "close": 2,
        "call_off": 1,
        "time_passes": 4,
    }

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.bank = Bank(self.schedule.began)
        self._tickets: dict[UUID, Ticket] = {}
        self._people: list[Actor] = []
        self._sessions: dict[UUID, Session] = {}

    def start(self, process: Process, database: Database, redis_url: str) -> Counter:
        shop = Shop(database, redis_url)
        if self.running:
            shop.route_id, shop.station_id = self.running[0].shop.route_id, self.running[0].shop.station_id
        payables = Payables()
        payments = payments_module.build(database, payables, Gateways(self.bank))
        payables.add(PAYABLE_KIND, shop.bookings.payable)
        return Counter(process, database, shop, payments)

    def calm(self) -> None:
        self.bank.is_calm = True

    async def settle_down(self, running: Counter) -> None:
        await running.shop.open()
        self._people = [await running.shop.person() for _ in range(PEOPLE)]
        for _ in range(SESSIONS):
            await self._open_session(running)

    async def _open_session(self, running: Counter) -> None:
        seats = self.dice.randint(1, SEATS_MAX)

        async def ask(counter: Counter, actor: Actor, key: IdempotencyKey) -> UUID:
            shop = counter.shop
            session = await shop.sessions.service.start(actor, key, shop.route_id, shop.station_id, seats)
            self._sessions[session.id] = session
            return session.id

        await self.send(running, self.wish(await running.shop.driver(), ask))

    async def hold(self, running: Counter) -> None:
        session_id = SessionId.of(self.dice.choice(list(self._sessions)))
        quantity = self.dice.choice((1, 1, 1, 2, 3))

        async def ask(counter: Counter, actor: Actor, key: IdempotencyKey) -> UUID:
            held = await counter.shop.bookings.service.hold(actor, key, SESSION_KIND, session_id, quantity)
            self._tickets.setdefault(held.id, Ticket(held.id, actor, session_id, quantity))
            return held.id

        await self.send(running, self.wish(self.dice.choice(self._people), ask))

    async def pay(self, running: Counter) -> None:
        ticket = self._some_ticket()
        if ticket is None:
            return

        async def ask(counter: Counter, actor: Actor, key: IdempotencyKey) -> object:
            answer = await counter.payments.service.pay(actor, key, (PAYABLE_KIND, ticket.booking_id), Method.CARD, "a card")
            if answer.payment.status is PaymentState.INITIATED:
                raise StillRunning
            ticket.was_paid |= answer.payment.is_kept
            return answer.payment.id, answer.payment.status is PaymentState.FAILED

        await self.send(running, self.wish(ticket.owner, ask))

    async def release(self, running: Counter) -> None:
        await self._give_up(running, lambda shop, actor, key, booking: shop.bookings.service.release(actor, key, booking))

    async def cancel(self, running: Counter) -> None:
        await self._give_up(running, lambda shop, actor, key, booking: shop.bookings.service.cancel(actor, key, booking))

    async def _give_up(self, running: Counter, way: Callable[[Shop, Actor, IdempotencyKey, BookingId], Awaitable[Any]]) -> None:
        ticket = self._some_ticket()
        if ticket is None:
            return

        async def ask(counter: Counter, actor: Actor, key: IdempotencyKey) -> object:
            ticket.may_be_given_up = True
            answer = await way(counter.shop, actor, key, ticket.booking_id)
            ticket.was_given_up = True
            return answer.id, answer.status

        await self.send(running, self.wish(ticket.owner, ask))

    def _some_ticket(self) -> Ticket | None:
        return self.dice.choice(list(self._tickets.values())) if self._tickets else None

    async def close(self, running: Counter) -> None:
        await self._end_session(running, lambda shop, actor, key, session: shop.sessions.service.close(actor, key, session))

    async def call_off(self, running: Counter) -> None:
        await self._end_session(running, lambda shop, actor, key, session: shop.sessions.service.cancel(actor, key, session, "engine"))

    async def _end_session(self, running: Counter, way: Callable[[Shop, Actor, IdempotencyKey, SessionId], Awaitable[Any]]) -> None:
        session = self.dice.choice(list(self._sessions.values()))

        async def ask(counter: Counter, actor: Actor, key: IdempotencyKey) -> object:
            return (await way(counter.shop, actor, key, session.id)).status

        await self.send(running, self.wish(Actor(session.driver_id, Role.DRIVER), ask))
        await self._open_session(running)

    async def work(self, running: Counter) -> None:
        """One step of a worker. Some have two commits, and it may die between them."""
        steps: tuple[Callable[[], Awaitable[object]], ...] = (
            running.shop.bookings.expiry.expire_some,
            lambda: follow_next(running.shop.database, running.shop.bookings.calling_off),
            running.payments.reconciler.ask_for_unanswered,
            running.payments.refunds.do_due,
        )
        await self.dice.choice(steps)()

    async def work_off(self, running: Counter) -> None:
        while await running.shop.bookings.expiry.expire_some():
            pass
        while await follow_next(running.shop.database, running.shop.bookings.calling_off):
            pass
        await running.payments.reconciler.ask_for_unanswered()
        await running.payments.refunds.do_due()

    async def count_undone(self) -> int:
        asked = (
            "SELECT (SELECT count(*) FROM payments WHERE status = 'INITIATED') + (SELECT count(*) FROM refunds WHERE status = 'PENDING')"
        )
        return int((await self.rows(asked))[0][0])

    async def judge(self) -> None:
        found = {row[0]: row[1:] for row in await self.rows("SELECT id, customer_id, owner_id, quantity, status FROM bookings")}
        self.wrong += [f"{BookingId.of(lost)} was granted and is gone" for lost in self._tickets.keys() - found.keys()]
        self.wrong += [f"{BookingId.of(extra)} was granted to nobody" for extra in found.keys() - self._tickets.keys()]
        called_off = {row[0] for row in await self.rows("SELECT id FROM driver_sessions WHERE status = 'CANCELLED'")}
        taken: dict[UUID, int] = {}
        for booking_id in self._tickets.keys() & found.keys():
            ticket, (customer, owner, quantity, status) = self._tickets[booking_id], found[booking_id]
            if (customer, owner, quantity) != (ticket.owner.id, ticket.session_id, ticket.quantity):
                self.wrong.append(f"{ticket.booking_id} is not what was granted")
            if ticket.was_given_up and status != BookingState.CANCELLED:
                self.wrong.append(f"{ticket.booking_id} was given up and is {status}")
            if ticket.was_paid and status != BookingState.CONFIRMED and not (ticket.may_be_given_up or ticket.session_id in called_off):
                self.wrong.append(f"{ticket.booking_id} was paid for and is {status}")
            if status == BookingState.CONFIRMED:
                taken[ticket.session_id] = taken.get(ticket.session_id, 0) + ticket.quantity
        seats = {session_id: session.total_seats for session_id, session in self._sessions.items()}
        self.wrong += [f"{sold} of {seats[owner]} seats are sold" for owner, sold in taken.items() if sold > seats[owner]]
        await self.examine(self.bank, consumers=("bookings.calling_off",))
