-- name: insert_keys
-- Takes each key that is free and returns those that were not: usually none. A key that another transaction is just inserting is
-- waited for; one that exists is not locked: its owner writes its answer last, and locking it here would deadlock against that.
WITH wanted AS (
    SELECT * FROM unnest(:actor_ids::uuid[], :keys::text[], :fingerprints::bytea[], :result_ids::uuid[])
        AS k (actor_id, key, fingerprint, result_id)
), taken AS (
    INSERT INTO idempotency_keys (actor_id, key, fingerprint, result_id)
    SELECT actor_id, key, fingerprint, result_id FROM wanted ORDER BY actor_id, key
        ON CONFLICT DO NOTHING
    RETURNING actor_id, key
)
SELECT actor_id, key FROM wanted EXCEPT SELECT actor_id, key FROM taken;

-- name: read_keys
-- What stands under keys that were taken before.
SELECT k.actor_id, k.key, k.fingerprint, k.result_id, k.answer
  FROM unnest(:actor_ids::uuid[], :keys::text[]) AS wanted (actor_id, key)
  JOIN idempotency_keys k ON k.actor_id = wanted.actor_id AND k.key = wanted.key;

-- name: keep_answers
-- The answers of keys that this transaction took.
UPDATE idempotency_keys k SET answer = kept.answer
  FROM unnest(:actor_ids::uuid[], :keys::text[], :answers::text[]) AS kept (actor_id, key, answer)
 WHERE k.actor_id = kept.actor_id AND k.key = kept.key;

-- name: delete_keys
-- Gives up the keys of refusals that changed nothing: they are judged anew next time.
DELETE FROM idempotency_keys k
 USING unnest(:actor_ids::uuid[], :keys::text[]) AS given_up (actor_id, key)
 WHERE k.actor_id = given_up.actor_id AND k.key = given_up.key;

-- name: delete_old_keys
-- At most :limit keys older than :age.
DELETE FROM idempotency_keys
 WHERE (actor_id, key) IN (SELECT actor_id, key FROM idempotency_keys
                            WHERE created_at < business_now() - :age::interval
                            LIMIT :limit FOR UPDATE SKIP LOCKED);
