-- name: lock_dispute
-- One dispute by what its gateway calls it, locked, after its payment.
SELECT * FROM payment_disputes WHERE gateway = :gateway AND reference = :reference FOR NO KEY UPDATE;

-- name: open_dispute
-- A dispute of a payment that is locked, heard of for the first time.
INSERT INTO payment_disputes (id, payment_id, gateway, reference, amount, currency, fare_amount, service_fee, reason, status)
VALUES (:id, :payment_id, :gateway, :reference, :amount, :currency, :fare_amount, :service_fee, :reason, 'OPENED')
RETURNING *;

-- name: decide_dispute
-- The payer's bank has decided. Its payment is locked.
UPDATE payment_disputes SET status = :status, decided_at = business_now(), version = version + 1
 WHERE id = :id AND status = ANY(:sources)
RETURNING *;

-- name: disputes_of
-- The disputes of a set of payments, the oldest first.
SELECT * FROM payment_disputes WHERE payment_id = ANY(:payment_ids) ORDER BY id;

-- name: list_disputes
-- A page of disputes, newest first, in a state or in any.
SELECT * FROM payment_disputes
 WHERE (:status::text IS NULL OR status = :status::text) AND (:before::uuid IS NULL OR id < :before::uuid)
 ORDER BY id DESC LIMIT :limit;
