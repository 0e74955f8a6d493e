"""Who meets whom: pairs and triples of the program's own functions, and what must be true of every order of their statements."""

import dataclasses
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from tests.interleavings.footprints import CLOCK
from tests.interleavings.scheduler import Run
from tests.interleavings.town import BUS, TOUR_KIND, Facts, Start, State, Wish
from tests.shop import Shop

from holdfast.bookings import repository
from holdfast.bookings.lifecycle import Lifecycle
from holdfast.bookings.models import Booking, HeldBooking
from holdfast.bookings.service import Cancellation, Changed
from holdfast.bookings.states import BOOKING, BookingState
from holdfast.common.actor import Actor, Role, UserId
from holdfast.common.errors import Refusal
from holdfast.events import EventId, LogPosition, Recorded
from holdfast.idempotency import IdempotencyKey
from holdfast.inventory import CapacityInUse, HoldId, Pool
from holdfast.payments.models import PaymentId
from holdfast.payments.payable import Arrived, Due, Effect, HoldLapsedMeanwhile
from holdfast.resources.events import CalledOff, CallOffReason, OwnerId, SalesClosed, owner
from holdfast.resources.kind import Kinds, Wanted
from holdfast.sessions.kind import SESSION_KIND
from holdfast.sessions.models import Session

Deed = Callable[[Shop, Facts], Awaitable[object]]
Said = Mapping[str, str]
"""What each actor came to, in a word."""


def hold(who: str, what: str = BUS, units: int = 1, key: str | None = None) -> Deed:
    async def deed(shop: Shop, facts: Facts) -> HeldBooking:
        kind, owner_id = facts.owner_of(what)
        asked = IdempotencyKey(key or who, what.encode())
        return await shop.bookings.service.hold(facts.people[who], asked, kind, owner_id, units)

    return deed


def pay(*whose: str) -> Deed:
    """Money for bookings arrives, in one settlement, as ``payments`` does it."""

    async def deed(shop: Shop, facts: Facts) -> list[Effect]:
        held = [facts.held[name] for name in whose]
        payments = [Arrived(PaymentId.new(), each.id, UserId.new(), each.fare + each.service_fee) for each in held]
        while True:
            try:
                async with shop.database.transaction() as tx:
                    locked = await shop.bookings.payable.lock(tx, [each.id for each in held], settling=True)
                    effects = await locked.captured(tx, payments)
                    return [effects[payment.id] for payment in payments]
            except HoldLapsedMeanwhile:
                continue

    return deed


def begin_to_pay(who: str) -> Deed:
    """Asks what is due, and extends the hold, as the first step of a payment through a gateway."""

    async def deed(shop: Shop, facts: Facts) -> Due | Refusal:
        booking_id = facts.held[who].id
        async with shop.database.transaction() as tx:
            locked = await shop.bookings.payable.lock(tx, [booking_id], settling=False)
            due = (await locked.amounts_due(tx))[booking_id]
            if isinstance(due, Due):
                await locked.begun(tx)
            return due

    return deed


def release(who: str, key: str | None = None) -> Deed:
    async def deed(shop: Shop, facts: Facts) -> Booking:
        asked = IdempotencyKey(key, b"release") if key else None
        return await shop.bookings.service.release(facts.people[who], asked, facts.held[who].id)

    return deed


def cancel(who: str) -> Deed:
    async def deed(shop: Shop, facts: Facts) -> Cancellation:
        return await shop.bookings.service.cancel(facts.people[who], None, facts.held[who].id)

    return deed


def change(who: str, units: int, key: str | None = None) -> Deed:
    """Fewer units of a confirmed booking."""

    async def deed(shop: Shop, facts: Facts) -> Changed:
        asked = IdempotencyKey(key, b"change") if key else None
        return await shop.bookings.service.change(facts.people[who], asked, facts.held[who].id, units)

    return deed


def move(who: str, what: str) -> Deed:
    """A confirmed booking becomes one of another offer: other pools, in one commit."""

    async def deed(shop: Shop, facts: Facts) -> Booking:
        booking_id, (_, owner_id) = facts.held[who].id, facts.owner_of(what)
        async with shop.database.transaction() as tx:
            await shop.inventory.lock_holds(tx, [HoldId.of(booking_id)])
            booking = (await repository.lock(tx, [booking_id]))[booking_id]
            if booking.status is not BookingState.CONFIRMED:
                raise BOOKING.refusals[booking.status]
            return await Lifecycle(shop.inventory, Kinds(facts.tours)).change(tx, booking, Wanted(owner_id, booking.quantity))

    return deed


def resize(pool: str, capacity: int) -> Deed:
    async def deed(shop: Shop, facts: Facts) -> Pool:
        async with shop.database.transaction() as tx:
            return await shop.inventory.resize(tx, facts.pools[pool], capacity)

    return deed


def reopen_pool(*names: str) -> Deed:
    async def deed(shop: Shop, facts: Facts) -> None:
        pools = [facts.pools[name] for name in names]
        async with shop.database.transaction() as tx:
            await shop.inventory.lock_pools(tx, pools)
            await shop.inventory.reopen(tx, pools)

    return deed


def expire() -> Deed:
    async def deed(shop: Shop, facts: Facts) -> int:
        return await shop.bookings.expiry.expire_some()

    return deed


def close() -> Deed:
    """The bus leaves."""

    async def deed(shop: Shop, facts: Facts) -> Session:
        return await shop.sessions.service.close(Actor(facts.session.driver_id, Role.DRIVER), None, facts.session.id)

    return deed


def call_off() -> Deed:
    async def deed(shop: Shop, facts: Facts) -> Session:
        return await shop.sessions.service.cancel(Actor(facts.session.driver_id, Role.DRIVER), None, facts.session.id, "engine")

    return deed


def leave() -> Deed:
    """The bus leaves, and then ``bookings`` give back what was not paid for."""
    told = _hear(lambda facts: SalesClosed(version=2, kind=SESSION_KIND, owner_id=owner(facts.session.id), pools=(facts.session.pool_id,)))
    return _then(close(), told)


def break_down() -> Deed:
    """It is called off, and then ``bookings`` cancel everything."""
    return _then(call_off(), cancel_all())


def close_pool_and_tell(name: str) -> Deed:
    """Sales of a pool end, and then ``bookings`` give back what was not paid for."""
    told = _hear(lambda facts: SalesClosed(version=2, kind=TOUR_KIND, owner_id=OwnerId.new(), pools=(facts.pools[name],)))
    return _then(close_pool(name), told)


def _then(first: Deed, second: Deed) -> Deed:
    async def deed(shop: Shop, facts: Facts) -> object:
        done = await first(shop, facts)
        await second(shop, facts)
        return done

    return deed


def cancel_all() -> Deed:
    """What ``bookings`` do once they hear that it was called off."""
    return _hear(
        lambda facts: CalledOff(
            version=2,
            kind=SESSION_KIND,
            owner_id=owner(facts.session.id),
            pools=(facts.session.pool_id,),
            reason=CallOffReason.DRIVER_CANCELLED,
        )
    )


def _hear(said: Callable[[Facts], SalesClosed | CalledOff]) -> Deed:
    async def deed(shop: Shop, facts: Facts) -> None:
        recorded = Recorded(EventId.new(), LogPosition(1, 1, 1), datetime.now(UTC), said(facts))
        await shop.bookings.calling_off.follow([recorded])

    return deed


def close_pool(*names: str) -> Deed:
    """Sales of some pools end, as any kind of resource may have it."""

    async def deed(shop: Shop, facts: Facts) -> None:
        pools = [facts.pools[name] for name in names]
        async with shop.database.transaction() as tx:
            await shop.inventory.lock_pools(tx, pools)
            await shop.inventory.close(tx, pools)

    return deed


async def _clock(shop: Shop, facts: Facts) -> None:
    """The town moves its clock itself."""


TIME: Mapping[str, Deed] = {CLOCK: _clock}
"""The deadline passes, at any moment."""


@dataclass(frozen=True)
class Scenario:
    """A start, and who does what. ``serial`` is whether every order must come to what some order of whole transactions comes to.

    Where it need not, because whoever skips locked rows may leave for later what he could have had, ``judge`` says what must be true.
    """

    name: str
    start: Start
    deeds: Mapping[str, Deed]
    judge: Callable[[Said, State, Run], str] | None = None
    serial: bool = True
    alike: Mapping[str, str] = field(default_factory=dict)
    """Words that count as another one."""


def said(result: object) -> str:
    """What an actor came to, without ids and times."""
    match result:
        case HeldBooking():
            word = f"held {result.quantity}"
        case Refusal() | Exception():
            word = type(result).__name__
        case Booking() | Session():
            word = result.status.value
        case Cancellation():
            word = f"{result.status}, {result.refund.minor} back"
        case Changed():
            word = f"{result.booking.quantity} kept, {result.refund.minor} back"
        case Pool():
            word = f"{result.held} of {result.capacity} held, {result.sold} sold"
        case Due():
            word = f"{result.total.minor} due"
        case list():
            word = ", ".join(said(each) for each in result)
        case int():
            word = str(result)
        case None:
            word = "done"
        case _:
            word = type(result).__name__
    return word


def is_fault(result: object) -> bool:
    """Whether an actor came to something that nobody may come to."""
    return isinstance(result, BaseException) and not isinstance(result, Refusal | CapacityInUse)


def _one_owner(found: Said, state: State, run: Run) -> str:
    """One unit, several who want it: it goes to one of them, and whoever paid for nothing is told so."""
    confirmed, pending = _count(state, "CONFIRMED"), _count(state, "PENDING")
    if confirmed != _settled(found):
        return f"{_settled(found)} paid and were told so, and {confirmed} have a seat"
    return "more than one has it" if confirmed + pending > 1 else ""


def _paid_is_kept(found: Said, state: State, run: Run) -> str:
    """Whoever was told that he paid has it, unless he gave it up or it was called off."""
    confirmed, cancelled = _count(state, "CONFIRMED"), _count(state, "CANCELLED")
    return "" if _settled(found) <= confirmed + cancelled else f"{_settled(found)} paid and were told so, and {confirmed} have a seat"


def _extended_is_kept(found: Said, state: State, run: Run) -> str:
    """Whoever was told what is due, and so has more time, has it still."""
    if found["amal"].endswith("due") and _count(state, "amal") != _count(state, "PENDING", "amal"):
        return "amal was given more time, and her seat to somebody else"
    return _one_owner(found, state, run)


def _nothing_is_confirmed_late(found: Said, state: State, run: Run) -> str:
    """After the deadline a hold is claimed anew or not had at all."""
    passed, confirmed = _place(run, "clock", "the deadline passes"), _place(run, "money", "inventory.confirm")
    if passed < confirmed and _place(run, "money", "inventory.grant") == len(run.steps) and _settled(found):
        return "a hold was confirmed after its deadline"
    return _one_owner(found, state, run)


def _judged_after_the_lock(who: str, lucky: str) -> Callable[[Said, State, Run], str]:
    """Whoever gets the pool after the driver has left is too late."""

    def judge(found: Said, state: State, run: Run) -> str:
        left = _place(run, "driver", "COMMIT")
        if left < _place(run, who, "inventory.lock_pools") and found[who].startswith(lucky):
            return f"{who} came after the driver had left"
        return ""

    return judge


def _keeps_what_he_had(found: Said, state: State, run: Run) -> str:
    """Whoever wanted something else has it, or has still what he had."""
    return "" if _count(state, "CONFIRMED") >= 2 else "somebody lost what he had paid for"


def _place(run: Run, actor: str, name: str) -> int:
    return next((place for place, step in enumerate(run.steps) if (step.actor, step.name) == (actor, name)), len(run.steps))


def _count(state: State, *words: str) -> int:
    return sum(all(word in booking for word in words) for booking in state.bookings)


def _settled(found: Said) -> int:
    return sum(word.split(", ").count("Settled") for word in found.values())


_CLOSED = {"SessionClosedAlready": "SessionCancelledAlready"}
_ONE_HELD = Start(seats=1, held=[Wish("amal")])
_ONE_LAPSED = Start(seats=1, lapsed=[Wish("amal")])
_THREE_SEATS = Start(seats=3, paid=[Wish("amal", units=3)])
_TWO_BOOKED = Start(
    pools={"first": 1, "second": 1, "third": 1},
    offers={"one": ("first",), "two": ("second",), "three": ("third",), "late": ("second", "third")},
    paid=[Wish("amal", "one"), Wish("badr", "two")],
)
_TWO_NIGHTS = Start(pools={"first": 1, "second": 1}, offers={"both": ("first", "second"), "one": ("first",), "two": ("second",)})


def _changing(name: str, deeds: Mapping[str, Deed]) -> Scenario:
    return Scenario(name, _TWO_BOOKED, deeds, _keeps_what_he_had)


PAIRS: Sequence[Scenario] = (
    Scenario("two want the last seat", Start(seats=1), {"amal": hold("amal"), "badr": hold("badr")}, _one_owner),
    Scenario("two want two of three", Start(seats=3), {"amal": hold("amal", units=2), "badr": hold("badr", units=2)}),
    Scenario("one key twice", Start(seats=2), {"tap": hold("amal", key="k"), "tap again": hold("amal", key="k")}),
    Scenario(
        "nights crosswise",
        Start(pools={"first": 1, "second": 1}, offers={"there": ("first", "second"), "back": ("second", "first")}),
        {"amal": hold("amal", "there"), "badr": hold("badr", "back")},
        _one_owner,
    ),
    Scenario("two nights against one", _TWO_NIGHTS, {"amal": hold("amal", "both"), "badr": hold("badr", "two")}, _one_owner),
    Scenario(
        "three nights against two",
        Start(
            pools={"first": 1, "second": 1, "third": 1},
            offers={"week": ("first", "second", "third"), "weekend": ("second", "third")},
        ),
        {"amal": hold("amal", "week"), "badr": hold("badr", "weekend")},
        _one_owner,
    ),
    Scenario("claim against release", _ONE_HELD, {"amal": release("amal"), "badr": hold("badr")}, _one_owner),
    Scenario("claim against cancel", Start(seats=1, paid=[Wish("amal")]), {"amal": cancel("amal"), "badr": hold("badr")}, _one_owner),
    Scenario("claim against close", Start(seats=2), {"amal": hold("amal"), "driver": close()}, _judged_after_the_lock("amal", "held")),
    Scenario("claim against leaving", Start(seats=2), {"amal": hold("amal"), "driver": leave()}),
    Scenario(
        "claim against breaking down",
        Start(seats=2),
        {"amal": hold("amal"), "driver": break_down()},
        # A pool does not know why it was closed, so for a moment "closed" is all that is said of what was called off.
        alike=_CLOSED,
    ),
    Scenario("claim against expiry", _ONE_LAPSED, {"badr": hold("badr"), "worker": expire()}, _one_owner, serial=False),
    Scenario(
        "claim against the expiry of two nights",
        Start(pools={"first": 1, "second": 1}, offers={"both": ("first", "second"), "one": ("first",)}, lapsed=[Wish("amal", "both")]),
        {"badr": hold("badr", "one"), "worker": expire()},
        _one_owner,
        serial=False,
    ),
    Scenario(
        "claims of two nights and of the second, which lapsed together",
        Start(pools={"first": 1, "second": 1}, offers={"both": ("first", "second"), "two": ("second",)}, lapsed=[Wish("amal", "both")]),
        {"badr": hold("badr", "both"), "celia": hold("celia", "two")},
        _one_owner,
        serial=False,
    ),
    Scenario("two claims of a lapsed seat", _ONE_LAPSED, {"badr": hold("badr"), "celia": hold("celia")}, _one_owner, serial=False),
    Scenario("money against release", _ONE_HELD, {"money": pay("amal"), "amal": release("amal")}, _one_owner),
    Scenario("money twice", _ONE_HELD, {"money": pay("amal"), "money again": pay("amal")}, _one_owner),
    Scenario("money against close", _ONE_HELD, {"money": pay("amal"), "driver": close()}, _judged_after_the_lock("money", "Settled")),
    Scenario("money against beginning to pay", _ONE_HELD, {"money": pay("amal"), "amal": begin_to_pay("amal")}, _one_owner),
    Scenario("money against leaving", _ONE_HELD, {"money": pay("amal"), "driver": leave()}, _one_owner),
    Scenario("money against breaking down", _ONE_HELD, {"money": pay("amal"), "driver": break_down()}, _paid_is_kept),
    Scenario("release against leaving", _ONE_HELD, {"amal": release("amal"), "driver": leave()}),
    Scenario("money against the deadline", _ONE_HELD, {"money": pay("amal"), **TIME}, _nothing_is_confirmed_late),
    Scenario("beginning to pay against the deadline", _ONE_HELD, {"amal": begin_to_pay("amal"), **TIME}),
    Scenario("late money twice", _ONE_LAPSED, {"money": pay("amal"), "money again": pay("amal")}, _one_owner),
    Scenario("late money against a claim", _ONE_LAPSED, {"money": pay("amal"), "badr": hold("badr")}, _one_owner, serial=False),
    Scenario("late money against expiry", _ONE_LAPSED, {"money": pay("amal"), "worker": expire()}, _one_owner, serial=False),
    Scenario(
        "late money against two nights",
        Start(pools={"first": 1, "second": 1}, offers={"both": ("first", "second"), "two": ("second",)}, lapsed=[Wish("amal", "two")]),
        {"money": pay("amal"), "badr": hold("badr", "both")},
        _one_owner,
        serial=False,
    ),
    Scenario(
        "late money for two who both lapsed",
        Start(seats=4, lapsed=[Wish("amal", units=2), Wish("badr", units=2)]),
        {"money": pay("amal"), "more money": pay("badr")},
        _paid_is_kept,
        serial=False,
    ),
    Scenario(
        "late money for one of two nights that lapsed",
        Start(
            pools={"first": 2, "second": 2},
            offers={"both": ("first", "second"), "two": ("second",)},
            lapsed=[Wish("amal", "two"), Wish("badr", "both")],
        ),
        {"money": pay("amal"), "celia": hold("celia", "both")},
        _paid_is_kept,
        serial=False,
    ),
    Scenario("two workers", Start(seats=2, lapsed=[Wish("amal"), Wish("badr")]), {"one": expire(), "two": expire()}, serial=False),
    Scenario("release twice with one key", _ONE_HELD, {"tap": release("amal", key="k"), "tap again": release("amal", key="k")}),
    Scenario("cancel against calling off", Start(seats=1, paid=[Wish("amal")]), {"amal": cancel("amal"), "bookings": cancel_all()}),
    Scenario("closing a night against two nights", _TWO_NIGHTS, {"amal": hold("amal", "both"), "hotel": close_pool("second")}),
    _changing("changes crosswise", {"amal": move("amal", "two"), "badr": move("badr", "one")}),
    Scenario(
        "changes crosswise where there is room",
        Start(
            pools={"first": 2, "second": 2}, offers={"one": ("first",), "two": ("second",)}, paid=[Wish("amal", "one"), Wish("badr", "two")]
        ),
        {"amal": move("amal", "two"), "badr": move("badr", "one")},
        _keeps_what_he_had,
    ),
    _changing("two changes to the same night", {"amal": move("amal", "three"), "badr": move("badr", "three")}),
    _changing("change against a claim of the new", {"amal": move("amal", "three"), "celia": hold("celia", "three")}),
    _changing("change against a claim of the old", {"badr": move("badr", "three"), "celia": hold("celia", "two")}),
    _changing("change against closing the new", {"amal": move("amal", "three"), "hotel": close_pool("third")}),
    _changing("change against closing the old", {"amal": move("amal", "three"), "hotel": close_pool("first")}),
    Scenario("change against cancel", _TWO_BOOKED, {"amal": move("amal", "three"), "amal too": cancel("amal")}),
    Scenario(
        "change against money",
        dataclasses.replace(_TWO_BOOKED, held=[Wish("celia", "three")]),
        {"amal": move("amal", "three"), "money": pay("celia")},
        _keeps_what_he_had,
    ),
    Scenario(
        "one change twice",
        _THREE_SEATS,
        {"tap": change("amal", 1, "k"), "tap again": change("amal", 1, "k")},
    ),
    Scenario(
        "fewer seats against a claim",
        _THREE_SEATS,
        {"amal": change("amal", 1), "badr": hold("badr", units=2)},
    ),
    Scenario("fewer seats against leaving", _THREE_SEATS, {"amal": change("amal", 1), "driver": leave()}),
    Scenario(
        "fewer seats against breaking down",
        _THREE_SEATS,
        {"amal": change("amal", 1), "driver": break_down()},
        alike=dict.fromkeys(("SessionClosedAlready", "SessionCancelledAlready", "BookingCancelledAlready"), "called off"),
    ),
    Scenario(
        "fewer units against a claim",
        Start(pools={"first": 2}, offers={"one": ("first",)}, held=[Wish("amal", "one")]),
        {"hotel": resize("first", 1), "badr": hold("badr", "one")},
    ),
    Scenario(
        "more units against a claim",
        Start(pools={"first": 1}, offers={"one": ("first",)}, held=[Wish("amal", "one")]),
        {"hotel": resize("first", 2), "badr": hold("badr", "one")},
    ),
    Scenario(
        "fewer units against the worker",
        Start(pools={"first": 2}, offers={"one": ("first",)}, lapsed=[Wish("amal", "one"), Wish("badr", "one")]),
        {"hotel": resize("first", 1), "worker": expire()},
        serial=False,
    ),
    Scenario(
        "money for two at once, crosswise",
        Start(seats=2, held=[Wish("amal"), Wish("badr")]),
        {"money": pay("amal", "badr"), "more money": pay("badr", "amal")},
        _paid_is_kept,
    ),
)

TRIPLES: Sequence[Scenario] = (
    Scenario("three want the last seat", Start(seats=1), {name: hold(name) for name in ("amal", "badr", "celia")}, _one_owner),
    Scenario(
        "deadline, money and a claim",
        _ONE_HELD,
        {"money": pay("amal"), "badr": hold("badr"), **TIME},
        _one_owner,
        serial=False,
    ),
    Scenario(
        "extending, a claim and the deadline",
        _ONE_HELD,
        {"amal": begin_to_pay("amal"), "badr": hold("badr"), **TIME},
        _extended_is_kept,
        serial=False,
    ),
    Scenario("money, the deadline and the worker", _ONE_HELD, {"money": pay("amal"), "worker": expire(), **TIME}, _one_owner, serial=False),
    Scenario(
        "late money, a claim and the worker",
        _ONE_LAPSED,
        {"money": pay("amal"), "badr": hold("badr"), "worker": expire()},
        _one_owner,
        serial=False,
    ),
    Scenario(
        "leaving, money and a claim", Start(seats=2, held=[Wish("amal")]), {"driver": close(), "money": pay("amal"), "badr": hold("badr")}
    ),
    Scenario("leaving, money and release", _ONE_HELD, {"driver": leave(), "money": pay("amal"), "amal": release("amal")}, _one_owner),
    Scenario(
        "three nights, two, and one in the middle",
        Start(
            pools={"first": 2, "second": 2, "third": 2},
            offers={"week": ("first", "second", "third"), "weekend": ("second", "third"), "middle": ("second",)},
        ),
        {"amal": hold("amal", "week"), "badr": hold("badr", "weekend"), "celia": hold("celia", "middle")},
    ),
    Scenario(
        "changes in a ring, and a claim",
        _TWO_BOOKED,
        {"amal": move("amal", "late"), "badr": move("badr", "three"), "celia": hold("celia", "two")},
        _keeps_what_he_had,
    ),
    Scenario(
        "fewer units, money and a claim",
        Start(pools={"first": 2}, offers={"one": ("first",)}, held=[Wish("amal", "one")]),
        {"hotel": resize("first", 1), "money": pay("amal"), "badr": hold("badr", "one")},
        _paid_is_kept,
    ),
    Scenario(
        "closed, opened again, and money",
        Start(pools={"first": 1}, offers={"one": ("first",)}, held=[Wish("amal", "one")]),
        {"hotel": close_pool_and_tell("first"), "hotel again": reopen_pool("first"), "money": pay("amal")},
        _paid_is_kept,
        # It may be opened again before bookings have heard that it was closed, and after the money was refused.
        serial=False,
    ),
    Scenario(
        "closed, opened again, and a claim",
        _TWO_NIGHTS,
        {"hotel": close_pool("first"), "hotel again": reopen_pool("first"), "amal": hold("amal", "both")},
    ),
    Scenario(
        "nights in a ring",
        Start(
            pools={"first": 1, "second": 1, "third": 1},
            offers={"a": ("first", "second"), "b": ("second", "third"), "c": ("third", "first")},
        ),
        {"amal": hold("amal", "a"), "badr": hold("badr", "b"), "celia": hold("celia", "c")},
        _one_owner,
    ),
)

SCENARIOS: Mapping[str, Scenario] = {scenario.name: scenario for scenario in (*PAIRS, *TRIPLES)}
