-- name: open_complaint
-- Takes the lowest free place of a booking's three. Nothing comes back when all are taken, or when another request took the
-- same place at the same time.
INSERT INTO complaints (id, user_id, booking_id, place, message)
SELECT :id, :user_id, :booking_id, min(free.place), :message::text
  FROM generate_series(1, :open_max) AS free (place)
 WHERE NOT EXISTS (SELECT FROM complaints c WHERE c.booking_id = :booking_id AND c.place = free.place AND c.status <> 'CLOSED')
HAVING count(*) > 0
    ON CONFLICT DO NOTHING
RETURNING id, user_id, booking_id, message, status, admin_note, version, created_at, updated_at;

-- name: lock_complaint
-- One complaint, locked for an answer.
SELECT id, user_id, booking_id, message, status, admin_note, version, created_at, updated_at
  FROM complaints WHERE id = :id FOR NO KEY UPDATE;

-- name: read_complaint
-- One complaint; with :user_id only where it is that person's.
SELECT id, user_id, booking_id, message, status, admin_note, version, created_at, updated_at
  FROM complaints WHERE id = :id AND (:user_id::uuid IS NULL OR user_id = :user_id::uuid);

-- name: answer_complaint
-- A complaint's new status and note.
UPDATE complaints SET status = :status, admin_note = :admin_note, version = version + 1, updated_at = business_now()
 WHERE id = :id
RETURNING id, user_id, booking_id, message, status, admin_note, version, created_at, updated_at;

-- name: list_own
-- A person's complaints, newest first.
SELECT id, user_id, booking_id, message, status, admin_note, version, created_at, updated_at
  FROM complaints
 WHERE user_id = :user_id AND (:before::uuid IS NULL OR id < :before::uuid)
 ORDER BY id DESC LIMIT :limit;

-- name: list_all
-- Everybody's complaints, newest first, of one status or about one booking where asked for.
SELECT id, user_id, booking_id, message, status, admin_note, version, created_at, updated_at
  FROM complaints
 WHERE (:status::text IS NULL OR status = :status::text)
   AND (:booking_id::uuid IS NULL OR booking_id = :booking_id::uuid)
   AND (:before::uuid IS NULL OR id < :before::uuid)
 ORDER BY id DESC LIMIT :limit;
