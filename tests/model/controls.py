"""Faults put in on purpose, which the model must find."""

from collections.abc import Callable, Mapping, Sequence

from tests.controls import CONTROLS, Control

from holdfast.bookings import repository as bookings
from holdfast.bookings.handlers import HoldEnds
from holdfast.bookings.models import BookingId
from holdfast.bookings.payable import LockedBookings
from holdfast.database import Tx
from holdfast.inventory import HoldId, Inventory, Pool, PoolId
from holdfast.inventory import repository as inventory
from holdfast.payments.models import PaymentId
from holdfast.payments.payable import Effect, Settled
from holdfast.sessions import repository as sessions

_WITHOUT_COUNTERS = "ALTER TABLE pools DROP CONSTRAINT pools_counters"


async def _kept_whatever(self: LockedBookings, tx: Tx, wanted: Mapping[BookingId, PaymentId]) -> Mapping[PaymentId, Effect]:
    await bookings.confirm(tx, list(wanted))
    return {payment: Settled() for payment in wanted.values()}


async def _tells_nobody(self: HoldEnds, tx: Tx, hold_ids: Sequence[HoldId], pools: Mapping[PoolId, Pool]) -> None:
    pass


async def _resize_whatever(self: Inventory, tx: Tx, pool_id: PoolId, capacity: int) -> Pool:
    pools = await inventory.lock_pools(tx, [pool_id])
    await inventory.resize(tx, pool_id, capacity)
    return pools[pool_id]


FAULTS: Mapping[str, Callable[[], Control]] = {
    "lapsed holds are not free": lambda: Control(
        edits=[(inventory.SQL.lock_lapsed, "FROM locked WHERE expires_at <= business_now()", "FROM locked WHERE false")]
    ),
    "late money is not judged anew": lambda: Control(attributes=[(LockedBookings, "_retake", _kept_whatever)]),
    "what was asked is given back": lambda: Control(
        edits=[
            (
                inventory.SQL.give_back_held,
                "FROM (SELECT pool_id, sum(quantity) AS quantity FROM lines GROUP BY pool_id) d",
                "FROM (SELECT pool_id, sum(quantity) AS quantity FROM booking_items WHERE booking_id = ANY(%(hold_ids)s) GROUP BY 1) d",
            )
        ],
        ddl=[_WITHOUT_COUNTERS],
    ),
    "keys are not kept": CONTROLS["idempotency.without_keys"],
    "closed pools are sold": CONTROLS["inventory.without_closed_check"],
    "a full session stays full": lambda: Control(edits=[(sessions.SQL.follow_seats, "s.status = 'FULL' AND p.sold < p.capacity", "false")]),
    "nobody is told of lapsed holds": lambda: Control(attributes=[(HoldEnds, "given_back", _tells_nobody)]),
    "a deadline is moved at every attempt": lambda: Control(
        edits=[
            (inventory.SQL.extend, "greatest(expires_at, %(until)s)", "expires_at + interval '5 minutes'"),
            (bookings.SQL.mark_extended, "SET extended_at = business_now(), version", "SET version"),
        ]
    ),
    "a lapsed hold is confirmed": lambda: Control(
        edits=[
            (inventory.SQL.lock_holds, "expires_at > business_now() AS live", "true AS live"),
            (inventory.SQL.confirm, "AND h.expires_at > business_now()", ""),
        ]
    ),
    "capacity shrinks below what is used": lambda: Control(attributes=[(Inventory, "resize", _resize_whatever)], ddl=[_WITHOUT_COUNTERS]),
}
