"""The guards of money, taken away on purpose (see ``tests/controls.py``)."""

from tests.controls import CONTROLS, Control

from holdfast.ledger import repository as ledger
from holdfast.payments import outcomes
from holdfast.payments import repository as payments
from holdfast.payments.availability import repository as availability
from holdfast.payments.disputes import repository as disputes
from holdfast.payments.models import PaidFor
from holdfast.payouts import moves as payout_moves
from holdfast.payouts import repository as payouts
from holdfast.sessions import repository as sessions


async def _nothing_was_paid_before(_tx: object, _kind: str, payable_ids: list[object]) -> dict[object, PaidFor]:
    return {payable_id: PaidFor(payable_id) for payable_id in payable_ids}  # type: ignore[arg-type]


class _DeafTo:
    """A machine that lets everything through: the state is not read again under the lock."""

    def allows(self, _start: object, _end: object) -> bool:
        return True


_WITHOUT_STATES = (
    "ALTER TABLE payments DROP CONSTRAINT payments_refunded",
    "ALTER TABLE payments DROP CONSTRAINT payments_refunded_in_full",
    "ALTER TABLE payments DROP CONSTRAINT payments_charged_back",
)
_POSTS_TWICE = (
    "ALTER TABLE ledger_transactions DROP CONSTRAINT ledger_transactions_pkey",
    "ALTER TABLE ledger_transactions ADD COLUMN nonce bigserial",
    "GRANT USAGE ON SEQUENCE ledger_transactions_nonce_seq TO holdfast_app",
)

CONTROLS.update(
    {
        # Outcomes do not look at the state of their payment under the lock of what it pays for.
        "payments.without_state_check": lambda: Control(
            edits=[(payments.SQL.settle, "AND status = ANY(%(sources)s)", "")], attributes=[(outcomes, "PAYMENT", _DeafTo())]
        ),
        # Nothing keeps a second attempt away while one runs.
        "payments.without_one_live": lambda: Control(
            edits=[(payments.SQL.insert_payment, "ON CONFLICT (payable_kind, payable_id) WHERE status = 'INITIATED' DO NOTHING", "")],
            ddl=["DROP INDEX payments_one_live_idx"],
        ),
        # Nobody asks whether a thing was paid for already.
        "payments.without_one_kept": lambda: Control(
            attributes=[(payments, "of_payables", _nothing_was_paid_before)], ddl=["DROP INDEX payments_one_kept_idx"]
        ),
        # Refunds are asked for without the wall that counts them.
        "payments.without_refund_wall": lambda: Control(ddl=_WITHOUT_STATES),
        # What a gateway says about a refund is heard each time.
        "payments.without_refund_lock": lambda: Control(
            edits=[
                (payments.SQL.lock_payment, "FOR NO KEY UPDATE", ""),
                (payments.SQL.lock_refund, "FOR NO KEY UPDATE", ""),
            ],
            ddl=_WITHOUT_STATES,
        ),
        # What a gateway says about a dispute is heard each time: the payment is not locked, nor the dispute.
        "payments.without_dispute_lock": lambda: Control(
            edits=[
                (payments.SQL.lock_payment, "FOR NO KEY UPDATE", ""),
                (disputes.SQL.lock_dispute, "FOR NO KEY UPDATE", ""),
                (disputes.SQL.decide_dispute, "AND status = ANY(%(sources)s)", ""),
            ],
            ddl=["DROP INDEX payment_disputes_reference_idx"],
        ),
        # Two admins who give back at once both see all that is left: neither the thing nor the payment is locked, and no wall counts.
        "payments.without_order_lock": lambda: Control(
            edits=[(payments.SQL.lock_payment, "FOR NO KEY UPDATE", ""), (payments.SQL.lock_kept, "FOR NO KEY UPDATE", "")],
            ddl=_WITHOUT_STATES,
        ),
        # Everybody who sees that a gateway may be tried tries it.
        "payments.without_one_trial": lambda: Control(
            edits=[(availability.SQL.take_trial, "AND open_until <= business_now() FOR UPDATE SKIP LOCKED", "")]
        ),
        # A transaction is booked as often as somebody asks for it.
        "ledger.without_id": lambda: Control(edits=[(ledger.SQL.post, "ON CONFLICT DO NOTHING", "")], ddl=_POSTS_TWICE),
        # Whoever decides on a payout locks neither it nor its session nor the payments, and takes the state as it was first seen.
        "payouts.without_locks": lambda: Control(
            edits=[
                (sessions.SQL.lock, "FOR NO KEY UPDATE OF s", ""),
                (payments.SQL.lock_kept, "FOR NO KEY UPDATE", ""),
                (payouts.SQL.lock, "FOR NO KEY UPDATE", ""),
                (payouts.SQL.lock_payee, "FOR NO KEY UPDATE", ""),
                (payouts.SQL.approve, "AND status = 'PENDING'", ""),
                (payouts.SQL.pay, "AND status IN ('APPROVED', 'IN_BATCH')", ""),
            ],
        ),
        # A session can be asked for as often as one likes.
        "payouts.without_one_live": lambda: Control(
            edits=[
                (payouts.SQL.insert, "ON CONFLICT (session_id) WHERE status NOT IN ('REJECTED', 'CANCELLED', 'RETURNED') DO NOTHING", "")
            ],
            ddl=["DROP INDEX driver_payouts_one_live_idx"],
        ),
        # Nobody looks at who asked.
        "payouts.without_four_eyes": lambda: Control(
            attributes=[(payout_moves, "forbid_own", lambda _actor, _payout: None)],
            ddl=["ALTER TABLE driver_payouts DROP CONSTRAINT driver_payouts_four_eyes"],
        ),
    }
)
