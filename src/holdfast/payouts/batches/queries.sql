-- name: moment
-- Now, and which day it is in :zone.
SELECT business_now() AS now, (business_now() AT TIME ZONE :zone)::date AS today;

-- name: insert_batch
-- A batch, and what is in it. It goes nowhere until somebody else has approved it.
WITH items AS (
    INSERT INTO payout_batch_items (batch_id, payout_id, account_id, amount)
    SELECT :id, * FROM unnest(:payout_ids::uuid[], :account_ids::uuid[], :amounts::bigint[])
)
INSERT INTO payout_batches (id, status, currency, payouts, total_amount, execute_on, debtor_name, debtor_iban, debtor_bic, csv_sha256,
                            xml_sha256, made_by_admin, created_at)
VALUES (:id, 'MADE', :currency, :payouts, :total, :execute_on, :debtor_name, :debtor_iban, :debtor_bic, :csv_sha256, :xml_sha256,
        :admin_id, :created_at)
RETURNING *;

-- name: get_batch
-- One batch.
SELECT * FROM payout_batches WHERE id = :id;

-- name: lock_batch
-- One batch, locked.
SELECT * FROM payout_batches WHERE id = :id FOR NO KEY UPDATE;

-- name: list_batches
-- A page of batches, newest first.
SELECT * FROM payout_batches WHERE :before::uuid IS NULL OR id < :before::uuid ORDER BY id DESC LIMIT :limit;

-- name: items_of
-- What is in a batch, in the order of its files.
SELECT payout_id, account_id, amount FROM payout_batch_items WHERE batch_id = :id ORDER BY payout_id;

-- name: approve_batch
-- From here on its files may leave. It is locked.
UPDATE payout_batches SET status = 'APPROVED', approved_by_admin = :admin_id, approved_at = business_now(), version = version + 1
 WHERE id = :id AND status = 'MADE'
RETURNING *;

-- name: cancel_batch
-- It goes nowhere. It is locked.
UPDATE payout_batches SET status = 'CANCELLED', cancelled_by_admin = :admin_id, cancelled_at = business_now(), version = version + 1
 WHERE id = :id AND status = 'MADE'
RETURNING *;
