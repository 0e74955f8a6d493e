-- name: insert
-- A payout asked for. No row where the session has a live one.
INSERT INTO driver_payouts (id, driver_id, session_id, gross_amount, service_fees, net_amount, currency, status, requested_by)
VALUES (:id, :driver_id, :session_id, :gross, :fees, :net, :currency, 'PENDING', :requested_by)
    ON CONFLICT (session_id) WHERE status NOT IN ('REJECTED', 'CANCELLED', 'RETURNED') DO NOTHING
RETURNING *;

-- name: get
-- One payout.
SELECT * FROM driver_payouts WHERE id = :id;

-- name: lock
-- Payouts, locked in the order of their ids. The rows come back fresh.
SELECT * FROM driver_payouts WHERE id = ANY(:ids) ORDER BY id FOR NO KEY UPDATE;

-- name: list_payouts
-- A page of payouts, newest first: of a driver or of all, in a state or in any.
SELECT * FROM driver_payouts
 WHERE (:driver_id::uuid IS NULL OR driver_id = :driver_id::uuid)
   AND (:status::text IS NULL OR status = :status::text)
   AND (:before::uuid IS NULL OR id < :before::uuid)
 ORDER BY id DESC
 LIMIT :limit;

-- name: open_payee
-- Whoever is paid for the first time.
INSERT INTO payout_payees (payee_id) VALUES (:payee_id) ON CONFLICT DO NOTHING;

-- name: lock_payee
-- Whoever is paid: one decision about how much or where at a time.
SELECT payee_id FROM payout_payees WHERE payee_id = :payee_id FOR NO KEY UPDATE;

-- name: standing
-- What a payee's accounts have in a currency, and what their sessions without a payout that was approved brought in. Both in one
-- statement: a refund, a chargeback or a capture that commits meanwhile is in both or in neither. Whoever decides on it has locked the payee before.
SELECT :currency::text AS currency,
       (SELECT coalesce(sum(e.amount), 0)::bigint
          FROM ledger_accounts a JOIN ledger_entries e ON e.account_id = a.id
         WHERE a.kind = ANY(:kinds) AND a.owner = :owner AND a.currency = :currency::text) AS balance,
       (SELECT coalesce(sum(p.fare_amount - coalesce(r.fare, 0) - coalesce(d.fare, 0)), 0)::bigint
          FROM driver_sessions s
          JOIN bookings b ON b.kind = 'session' AND b.owner_id = s.id
          JOIN payments p ON p.payable_kind = 'booking' AND p.payable_id = b.id AND p.settlement = 'KEPT' AND p.currency = :currency::text
          LEFT JOIN LATERAL (SELECT sum(fare_amount) AS fare FROM refunds WHERE payment_id = p.id) AS r ON true
          LEFT JOIN LATERAL (SELECT sum(fare_amount) AS fare FROM payment_disputes WHERE payment_id = p.id AND status <> 'WON') AS d ON true
         WHERE s.driver_id = :payee_id
           AND NOT EXISTS (SELECT FROM driver_payouts o WHERE o.session_id = s.id AND o.status IN ('APPROVED', 'IN_BATCH', 'PAID'))) AS unpaid;

-- name: approve
-- The amounts are final from here on. It is locked.
UPDATE driver_payouts
   SET status = 'APPROVED', gross_amount = :gross, service_fees = :fees, net_amount = :net, set_off_amount = :set_off,
       currency = :currency, approved_by_admin = :admin_id, approved_at = business_now(), version = version + 1
 WHERE id = :id AND status = 'PENDING'
RETURNING *;

-- name: pay
-- The money of some payouts has left, or there was none to leave. They are locked.
UPDATE driver_payouts
   SET status = 'PAID', paid_by_admin = :admin_id, paid_at = business_now(), version = version + 1
 WHERE id = ANY(:ids) AND status IN ('APPROVED', 'IN_BATCH')
RETURNING *;

-- name: reject
-- It is locked.
UPDATE driver_payouts
   SET status = 'REJECTED', rejected_by_admin = :admin_id, rejected_at = business_now(), reject_reason = :reason, version = version + 1
 WHERE id = :id AND status = 'PENDING'
RETURNING *;

-- name: cancel
-- It is locked.
UPDATE driver_payouts SET status = 'CANCELLED', cancelled_at = business_now(), version = version + 1
 WHERE id = :id AND status = 'PENDING'
RETURNING *;

-- name: put_in_batch
-- Payouts that go to the bank together. They are locked.
UPDATE driver_payouts SET status = 'IN_BATCH', batch_id = :batch_id, version = version + 1
 WHERE id = ANY(:ids) AND status = 'APPROVED'
RETURNING *;

-- name: take_out_of_batch
-- Payouts whose batch does not go to the bank. They are locked.
UPDATE driver_payouts SET status = 'APPROVED', batch_id = NULL, version = version + 1
 WHERE id = ANY(:ids) AND status = 'IN_BATCH'
RETURNING *;

-- name: give_back
-- Payouts that the bank did not pay, or that came back to it, each with its reason. They are locked.
UPDATE driver_payouts o
   SET status = 'RETURNED', returned_by_admin = :admin_id, returned_at = business_now(), return_reason = r.reason, version = version + 1
  FROM unnest(:ids::uuid[], :reasons::text[]) AS r (id, reason)
 WHERE o.id = r.id AND o.status IN ('IN_BATCH', 'PAID')
RETURNING o.*;
