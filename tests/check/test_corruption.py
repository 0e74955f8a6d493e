"""A check that cannot fail is worthless: each invariant is broken by hand, past every constraint, and must be the one that says so."""

from dataclasses import dataclass

import psycopg
import pytest
from tests.audit.log import row, sealed_log
from tests.check.town import CONSUMER, build_town

from holdfast.app.check import examine
from holdfast.app.check.invariants import invariants
from holdfast.database import Database

# Things of the town to break: the first of their sort.
CONFIRMED = "(SELECT min(id::text)::uuid FROM bookings WHERE status = 'CONFIRMED')"
PENDING = "(SELECT min(id::text)::uuid FROM bookings WHERE status = 'PENDING')"
CALLED_OFF = "(SELECT min(id::text)::uuid FROM bookings WHERE end_reason = 'CALLED_OFF' AND confirmed_at IS NOT NULL)"
POOL = "(SELECT min(id::text)::uuid FROM pools WHERE closed_at IS NULL)"
ACTIVE = "(SELECT min(id::text)::uuid FROM driver_sessions WHERE status = 'ACTIVE')"
KEPT = "(SELECT min(id::text)::uuid FROM payments WHERE settlement = 'KEPT' AND status = 'SUCCESS')"
FAILED = "(SELECT min(id::text)::uuid FROM payments WHERE status = 'FAILED')"
APPROVED = "(SELECT min(id::text)::uuid FROM driver_payouts WHERE status = 'APPROVED')"
FILLED = "(SELECT min(id::text)::uuid FROM ledger_accounts WHERE kind = 'WALLET')"
KEY = "INSERT INTO idempotency_keys (actor_id, key, fingerprint, result_id)"
EVENT = "INSERT INTO events (id, name, subject_kind, subject_id, version, body)"
JOB = "INSERT INTO procrastinate_jobs (queue_name, task_name, status, scheduled_at)"
DEED = (
    "INSERT INTO audit_logs (id, actor_id, actor_role, action, entity, entity_id, created_at)"
    " VALUES (gen_random_uuid(), gen_random_uuid(), 'SYSTEM', 'x', 'x', gen_random_uuid()"
)
LINE = "(SELECT min(owner_id::text)::uuid FROM waiting_rooms)"
LAST = f"(SELECT last_number FROM waiting_counters WHERE owner_id = {LINE})"
NOBODY = "'00000000-0000-7000-8000-000000000001'"
ENTRY = "(SELECT min(id::text)::uuid FROM ledger_entries WHERE purpose = 'CAPTURE')"
OPEN = "(SELECT id, purpose FROM ledger_pending_transactions WHERE id NOT IN (SELECT id FROM ledger_pending_ends)) AS open"


def without(table: str, *constraints: str) -> str:
    """Takes constraints away, and asks at once whether they were there."""
    return "; ".join(f"ALTER TABLE {table} DROP CONSTRAINT {table}_{constraint}" for constraint in constraints)


WALLET = f"INSERT INTO ledger_accounts (id, kind, owner, currency) VALUES ({NOBODY}, 'WALLET', 'x', 'EGP')"

# What else knows an entry that was changed, removed or added.
BOOKS = ("i3_rolled_up", "i3_days", "i3_day_balances")


@dataclass(frozen=True)
class Damage:
    """What is done to the database, and which invariants it breaks: the one it is about, and those that follow from it."""

    about: str
    statements: str
    follows: tuple[str, ...] = ()
    worker_runs: bool = False
    consumers: tuple[str, ...] = ()


DAMAGES = [
    Damage("rule6_clock", "CREATE OR REPLACE FUNCTION business_now() RETURNS timestamptz LANGUAGE sql STABLE AS 'SELECT now()'"),
    Damage("rule12_rights", "CREATE ROLE test_power; GRANT test_power TO holdfast_app"),
    Damage("rule12_rights", "GRANT DELETE ON events_default TO holdfast_app"),
    Damage("rule12_rights", "GRANT UPDATE (amount) ON ledger_entries TO holdfast_app", follows=("rule12_refusals",)),
    Damage("rule12_refusals", "GRANT UPDATE ON events TO holdfast_app", follows=("rule12_rights",)),
    Damage("rule12_refusals", "GRANT DELETE ON audit_logs TO holdfast_app", follows=("rule12_rights",)),
    Damage("rule12_refusals", "GRANT TRUNCATE ON ledger_transactions TO holdfast_app", follows=("rule12_rights",)),
    Damage("rule13_durability", "ALTER ROLE holdfast_app IN DATABASE {database} SET synchronous_commit = off"),
    Damage(
        "i1_bounds",
        f"{without('pools', 'counters')}; UPDATE pools SET capacity = 5 WHERE id = {POOL}",
        # Fewer seats than are sold means also that seats are sold twice, and that the session should be full.
        follows=("i2_units", "i9_sessions"),
    ),
    Damage("i1_bounds", f"{without('pools', 'counters')}; UPDATE pools SET held = -1 WHERE id = {POOL}", follows=("i1_counters",)),
    Damage("i1_counters", f"UPDATE pools SET held = held + 1 WHERE id = {POOL}"),
    Damage("i1_counters", f"UPDATE pools SET sold = sold - 1 WHERE id = {POOL}"),
    Damage("i1_counters", f"UPDATE sold_lines SET pool_id = {NOBODY} WHERE hold_id = {CONFIRMED}", follows=("i8_sold",)),
    Damage(
        "i2_units",
        f"UPDATE hold_lines SET quantity = 9 WHERE hold_id = {PENDING}; UPDATE booking_items SET quantity = 9 WHERE booking_id = {PENDING};"
        f"UPDATE bookings SET quantity = 9 WHERE id = {PENDING}",
        follows=("i1_counters",),
    ),
    Damage("i2_held", f"DELETE FROM holds WHERE id = {PENDING}"),
    Damage("i2_held", "INSERT INTO holds (id, expires_at) VALUES (gen_random_uuid(), now() + interval '1 hour')"),
    Damage(
        "i2_held",
        f"UPDATE booking_items SET quantity = 2 WHERE booking_id = {PENDING}; UPDATE bookings SET quantity = 2 WHERE id = {PENDING}",
    ),
    Damage("i2_deadlines", f"UPDATE hold_lines SET expires_at = expires_at + interval '1 second' WHERE hold_id = {PENDING}"),
    Damage(
        "i3_transactions",
        "UPDATE ledger_entries SET amount = amount + 1 WHERE id = (SELECT min(id::text)::uuid FROM ledger_entries WHERE amount > 0)",
        follows=("i3_balances", *BOOKS),
    ),
    Damage(
        "i3_transactions",
        "DELETE FROM ledger_entries WHERE transaction_id = (SELECT min(id::text)::uuid FROM ledger_transactions)",
        follows=("i3_balances", *BOOKS),
    ),
    Damage(
        "i3_transactions",
        f"{without('ledger_transactions', 'sums_to_zero')};"
        "UPDATE ledger_transactions SET given = given + 1 WHERE id = (SELECT min(id::text)::uuid FROM ledger_transactions)",
    ),
    Damage("i3_accounts", "UPDATE ledger_accounts SET currency = 'USD' WHERE kind = 'FEES'", follows=("i3_balances",)),
    Damage("i3_guarded", f"UPDATE ledger_guarded_balances SET balance = balance + 1 WHERE account_id = {FILLED}"),
    Damage("i3_guarded", f"DELETE FROM ledger_guarded_balances WHERE account_id = {FILLED}"),
    Damage(
        "i3_posted",
        "DELETE FROM ledger_transactions WHERE id = (SELECT id FROM driver_payouts WHERE status = 'PAID' LIMIT 1);"
        "DELETE FROM ledger_entries WHERE transaction_id NOT IN (SELECT id FROM ledger_transactions)",
        follows=("i3_balances", "i3_pending", *BOOKS),
    ),
    Damage(
        "i3_balances",
        "UPDATE ledger_entries SET account_id = (SELECT max(id::text)::uuid FROM ledger_accounts WHERE kind = 'PAYEE')"
        " WHERE id = (SELECT min(e.id::text)::uuid FROM ledger_entries e JOIN ledger_accounts a ON a.id = e.account_id AND a.kind = 'PAYEE'"
        " JOIN driver_sessions s ON s.driver_id::text = a.owner AND s.status = 'ACTIVE' WHERE e.purpose = 'CAPTURE')",
        follows=BOOKS,
    ),
    Damage(
        "i3_exchanges",
        "UPDATE ledger_transactions SET currencies = 2, exchanged = 1 WHERE id = (SELECT min(id::text)::uuid FROM ledger_transactions)",
    ),
    Damage("i3_guarded", f"{WALLET}; INSERT INTO ledger_guarded_balances VALUES ({NOBODY}, 5)"),
    Damage("i3_guarded", WALLET),
    Damage("i3_pending", "DELETE FROM ledger_pending_ends"),
    Damage("i3_pending", f"INSERT INTO ledger_pending_ends SELECT id, purpose, 'VOIDED', now() FROM {OPEN}"),
    Damage("i3_pending", f"UPDATE ledger_pending_transactions SET received = 1, given = 1 WHERE id = (SELECT id FROM {OPEN})"),
    Damage("i3_pending", "DELETE FROM ledger_pending_transactions"),
    Damage(
        "i3_pending",
        f"{WALLET}; INSERT INTO ledger_guarded_balances VALUES ({NOBODY}, 0);"
        f"{without('ledger_guarded_balances', 'pending')}; UPDATE ledger_guarded_balances SET pending = 5",
    ),
    Damage("i3_rolled_up", "UPDATE ledger_balances SET balance = balance + 1 WHERE balance > 0"),
    Damage("i3_rolled_up", "UPDATE ledger_balances SET pending = pending - 1 WHERE pending > 0"),
    Damage("i3_rolled_up", "DELETE FROM ledger_balances WHERE pending > 0"),
    Damage("i3_days", f"UPDATE ledger_entries SET purpose = 'ADJUSTED' WHERE id = {ENTRY}", follows=("i3_transactions",)),
    Damage("i3_days", f"UPDATE ledger_entries SET posted_at = posted_at + interval '1 second' WHERE id = {ENTRY}"),
    Damage("i3_days", f"UPDATE ledger_entries SET xid = '0' WHERE id = {ENTRY.replace('min', 'max')}"),
    Damage(
        "i3_days",
        "INSERT INTO ledger_entries (id, transaction_id, purpose, account_id, amount, currency, posted_at, xid)"
        f" SELECT gen_random_uuid(), transaction_id, purpose, account_id, side, currency, posted_at, '9999999999999'"
        f" FROM ledger_entries, (VALUES (1), (-1)) AS sides (side) WHERE id = {ENTRY}",
        follows=("i3_transactions",),
    ),
    Damage("i3_days", "UPDATE ledger_days SET given = '{\"EGP\": 1}' WHERE day = (SELECT min(day) FROM ledger_days)"),
    Damage("i3_days", "UPDATE ledger_days SET seal = sha256(seal) WHERE day = (SELECT max(day) FROM ledger_days)"),
    Damage("i3_days", "DELETE FROM ledger_days WHERE day = (SELECT min(day) FROM ledger_days)", follows=("i3_day_balances",)),
    Damage("i3_days", "DELETE FROM ledger_closings"),
    Damage("i3_day_balances", "DELETE FROM ledger_days WHERE day = (SELECT max(day) FROM ledger_days)"),
    Damage("i3_day_balances", "UPDATE ledger_day_balances SET balance = balance + 1 WHERE day = (SELECT min(day) FROM ledger_days)"),
    Damage(
        "i4_payments",
        f"{without('payments', 'refunded', 'refunded_in_full')}; UPDATE payments SET refunded_amount = refund_amount + 1 WHERE id = {KEPT}",
        follows=("i4_refunds",),
    ),
    Damage(
        "i4_payments",
        f"UPDATE payments SET total_amount = 700, fare_amount = 600 WHERE id = {KEPT};"
        f"UPDATE bookings SET fare = 600 WHERE id = (SELECT payable_id FROM payments WHERE id = {KEPT})",
        follows=("i3_balances", "i8_items"),
    ),
    Damage(
        "i4_refunds",
        "DELETE FROM refunds WHERE id = (SELECT min(id::text)::uuid FROM refunds WHERE reason = 'TOO_LATE')",
        follows=("i3_posted", "i3_balances"),
    ),
    Damage(
        "i4_payees",
        "UPDATE ledger_entries SET amount = -amount WHERE account_id IN (SELECT id FROM ledger_accounts WHERE kind = 'FEES')",
        follows=("i3_balances", "i3_transactions", *BOOKS),
    ),
    Damage(
        "i4_paid_out",
        # More was paid out than was earned, and the books say so themselves: ten times as much, at the payout and in the ledger.
        f"UPDATE driver_payouts SET gross_amount = 10 * net_amount + service_fees, net_amount = 10 * net_amount WHERE id = {APPROVED};"
        f"UPDATE ledger_entries SET amount = 10 * amount WHERE transaction_id = {APPROVED};"
        f"UPDATE ledger_transactions SET received = 10 * received, given = 10 * given WHERE id = {APPROVED}",
        follows=("i4_payouts", "i3_rolled_up", "i3_days", "i3_day_balances"),
    ),
    Damage(
        "i4_payouts",
        f"UPDATE driver_payouts SET gross_amount = gross_amount + 50, service_fees = service_fees + 50 WHERE id = {APPROVED}",
    ),
    Damage(
        "i5_keys",
        f"{without('idempotency_keys', 'pkey')};"
        "INSERT INTO idempotency_keys SELECT * FROM idempotency_keys WHERE answer IS NOT NULL LIMIT 1",
    ),
    Damage(
        "i5_keys",
        f"{KEY} SELECT actor_id, 'other', '', result_id FROM idempotency_keys LIMIT 1",
    ),
    Damage("i5_keys", "UPDATE idempotency_keys SET result_id = NULL WHERE key = 'hold-1'"),
    Damage("i5_keys", "UPDATE idempotency_keys SET result_id = gen_random_uuid() WHERE key = 'hold-1'"),
    Damage(
        "i6_confirmed",
        "DROP INDEX payments_one_kept_idx; CREATE TEMP TABLE twice AS SELECT * FROM payments WHERE payable_id = "
        + CONFIRMED
        + " AND settlement = 'KEPT';"
        "UPDATE twice SET id = gen_random_uuid(); INSERT INTO payments SELECT * FROM twice",
        follows=("i3_posted", "i3_balances", "i9_payment_moves"),
    ),
    Damage(
        "i6_confirmed",
        f"UPDATE payments SET payer_id = {NOBODY} WHERE payable_id = {CONFIRMED} AND settlement = 'KEPT'",
        follows=("i5_keys",),
    ),
    Damage("i6_kept", f"UPDATE payments SET payable_id = {NOBODY} WHERE payable_id = {CALLED_OFF} AND settlement = 'KEPT'"),
    Damage(
        "i6_filled",
        f"INSERT INTO wallet_top_ups (id, user_id, amount, currency, filled_at) VALUES (gen_random_uuid(), {NOBODY}, 100, 'EGP', now())",
    ),
    Damage("i6_filled", "UPDATE payments SET payable_kind = 'gift' WHERE payable_kind = 'top_up'", follows=("i6_kept",)),
    Damage("i6_kept", "UPDATE wallet_top_ups SET amount = amount + 1"),
    Damage(
        "i6_not_kept",
        "DELETE FROM refunds WHERE reason = 'TOO_LATE';"
        "UPDATE payments SET status = 'SUCCESS', refund_amount = 0, refunded_amount = 0 WHERE settlement = 'TOO_LATE'",
        follows=("i3_posted", "i3_balances", "i9_payment_moves"),
    ),
    Damage(
        "i6_cancelled",
        f"UPDATE bookings SET end_reason = 'CANCELLED_BY_CUSTOMER', ended_at = now() - interval '1 minute' WHERE id = {CALLED_OFF}",
    ),
    Damage(
        "i7_decided",
        f"CREATE TEMP TABLE unknown AS SELECT * FROM payments WHERE id = {FAILED};"
        f"UPDATE unknown SET id = {NOBODY}, status = 'INITIATED', decline_reason = NULL, created_at = now() - interval '1 hour';"
        "INSERT INTO payments SELECT * FROM unknown;"
        "INSERT INTO events (id, name, subject_kind, subject_id, version, body) VALUES (gen_random_uuid(), 'PaymentInitiated', 'payment', "
        + NOBODY
        + ", 1, '{}')",
        worker_runs=True,
    ),
    Damage(
        "i8_sold",
        f"UPDATE pools SET sold = sold - 1 WHERE id = (SELECT pool_id FROM sold_lines WHERE hold_id = {CONFIRMED});"
        f"DELETE FROM sold_lines WHERE hold_id = {CONFIRMED}",
    ),
    Damage(
        "i8_sold",
        f"UPDATE sold_lines SET quantity = 2 WHERE hold_id = {CONFIRMED};"
        f"UPDATE pools SET sold = sold + 1 WHERE id = (SELECT pool_id FROM sold_lines WHERE hold_id = {CONFIRMED})",
    ),
    Damage("i8_items", f"UPDATE booking_items SET amount = amount - 1 WHERE booking_id = {CONFIRMED}"),
    Damage("i8_items", f"DELETE FROM booking_items WHERE booking_id = {PENDING}", follows=("i2_held",)),
    Damage("i8_items", f"UPDATE bookings SET owner_id = {NOBODY} WHERE id = {CONFIRMED}", follows=("i15_turns",)),
    Damage(
        "i9_states",
        f"{without('bookings', 'ended', 'reason')}; UPDATE bookings SET ended_at = now() WHERE id = {CONFIRMED}",
    ),
    Damage("i9_states", f"{without('payments', 'undecided')}; UPDATE payments SET unknown_since = now() WHERE id = {KEPT}"),
    Damage(
        "i9_states",
        f"{without('driver_sessions', 'status', 'ended')}; UPDATE driver_sessions SET status = 'PAUSED' WHERE id = {ACTIVE};"
        "INSERT INTO events (id, name, subject_kind, subject_id, version, body) SELECT gen_random_uuid(), 'SessionPaused', 'session', "
        + ACTIVE
        + ", 2, '{}'",
        follows=("i9_sessions", "i9_session_moves"),
    ),
    Damage("i9_sessions", f"UPDATE pools SET closed_at = now() WHERE id = {POOL}"),
    Damage("i9_sessions", f"UPDATE driver_sessions SET status = 'FULL' WHERE id = {ACTIVE}", follows=("i9_session_moves",)),
    Damage("i9_booking_moves", f"UPDATE events SET name = 'BookingExpired' WHERE subject_id = {CONFIRMED} AND name = 'BookingConfirmed'"),
    Damage("i9_booking_moves", f"DELETE FROM events WHERE subject_id = {CONFIRMED} AND name = 'BookingConfirmed'"),
    Damage("i9_booking_moves", f"DELETE FROM events WHERE subject_id = {PENDING}"),
    Damage(
        "i9_booking_moves",
        f"{EVENT} SELECT gen_random_uuid(), 'BookingConfirmed', 'booking', id, 4, '{{}}'"
        " FROM bookings WHERE end_reason = 'CANCELLED_BY_CUSTOMER'",
    ),
    Damage("i9_session_moves", f"UPDATE events SET name = 'SessionClosed' WHERE subject_id = {ACTIVE}"),
    Damage("i9_payment_moves", f"DELETE FROM events WHERE subject_id = {FAILED} AND name = 'PaymentFailed'"),
    Damage("i9_payment_moves", f"UPDATE events SET version = 1 WHERE subject_id = {KEPT} AND name = 'PaymentSucceeded'"),
    Damage(
        "i9_ended_sessions",
        f"UPDATE driver_sessions SET status = 'CANCELLED', ended_at = now() - interval '5 minutes', version = 2 WHERE id = {ACTIVE};"
        f"UPDATE pools SET closed_at = now() - interval '5 minutes' WHERE owner_id = (SELECT owner_id FROM bookings WHERE id = {PENDING});"
        "INSERT INTO events (id, name, subject_kind, subject_id, version, body)"
        f" SELECT gen_random_uuid(), 'SessionCancelled', 'session', owner_id, 2, '{{}}' FROM bookings WHERE id = {PENDING}",
        worker_runs=True,
    ),
    Damage("i10_cursors", "UPDATE event_cursors SET xid = '9999999999999'"),
    Damage("i10_cursors", "SELECT 1", worker_runs=True, consumers=(CONSUMER, "somebody.new")),
    Damage(
        "i10_cursors",
        "UPDATE event_cursors SET position = 0, xid = '0'; UPDATE events SET occurred_at = now() - interval '5 minutes'",
        worker_runs=True,
    ),
    Damage("i11_jobs", "INSERT INTO procrastinate_jobs (queue_name, task_name, status) VALUES ('default', 'lost', 'failed')"),
    Damage(
        "i11_jobs",
        "INSERT INTO procrastinate_jobs (queue_name, task_name, status) VALUES ('default', 'forsaken', 'doing')",
        worker_runs=True,
    ),
    Damage(
        "i11_jobs",
        f"{JOB} VALUES ('default', 'late', 'todo', now() - interval '1 hour')",
        worker_runs=True,
    ),
    Damage(
        "i12_lapsed",
        "UPDATE holds SET created_at = now() - interval '1 hour', expires_at = now() - interval '15 seconds';"
        "UPDATE hold_lines SET expires_at = now() - interval '15 seconds'",
        worker_runs=True,
    ),
    Damage(
        "i13_payouts",
        f"{without('driver_payouts', 'four_eyes')}; UPDATE driver_payouts SET approved_by_admin = driver_id WHERE id = {APPROVED}",
    ),
    Damage("i13_batches", f"{without('payout_batches', 'four_eyes')}; UPDATE payout_batches SET approved_by_admin = made_by_admin"),
    Damage(
        "i13_batches",
        "UPDATE payout_batches SET approved_by_admin = (SELECT driver_id FROM driver_payouts WHERE status = 'IN_BATCH' LIMIT 1)",
    ),
    Damage("i13_batches", "UPDATE payout_batch_items SET amount = amount + 1"),
    Damage("i13_batches", "UPDATE payout_batches SET total_amount = total_amount + 1"),
    Damage("i13_batches", "DELETE FROM payout_batch_items"),
    Damage("i13_batches", f"UPDATE payout_accounts SET payee_id = (SELECT driver_id FROM driver_payouts WHERE id = {APPROVED})"),
    Damage(
        "i13_batches",
        f"{without('payout_batches', 'approved', 'cancelled')}; UPDATE payout_batches SET status = 'CANCELLED'",
    ),
    Damage("i13_payouts", "UPDATE driver_payouts SET paid_by_admin = driver_id WHERE status = 'PAID'"),
    Damage("i4_disputes", f"{without('payments', 'charged_back')}; UPDATE payments SET charged_back_amount = 1 WHERE id = {KEPT}"),
    Damage(
        "i16_sent",
        "INSERT INTO settlement_lines (id, gateway, kind, reference, gross, fee, net, currency, settled_on)"
        f" VALUES ({NOBODY}, 'sandbox', 'PAYOUT', 'po_1', -900, 0, -900, 'EGP', now())",
        follows=("i3_posted", "i3_balances"),
    ),
    Damage(
        "i16_orders",
        f"{without('refund_orders', 'four_eyes')}; INSERT INTO refund_orders (id, payment_id, amount, currency, note,"
        " needs_another_admin, status, ordered_by, decided_by, decided_at)"
        f" VALUES ({NOBODY}, {KEPT}, 1, 'EGP', 'why', true, 'REJECTED', {NOBODY}, {NOBODY}, now())",
    ),
    Damage("i14_sealed", f"{DEED}, now() - interval '1 minute')", worker_runs=True),
    Damage(
        "i14_sealed",
        "DELETE FROM audit_chain_head; UPDATE audit_logs SET created_at = now() - interval '1 minute'",
        follows=("i14_chain",),
        worker_runs=True,
    ),
    Damage("i14_chain", f"UPDATE audit_logs SET after = '{{}}' WHERE id = {row(3)}"),
    Damage("i14_chain", f"DELETE FROM audit_logs WHERE id = {row(3)}"),
    Damage("i14_chain", f"{DEED}, now()); UPDATE audit_logs a SET xid = b.xid FROM audit_logs b WHERE b.id = {row(3)} AND a.action = 'x'"),
    Damage("i14_chain", f"UPDATE audit_logs a SET xid = b.xid FROM audit_logs b WHERE a.id = {row(3)} AND b.id = {row(5)}"),
    Damage("i14_chain", f"DELETE FROM audit_logs WHERE id = {row(6)}; DELETE FROM audit_seals WHERE number = 6"),
    Damage("i14_chain", "UPDATE audit_seals SET hash = decode(repeat('00', 32), 'hex') WHERE number = 1"),
    Damage("i15_numbers", f"DELETE FROM waiting_places WHERE owner_id = {LINE} AND number = {LAST}"),
    Damage("i15_numbers", f"UPDATE waiting_counters SET last_number = last_number + 1 WHERE owner_id = {LINE}"),
    Damage("i15_numbers", f"UPDATE waiting_places SET number = number + 1 WHERE owner_id = {LINE} AND number = {LAST}"),
    Damage(
        "i15_numbers",
        f"{without('waiting_places', 'number_key')};"
        f"UPDATE waiting_places SET number = number - 1 WHERE owner_id = {LINE} AND number = {LAST}",
    ),
    Damage(
        "i15_admitted",
        f"UPDATE waiting_places SET admitted_at = now(), admitted_until = now() + interval '5 minutes'"
        f" WHERE owner_id = {LINE} AND number = {LAST}",
    ),
    Damage(
        "i15_admitted",
        f"UPDATE waiting_places SET admitted_at = NULL, admitted_until = NULL, booking_id = NULL WHERE owner_id = {LINE} AND number = 1",
    ),
    Damage(
        "i15_order",
        f"UPDATE waiting_places SET admitted_at = admitted_at - interval '1 second' WHERE owner_id = {LINE} AND number = 2",
    ),
    Damage("i15_turns", f"UPDATE waiting_places SET booking_id = {NOBODY} WHERE owner_id = {LINE} AND number = 1"),
    Damage(
        "i15_turns",
        f"UPDATE waiting_places SET booking_id = (SELECT booking_id FROM waiting_places WHERE owner_id = {LINE} AND number = 2)"
        f" WHERE owner_id = {LINE} AND number = 1",
    ),
    Damage(
        "i15_turns",
        f"UPDATE bookings SET created_at = created_at - interval '1 hour'"
        f" WHERE id = (SELECT booking_id FROM waiting_places WHERE owner_id = {LINE} AND number = 1)",
    ),
]


@pytest.mark.parametrize("damage", DAMAGES, ids=[f"{damage.about}-{number}" for number, damage in enumerate(DAMAGES)])
async def test_damage_is_found(
    damage: Damage, database: Database, database_name: str, database_url: str, owner_url: str, superuser_url: str
) -> None:
    build_town(owner_url)
    await sealed_log(database, 6)
    with psycopg.connect(superuser_url) as superuser:
        superuser.execute(damage.statements.replace("{database}", database_name))
        if damage.worker_runs:
            superuser.execute("INSERT INTO procrastinate_workers DEFAULT VALUES")
    try:
        found = await examine(database_url, consumers=damage.consumers or (CONSUMER,), test_clock=damage.about != "rule6_clock")
    finally:
        with psycopg.connect(superuser_url) as superuser:
            superuser.execute("DROP ROLE IF EXISTS test_power")
    assert set(found.broken) == {damage.about, *damage.follows}
    assert all(finding.rows and finding.violations >= len(finding.rows) for finding in found.findings if not finding.holds)


def test_every_invariant_is_damaged_here() -> None:
    asked = {invariant.name for invariant in invariants()} - {"i6_settled"} | {"rule12_refusals", "i14_chain"}
    assert {damage.about for damage in DAMAGES} == asked
