-- name: insert_payment
-- A payment about to be tried. The worker leaves it alone until :answer_within has passed. No row where another attempt for
-- the same thing is still running.
INSERT INTO payments (id, payable_kind, payable_id, payer_id, payee_id, fare_amount, service_fee, total_amount, currency, method, gateway,
                      status, idempotency_key, ask_after, earner, wallet_amount, authenticate)
VALUES (:id, :payable_kind, :payable_id, :payer_id, :payee_id, :fare_amount, :service_fee, :total_amount, :currency, :method, :gateway,
        'INITIATED', :idempotency_key, business_now() + :answer_within::interval, :earner, :wallet_amount, :authenticate)
    ON CONFLICT (payable_kind, payable_id) WHERE status = 'INITIATED' DO NOTHING
RETURNING *;

-- name: insert_paid
-- Payments out of wallets, which are captured and kept from their beginning: for things that are locked, and of which none was paid for.
INSERT INTO payments (id, payable_kind, payable_id, payer_id, payee_id, fare_amount, service_fee, total_amount, currency, method, gateway,
                      status, settlement, captured_amount, captured_currency, captured_at, idempotency_key, ask_after)
SELECT id, :payable_kind, payable_id, payer_id, payee_id, fare_amount, service_fee, fare_amount + service_fee, currency, 'WALLET', 'wallet',
       'SUCCESS', 'KEPT', fare_amount + service_fee, currency, business_now(), key, business_now()
  FROM unnest(:ids::uuid[], :payable_ids::uuid[], :payer_ids::uuid[], :payee_ids::uuid[], :fare_amounts::bigint[], :service_fees::bigint[],
              :currencies::text[], :keys::text[])
       AS p (id, payable_id, payer_id, payee_id, fare_amount, service_fee, currency, key)
RETURNING *;

-- name: business_now
-- The database's time.
SELECT business_now();

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

-- name: find_by_reference
-- The payment that a gateway names by its own reference.
SELECT id FROM payments WHERE gateway_reference = :reference AND gateway = :gateway;

-- name: charge_back
-- What a payment's bank took from us, or gave back, of a payment that is locked. The CHECK refuses more than is left of it.
UPDATE payments SET charged_back_amount = charged_back_amount + :amount, version = version + 1 WHERE id = :id RETURNING *;

-- name: left_of_kept
-- What is neither asked back nor charged back of payments that were kept: of the fare, and of the fee.
SELECT p.id, p.fare_amount - coalesce(r.fare, 0) - coalesce(d.fare, 0) AS fare, p.service_fee - coalesce(r.fee, 0) - coalesce(d.fee, 0) AS fee,
       coalesce(d.fare, 0) + coalesce(d.fee, 0) + coalesce(r.by_admin, 0) > 0 AS is_less_than_sold
  FROM payments p
  LEFT JOIN LATERAL (SELECT sum(fare_amount)::bigint AS fare, sum(service_fee)::bigint AS fee,
                            (sum(amount) FILTER (WHERE reason = 'DECIDED_BY_ADMIN'))::bigint AS by_admin
                       FROM refunds WHERE payment_id = p.id) AS r ON true
  LEFT JOIN LATERAL (SELECT sum(fare_amount)::bigint AS fare, sum(service_fee)::bigint AS fee
                       FROM payment_disputes WHERE payment_id = p.id AND status <> 'WON') AS d ON true
 WHERE p.id = ANY(:ids) AND p.settlement = 'KEPT';

-- name: insert_refunds
-- Refunds to be done, in the order given.
INSERT INTO refunds (id, payment_id, fare_amount, service_fee, amount, currency, reason, destination, status, requested_by)
SELECT id, payment_id, fare_amount, service_fee, fare_amount + service_fee, currency, reason, destination, 'REQUESTED', requested_by
  FROM unnest(:ids::uuid[], :payment_ids::uuid[], :fare_amounts::bigint[], :service_fees::bigint[], :currencies::text[],
              :reasons::text[], :destinations::text[], :requested_bys::uuid[])
       WITH ORDINALITY AS r (id, payment_id, fare_amount, service_fee, currency, reason, destination, requested_by, ordinal)
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
-- What a set of things brought in, by currency, but for what their payee has in cash; what was charged back counts as refunded.
-- Whoever decides on it has locked the payments in a statement before.
SELECT p.currency, sum(p.captured_amount)::bigint AS captured, sum(coalesce(r.amount, 0))::bigint AS refunded,
       sum(p.service_fee - coalesce(r.service_fee, 0))::bigint AS fees
  FROM payments p
  LEFT JOIN LATERAL (SELECT sum(amount) AS amount, sum(service_fee) AS service_fee
                       FROM (SELECT amount, service_fee FROM refunds WHERE payment_id = p.id
                             UNION ALL
                             SELECT fare_amount + service_fee, service_fee
                               FROM payment_disputes WHERE payment_id = p.id AND status <> 'WON') AS gone) r ON true
 WHERE p.payable_kind = :kind AND p.payable_id = ANY(:payable_ids) AND p.settlement = 'KEPT' AND p.method <> 'CASH'
 GROUP BY p.currency ORDER BY p.currency;

-- name: settle
-- The gateway has the money of a set of payments. Captured is the only final word, so it is heard on one that failed before, too.
UPDATE payments p
   SET status = 'SUCCESS', settlement = c.settlement, captured_amount = c.amount, captured_currency = c.currency,
       captured_at = business_now(), gateway_reference = c.reference, decline_reason = NULL, next_action = NULL, unknown_since = NULL,
       version = version + 1
  FROM unnest(:ids::uuid[], :settlements::text[], :amounts::bigint[], :currencies::text[], :references::text[])
       AS c (payment_id, settlement, amount, currency, reference)
 WHERE p.id = c.payment_id AND status = ANY(:sources)
RETURNING p.*;

-- name: fail
-- The gateway said no, or never heard of it.
UPDATE payments
   SET status = 'FAILED', decline_reason = :reason, gateway_reference = coalesce(:reference, gateway_reference), next_action = NULL,
       unknown_since = NULL, version = version + 1
 WHERE id = :id AND status = ANY(:sources)
RETURNING *;

-- name: leave_undecided
-- Nobody knows yet. The version moves only when something did that is shown.
UPDATE payments
   SET unknown_since = CASE WHEN :is_unknown THEN coalesce(unknown_since, business_now()) END,
       next_action = coalesce(:next_action::text, next_action),
       gateway_reference = coalesce(:reference, gateway_reference),
       ask_after = business_now() + :ask_in::interval,
       version = version + CASE WHEN :is_unknown <> (unknown_since IS NOT NULL) OR :next_action::text <> coalesce(next_action, '')
                                THEN 1 ELSE 0 END
 WHERE id = :id AND status = 'INITIATED'
RETURNING *;

-- name: claim_unanswered
-- At most :limit payments through wired gateways whose outcome is to be asked for, for :lease: another worker leaves them alone until then, and takes
-- them up after it if this one dies. ``is_overdue``: begun more than :grace ago. Whoever was to call has ended too: their lease is over.
UPDATE payments SET asks = asks + 1, ask_after = business_now() + :lease::interval
 WHERE id IN (SELECT id FROM payments WHERE status = 'INITIATED' AND ask_after <= business_now() AND gateway = ANY(:gateways)
               ORDER BY ask_after LIMIT :limit FOR UPDATE SKIP LOCKED)
RETURNING id, gateway, gateway_reference, created_at < business_now() - :grace::interval AS is_overdue;

-- name: claim_payment
-- The same for one payment, by whoever repeats its request.
UPDATE payments SET asks = asks + 1, ask_after = business_now() + :lease::interval
 WHERE id = :id AND status = 'INITIATED' AND ask_after <= business_now()
RETURNING id;

-- name: claim_refunds
-- At most :limit refunds that the gateway is to be asked for, for :lease. ``refunded``: what it gave back of the payment before, NULL while that
-- is not sure, so that of two refunds of one amount the second is never taken for the first.
UPDATE refunds r SET asks = r.asks + 1, ask_after = business_now() + :lease::interval
  FROM payments p
 WHERE p.id = r.payment_id
   AND r.id IN (SELECT f.id FROM refunds f JOIN payments g ON g.id = f.payment_id
                 WHERE f.status = 'REQUESTED' AND f.ask_after <= business_now() AND g.gateway = ANY(:gateways)
                 ORDER BY f.ask_after LIMIT :limit FOR UPDATE OF f SKIP LOCKED)
RETURNING r.id, r.payment_id, r.amount, r.currency, p.gateway, p.gateway_reference,
          (SELECT CASE WHEN count(*) FILTER (WHERE e.status = 'REQUESTED' AND e.id < r.id) = 0
                       THEN coalesce(sum(e.amount) FILTER (WHERE e.status = 'SUCCESS'), 0)::bigint END
             FROM refunds e WHERE e.payment_id = r.payment_id AND e.destination = 'SOURCE') AS refunded;

-- name: get_refund
-- One refund by id.
SELECT * FROM refunds WHERE id = :id;

-- name: lock_refund
-- One refund, locked, after its payment.
SELECT * FROM refunds WHERE id = :id FOR NO KEY UPDATE;

-- name: pay_refunds
-- Refunds of payments that are locked: the money went back. ``reference`` is the gateway's, where it was one that gave it.
UPDATE refunds r
   SET status = 'SUCCESS', gateway_reference = d.reference, decline_reason = NULL, refunded_at = business_now(), version = version + 1
  FROM unnest(:ids::uuid[], :references::text[]) AS d (refund_id, reference)
 WHERE r.id = d.refund_id
RETURNING r.*;

-- name: count_refunded
-- What went back of payments, which are locked. With the last of it a payment is REFUNDED.
UPDATE payments p
   SET refunded_amount = p.refunded_amount + d.amount, version = p.version + 1,
       status = CASE WHEN p.refunded_amount + d.amount = p.captured_amount AND p.status = ANY(:sources) THEN 'REFUNDED' ELSE p.status END
  FROM unnest(:payment_ids::uuid[], :amounts::bigint[]) AS d (payment_id, amount)
 WHERE p.id = d.payment_id
RETURNING p.*;

-- name: decline_refund
-- The gateway cannot give it back.
UPDATE refunds
   SET status = 'FAILED', decline_reason = :reason, gateway_reference = coalesce(:reference, gateway_reference), version = version + 1
 WHERE id = :id
RETURNING *;

-- name: redirect_refund
-- A refund that failed goes another way. Its payment is locked.
UPDATE refunds SET destination = :destination, version = version + 1 WHERE id = :id AND status = 'FAILED' RETURNING *;

-- name: leave_refund_undecided
-- The gateway is asked again, each time later, up to :ask_in_max.
UPDATE refunds
   SET gateway_reference = coalesce(:reference, gateway_reference),
       ask_after = business_now() + least(:ask_in_max::interval, interval '1 second' * 2 ^ least(asks, 20))
 WHERE id = :id AND status = 'REQUESTED';

-- name: keep_webhook
-- A gateway's message, once for each of its ids. No row where it came before.
INSERT INTO gateway_webhooks (id, gateway, event_id, facts, body, apply_after)
VALUES (:id, :gateway, :event_id, :facts::text::jsonb, :body, business_now() + :lease::interval)
    ON CONFLICT (gateway, event_id) DO NOTHING
RETURNING id;

-- name: claim_webhooks
-- At most :limit messages that were not acted upon, for :lease; each try later than the last.
UPDATE gateway_webhooks
   SET tries = tries + 1, apply_after = business_now() + greatest(:lease::interval, interval '1 second' * 2 ^ least(tries, 12))
 WHERE id IN (SELECT id FROM gateway_webhooks WHERE applied_at IS NULL AND apply_after <= business_now()
               ORDER BY apply_after LIMIT :limit FOR UPDATE SKIP LOCKED)
RETURNING id, gateway, facts::text AS facts;

-- name: webhook_applied
-- What it says was acted upon.
UPDATE gateway_webhooks SET applied_at = business_now() WHERE id = :id AND applied_at IS NULL;

-- name: delete_old_webhooks
-- At most :limit messages that were acted upon more than :age ago. The primary key is in the order in which they came.
DELETE FROM gateway_webhooks
 WHERE id IN (SELECT id FROM gateway_webhooks WHERE applied_at < business_now() - :age::interval
               ORDER BY id LIMIT :limit FOR UPDATE SKIP LOCKED);
