"""F-09: gateways send in any order. All 720 orders of six messages about one payment lead to the same end, in one database."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from itertools import permutations

import msgspec
import pytest
from sqlalchemy import text
from tests.payments.test_disputes import message
from tests.payments.test_refunds import give_back
from tests.payments.test_webhooks import told
from tests.payments.till import SECRET, SOLD, Thing, Till

from holdfast.app.sandbox.courier import signed
from holdfast.common.actor import UserId
from holdfast.common.money import egp
from holdfast.payments.gateway import Captured
from holdfast.payments.models import Payment, PaymentId, Refund

# No more than there are connections: a gateway that is told 503 sends again, which is not what is tried here.
AT_ONCE = 5
ORDERS = list(permutations(range(6)))

_THINGS = """
    INSERT INTO things (id, payer_id, payee_id, fare, fee, currency)
    SELECT gen_random_uuid(), :payer, gen_random_uuid(), 3000, 100, 'EGP' FROM generate_series(1, :count)
    RETURNING *, true AS is_live
"""
_PAYMENTS = """
    INSERT INTO payments (id, payable_kind, payable_id, payer_id, payee_id, fare_amount, service_fee, total_amount, currency, method,
                          gateway, status, ask_after)
    SELECT u.payment_id, :kind, t.id, t.payer_id, t.payee_id, 3000, 100, 3100, 'EGP', 'CARD', 'sandbox', 'INITIATED',
           business_now() + interval '1 day'
      FROM unnest(CAST(:ids AS uuid[]), CAST(:things AS uuid[])) AS u (payment_id, thing_id) JOIN things t ON t.id = u.thing_id
    RETURNING *
"""
_ENDS = """
    SELECT p.status, p.settlement, p.captured_amount, p.refund_amount, p.refunded_amount, p.charged_back_amount, p.decline_reason,
           t.status AS thing, t.sold, (SELECT array_agg(status ORDER BY id) FROM refunds WHERE payment_id = p.id) AS refunds,
           (SELECT array_agg(status || fare_amount || '+' || service_fee) FROM payment_disputes WHERE payment_id = p.id) AS disputes,
           (SELECT count(*) FROM events WHERE subject_id = p.id AND name = 'PaymentSucceeded') AS succeeded,
           (SELECT count(*) FROM events WHERE subject_id = p.id AND name = 'PaymentRefunded') AS refunded,
           (SELECT array_agg(DISTINCT a.kind || ' ' || sums.amount)
              FROM (SELECT e.account_id, sum(e.amount) AS amount
                      FROM ledger_entries e
                     WHERE e.transaction_id = p.id OR e.transaction_id IN (SELECT id FROM refunds WHERE payment_id = p.id)
                        OR e.transaction_id IN (SELECT id FROM payment_disputes WHERE payment_id = p.id)
                     GROUP BY e.account_id HAVING sum(e.amount) <> 0) AS sums
              JOIN ledger_accounts a ON a.id = sums.account_id) AS books
      FROM payments p JOIN things t ON t.id = p.payable_id
"""


class Story(msgspec.Struct, frozen=True):
    """Six messages about a payment, and the end to which they come."""

    messages: Callable[[Payment, Refund | None], Sequence[bytes]]
    end: Mapping[str, object]
    is_refunded: bool = False


def refund_told(refund: Refund | None, status: str) -> bytes:
    assert refund is not None
    said = {"id": str(refund.id), "reference": "re_1", "status": status, "reason": "refund_not_possible" if status == "declined" else None}
    return msgspec.json.encode({"type": f"refund.{status}", "data": said})


DISPUTED = Story(
    lambda payment, _: [
        told(payment, "pending"),
        told(payment, "declined"),
        told(payment),
        message(payment, "opened", dispute=str(payment.id)),
        message(payment, "lost", dispute=str(payment.id)),
        message(payment, "won", dispute=str(payment.id)),
    ],
    {
        "status": "SUCCESS", "settlement": "KEPT", "captured_amount": 3100, "refund_amount": 0, "refunded_amount": 0,
        "charged_back_amount": 0, "decline_reason": None, "thing": "SOLD", "sold": 1, "refunds": None,
        "disputes": ["WON3000+100"], "succeeded": 1, "refunded": 0,
        "books": ["FEES 100", "GATEWAY -3100", "PAYEE 3000"],
    },
)  # fmt: skip
REFUNDED = Story(
    lambda payment, refund: [
        told(payment),
        told(payment, "declined"),
        refund_told(refund, "pending"),
        refund_told(refund, "declined"),
        refund_told(refund, "done"),
        message(payment, "lost", dispute=str(payment.id)),
    ],
    {
        "status": "SUCCESS", "settlement": "KEPT", "captured_amount": 3100, "refund_amount": 2000, "refunded_amount": 2000,
        "charged_back_amount": 1100, "decline_reason": None, "thing": "SOLD", "sold": 1, "refunds": ["SUCCESS"],
        "disputes": ["LOST1000+100"], "succeeded": 1, "refunded": 1, "books": None,
    },
    is_refunded=True,
)  # fmt: skip


@pytest.mark.timeout(600)
@pytest.mark.parametrize("story", [DISPUTED, REFUNDED], ids=["disputed", "refunded"])
async def test_all_orders_of_six_messages_lead_to_the_same_end(till: Till, story: Story, move_time: Callable[[timedelta], None]) -> None:
    things, payments = await _arrange(till, len(ORDERS))
    refunds: dict[PaymentId, Refund] = {}
    if story.is_refunded:
        await asyncio.gather(*(till.outcomes.apply(payment.id, Captured(payment.total, "ch_1")) for payment in payments))
        refunds = {refund.payment_id: refund for refund in await give_back(till, things, egp(20), egp(0))}
    turns = asyncio.Semaphore(AT_ONCE)

    async def tell(payment: Payment, order: Sequence[int]) -> None:
        async with turns:
            messages = story.messages(payment, refunds.get(payment.id))
            for place in order:
                event_id, body = f"{payment.id}.{place}", messages[place]
                await till.payments.inbox.receive("sandbox", signed(SECRET.encode(), event_id, body), body)

    await asyncio.gather(*(tell(payment, order) for payment, order in zip(payments, ORDERS, strict=True)))
    move_time(timedelta(minutes=1))
    while await till.payments.inbox.apply_waiting():
        pass
    assert await till.value("SELECT count(*) FROM gateway_webhooks WHERE applied_at IS NULL") == 0
    async with till.database.transaction() as tx:
        ends = [dict(row) for row in await tx.rows(text(_ENDS))]
    assert len(ends) == len(ORDERS)
    assert [end for end in ends if end != story.end] == []
    await till.check_books()


async def _arrange(till: Till, count: int) -> tuple[list[Thing], list[Payment]]:
    """So many undecided payments, straight into the tables: charging them one by one is not what is tried here."""
    async with till.database.transaction() as tx:
        things = await tx.all(text(_THINGS), Thing, payer=UserId.new(), count=count)
        ids = [PaymentId.new() for _ in things]
        return things, await tx.all(text(_PAYMENTS), Payment, ids=ids, things=[thing.id for thing in things], kind=SOLD)
