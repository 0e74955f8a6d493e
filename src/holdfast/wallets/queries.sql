-- name: insert_top_up
-- A top-up that is not paid for yet.
INSERT INTO wallet_top_ups (id, user_id, amount, currency) VALUES (:id, :user_id, :amount, :currency) RETURNING *;

-- name: get_top_ups
-- Top-ups by id.
SELECT * FROM wallet_top_ups WHERE id = ANY(:ids);

-- name: lock_top_ups
-- Top-ups, locked in the order of their ids. The rows come back fresh.
SELECT * FROM wallet_top_ups WHERE id = ANY(:ids) ORDER BY id FOR NO KEY UPDATE;

-- name: fill
-- Top-ups whose money is there. They are locked.
UPDATE wallet_top_ups SET filled_at = business_now(), version = version + 1 WHERE id = ANY(:ids) AND filled_at IS NULL;
