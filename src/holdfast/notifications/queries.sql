-- name: add
-- Notifications that were not there yet, and who they are for. An event that is read twice notifies nobody twice.
INSERT INTO notifications (id, user_id, event_id, type, payload)
SELECT id, user_id, event_id, type, payload::jsonb
  FROM unnest(:ids::uuid[], :user_ids::uuid[], :event_ids::uuid[], :types::text[], :payloads::text[])
       WITH ORDINALITY AS n (id, user_id, event_id, type, payload, ordinal)
 ORDER BY ordinal
    ON CONFLICT DO NOTHING
RETURNING id, user_id, type;

-- name: admins
-- Everybody who is an admin.
SELECT id FROM users WHERE role = 'ADMIN' ORDER BY id;

-- name: list_own
-- A person's notifications, newest first; only the unread ones where asked for.
SELECT id, user_id, type, payload, is_read, created_at
  FROM notifications
 WHERE user_id = :user_id AND (NOT :only_unread OR NOT is_read) AND (:before::uuid IS NULL OR id < :before::uuid)
 ORDER BY id DESC LIMIT :limit;

-- name: count_unread
-- How many a person has not read.
SELECT count(*) AS unread FROM notifications WHERE user_id = :user_id AND NOT is_read;

-- name: mark_read
-- One notification of a person, read now or before.
UPDATE notifications SET is_read = true WHERE id = :id AND user_id = :user_id
RETURNING id, user_id, type, payload, is_read, created_at;

-- name: mark_all_read
-- Everything that a person has not read.
UPDATE notifications SET is_read = true WHERE user_id = :user_id AND NOT is_read;
