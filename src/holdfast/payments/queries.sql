-- name: insert_payment
-- A payment about to be tried. The worker leaves it alone until :answer_within has passed. No row where another attempt for
-- the same thing is still running.
INSERT INTO payments (id, payable_kind, payable_id, payer_id, payee_id, fare_amount, service_fee, total_amount, currency, method, gateway,
                      status, idempotency_key, ask_after)
VALUES (:id, :payable_kind, :payable_id, :payer_id, :payee_id, :fare_amount, :service_fee, :total_amount, :currency, :method, :gateway,
        'INITIATED', :idempotency_key, business_now() + :answer_within::interval)
    ON CONFLICT (payable_kind, payable_id) WHERE status = 'INITIATED' DO NOTHING
RETURNING *;

-- name: get
-- Payments by id.
SELECT * FROM payments WHERE id = ANY(:ids);

-- name: of_payables
-- Every attempt to pay for a set of things, the oldest first.
SELECT * FROM payments WHERE payable_kind = :kind AND payable_id = ANY(:payable_ids) ORDER BY id;

-- name: lock_kept
-- The payments that were kept for a set of things, locked in the order of their ids. The rows come back fresh.
SELECT * FROM payments WHERE payable_kind = :kind AND payable_id = ANY(:payable_ids) AND settlement = 'KEPT'
 ORDER BY id FOR NO KEY UPDATE;

-- name: lock_payment
-- One payment, locked.
SELECT * FROM payments WHERE id = :id FOR NO KEY UPDATE;

-- name: insert_refunds
-- Refunds to be done, in the order given.
INSERT INTO refunds (id, payment_id, fare_amount, service_fee, amount, currency, reason, status, requested_by)
SELECT id, payment_id, fare_amount, service_fee, fare_amount + service_fee, currency, reason, 'REQUESTED', requested_by
  FROM unnest(:ids::uuid[], :payment_ids::uuid[], :fare_amounts::bigint[], :service_fees::bigint[], :currencies::text[],
              :reasons::text[], :requested_bys::uuid[])
       WITH ORDINALITY AS r (id, payment_id, fare_amount, service_fee, currency, reason, requested_by, ordinal)
 ORDER BY ordinal
RETURNING *;

-- name: owe_refunds
-- What is asked back of payments, which are locked. The CHECK refuses more than was captured.
UPDATE payments p SET refund_amount = p.refund_amount + r.amount, version = p.version + 1
  FROM unnest(:payment_ids::uuid[], :amounts::bigint[]) AS r (payment_id, amount)
 WHERE p.id = r.payment_id
RETURNING p.*;

-- name: refunds_of
-- The refunds of a set of payments, the oldest first.
SELECT * FROM refunds WHERE payment_id = ANY(:payment_ids) ORDER BY id;

-- name: takings
-- What a set of things brought in, by currency. Whoever decides on it has locked the payments in a statement before.
SELECT p.currency, sum(p.captured_amount)::bigint AS captured, sum(coalesce(r.amount, 0))::bigint AS refunded,
       sum(p.service_fee - coalesce(r.service_fee, 0))::bigint AS fees
  FROM payments p
  LEFT JOIN LATERAL (SELECT sum(amount) AS amount, sum(service_fee) AS service_fee FROM refunds WHERE payment_id = p.id) r ON true
 WHERE p.payable_kind = :kind AND p.payable_id = ANY(:payable_ids) AND p.settlement = 'KEPT'
 GROUP BY p.currency ORDER BY p.currency;
