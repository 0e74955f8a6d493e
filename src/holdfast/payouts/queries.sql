-- name: insert
-- A payout asked for. No row where the session has a live one.
INSERT INTO driver_payouts (id, driver_id, session_id, gross_amount, service_fees, net_amount, currency, status, requested_by)
VALUES (:id, :driver_id, :session_id, :gross, :fees, :net, :currency, 'PENDING', :requested_by)
    ON CONFLICT (session_id) WHERE status <> 'REJECTED' DO NOTHING
RETURNING *;

-- name: get
-- One payout.
SELECT * FROM driver_payouts WHERE id = :id;

-- name: list_payouts
-- A page of payouts, newest first: of a driver or of all, in a state or in any.
SELECT * FROM driver_payouts
 WHERE (:driver_id::uuid IS NULL OR driver_id = :driver_id::uuid)
   AND (:status::text IS NULL OR status = :status::text)
   AND (:before::uuid IS NULL OR id < :before::uuid)
 ORDER BY id DESC LIMIT :limit;

-- name: approve
-- The amounts are final from here on. Its session is locked.
UPDATE driver_payouts
   SET status = 'APPROVED', gross_amount = :gross, service_fees = :fees, net_amount = :net, currency = :currency,
       approved_by_admin = :admin_id, approved_at = business_now(), version = version + 1
 WHERE id = :id AND status = 'PENDING'
RETURNING *;

-- name: pay
-- The money has left. Its session is locked.
UPDATE driver_payouts
   SET status = 'PAID', paid_by_admin = :admin_id, paid_at = business_now(), version = version + 1
 WHERE id = :id AND status = 'APPROVED'
RETURNING *;

-- name: reject
-- Its session is locked.
UPDATE driver_payouts
   SET status = 'REJECTED', rejected_by_admin = :admin_id, rejected_at = business_now(), reject_reason = :reason, version = version + 1
 WHERE id = :id AND status = 'PENDING'
RETURNING *;
