-- name: insert_order
-- An admin's wish to give money back.
INSERT INTO refund_orders (id, payment_id, amount, currency, note, needs_another_admin, status, ordered_by)
VALUES (:id, :payment_id, :amount, :currency, :note, :needs_another_admin, 'PROPOSED', :ordered_by)
RETURNING *;

-- name: ordered
-- What admins have given back of a payment, or want to.
SELECT coalesce(sum(amount), 0)::bigint AS amount FROM refund_orders WHERE payment_id = :payment_id AND status <> 'REJECTED';

-- name: get_order
-- One refund order.
SELECT * FROM refund_orders WHERE id = :id;

-- name: decide_order
-- It is decided. Its payment is locked.
UPDATE refund_orders SET status = :status, decided_by = :decided_by, decided_at = business_now(), version = version + 1
 WHERE id = :id AND status = ANY(:sources)
RETURNING *;

-- name: list_orders
-- A page of refund orders, newest first, in a state or in any.
SELECT * FROM refund_orders
 WHERE (:status::text IS NULL OR status = :status::text) AND (:before::uuid IS NULL OR id < :before::uuid)
 ORDER BY id DESC LIMIT :limit;
