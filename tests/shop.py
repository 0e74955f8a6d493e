"""Sessions and bookings on a real database, without HTTP: what the tests of the rooms between the core and the edge stand on."""

from collections.abc import Callable, Sequence
from datetime import timedelta
from uuid import uuid4

from sqlalchemy import text

from holdfast.bookings import module as bookings_module
from holdfast.bookings.desk import HoldLimits
from holdfast.bookings.models import PAYABLE_KIND, Booking, BookingId, HeldBooking
from holdfast.cache import Marks, RedisLink
from holdfast.common.actor import Actor, Role, UserId
from holdfast.common.money import egp
from holdfast.common.paging import PageRequest
from holdfast.database import Database
from holdfast.events.consumers import follow_next
from holdfast.idempotency import IdempotencyKey
from holdfast.inventory import Inventory
from holdfast.payments.cash import Cash
from holdfast.payments.models import PaymentId
from holdfast.payments.module import OWES_MAX
from holdfast.payments.outcomes import Outcomes
from holdfast.payments.payable import Arrived, Effect, HoldLapsedMeanwhile, Payables
from holdfast.resources.kind import Kinds, ResourceKind
from holdfast.routes.models import RouteId
from holdfast.sessions import module as sessions_module
from holdfast.sessions.kind import SESSION_KIND
from holdfast.sessions.models import Session, SessionId
from holdfast.stations.models import StationId
from holdfast.waiting import module as waiting_module
from holdfast.waiting.owners import SessionOwners
from holdfast.waiting.tickets import Tickets

FARE = 1000
FEE = 100
TURN = timedelta(minutes=5)
JOINS_MAX = 3
UNPAID_HOLDS_MAX = 5


def fresh_key() -> IdempotencyKey:
    return IdempotencyKey(str(uuid4()), b"fingerprint")


class Shop:
    """A route with two stations, and as many people as a test wants."""

    def __init__(
        self, database: Database, redis_url: str = "", *kinds: ResourceKind, desk_database: Database | None = None, live_holds_max: int = 3
    ) -> None:
        self.database = database
        self.inventory = Inventory()
        self.sessions = sessions_module.build(database, self.inventory, hold_lifetime=timedelta(minutes=5), service_fee=egp(1))
        known = Kinds(self.sessions.kind, *kinds)
        self.redis = RedisLink(redis_url)
        self.waiting = waiting_module.build(
            database, Tickets("a secret of tests"), SessionOwners(self.sessions.service), turn=TURN, joins_max=JOINS_MAX
        )
        self.payables = Payables()
        cash = Cash(database, self.payables, Outcomes(database, self.payables), owes_max=OWES_MAX)
        self.bookings = bookings_module.build(
            database,
            desk_database or database,
            self.inventory,
            known,
            Marks(self.redis),
            cash,
            limits=HoldLimits(live_holds_max, UNPAID_HOLDS_MAX),
            gate=self.waiting.gate,
        )
        self.inventory.owner = self.bookings.hold_owner
        self.payables.add(PAYABLE_KIND, self.bookings.payable)
        self.route_id, self.station_id = RouteId.new(), StationId.new()

    async def open(self) -> None:
        """Make the route and its stations."""
        async with self.database.transaction() as tx:
            other = StationId.new()
            for station, name in ((self.station_id, "Ramses"), (other, "Abbaseya")):
                await tx.run(
                    text("INSERT INTO stations (id, name_en, latitude, longitude) VALUES (:id, :name, 30.06, 31.25)"), id=station, name=name
                )
            await tx.run(
                text("INSERT INTO routes (id, name_en, base_fare, currency) VALUES (:id, 'Ramses - Abbaseya', :fare, 'EGP')"),
                id=self.route_id,
                fare=FARE,
            )
            for order, station in enumerate((self.station_id, other), start=1):
                await tx.run(
                    text("INSERT INTO route_stations (route_id, station_id, station_order) VALUES (:r, :s, :o)"),
                    r=self.route_id,
                    s=station,
                    o=order,
                )

    async def person(self, role: Role = Role.PASSENGER) -> Actor:
        actor = Actor(UserId.new(), role)
        async with self.database.transaction() as tx:
            await tx.run(text("INSERT INTO users (id, role, is_verified) VALUES (:id, :role, true)"), id=actor.id, role=role.value)
        return actor

    async def driver(self) -> Actor:
        """An approved one."""
        actor = await self.person(Role.DRIVER)
        async with self.database.transaction() as tx:
            await tx.run(
                text(
                    "INSERT INTO driver_profiles"
                    " (id, user_id, vehicle_number, vehicle_type, total_seats, license_number, verification_status, decided_by, decided_at)"
                    " VALUES (:id, :id, 'ABC 123', 'microbus', 14, '\\x00', 'APPROVED', :id, business_now())"
                ),
                id=actor.id,
            )
        return actor

    async def session(self, seats: int = 14) -> Session:
        return await self.sessions.service.start(await self.driver(), None, self.route_id, self.station_id, seats)

    async def hold(self, actor: Actor, session: Session, seats: int = 1, key: IdempotencyKey | None = None) -> HeldBooking:
        return await self.bookings.service.hold(actor, key or fresh_key(), SESSION_KIND, session.id, seats)

    async def arrive(self, booking: HeldBooking, *, amount: int | None = None) -> Effect:
        """Money for a booking arrives, as ``payments`` settles it; late money runs again."""
        total = booking.fare + booking.service_fee
        due = total if amount is None else type(total)(total.currency, amount)
        payment = Arrived(PaymentId.new(), booking.id, UserId.new(), due)
        while True:
            try:
                async with self.database.transaction() as tx:
                    locked = await self.bookings.payable.lock(tx, [booking.id], settling=True)
                    return (await locked.captured(tx, [payment]))[payment.id]
            except HoldLapsedMeanwhile:
                continue

    async def booking(self, booking_id: BookingId) -> Booking:
        async with self.database.reading() as tx:
            return (await self.bookings.service.customers_of(tx, [booking_id]))[booking_id]

    async def look(self, session_id: SessionId) -> Session:
        return await self.sessions.service.get(session_id)

    async def follow(self) -> None:
        """Let bookings do what they do about others' events, until nothing is left."""
        while await follow_next(self.database, self.bookings.calling_off):
            pass

    async def count_of(self, table: str) -> int:
        async with self.database.reading() as tx:
            return int(await tx.value(text(f"SELECT count(*) FROM {table}")))

    async def miscounted(self) -> Sequence[object]:
        """I1: the pools of which a counter is not the sum over its lines."""
        async with self.database.reading() as tx:
            return await tx.rows(
                text(
                    "SELECT p.id FROM pools p WHERE p.held <> (SELECT coalesce(sum(quantity), 0) FROM hold_lines WHERE pool_id = p.id)"
                    " OR p.sold <> (SELECT coalesce(sum(quantity), 0) FROM sold_lines WHERE pool_id = p.id)"
                    " OR p.held < 0 OR p.sold < 0 OR p.held + p.sold > p.capacity"
                )
            )

    async def assert_counted(self) -> None:
        assert not (wrong := await self.miscounted()), wrong


MoveTime = Callable[[timedelta], None]
FIRST_PAGE = PageRequest()
