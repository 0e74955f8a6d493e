-- name: read_key
SELECT wrapped_key FROM vault_keys WHERE person_id = :person_id;

-- name: insert_key
-- Waits for another transaction that makes the same person's key, and then leaves that one in place.
INSERT INTO vault_keys (person_id, key_id, wrapped_key) VALUES (:person_id, :key_id, :wrapped_key) ON CONFLICT DO NOTHING;

-- name: delete_key
DELETE FROM vault_keys WHERE person_id = :person_id;
