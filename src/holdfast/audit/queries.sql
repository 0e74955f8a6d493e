-- name: record
-- Appends deeds in the order given.
INSERT INTO audit_logs (id, actor_id, actor_role, action, entity, entity_id, before, after)
SELECT id, actor_id, actor_role, action, entity, entity_id, before::jsonb, after::jsonb
  FROM unnest(:ids::uuid[], :actor_ids::uuid[], :actor_roles::text[], :actions::text[], :entities::text[], :entity_ids::uuid[],
              :befores::text[], :afters::text[])
       WITH ORDINALITY AS d (id, actor_id, actor_role, action, entity, entity_id, before, after, ordinal)
 ORDER BY ordinal;

-- name: page
-- Newest first, below an id. The bounds of id leave partitions out: ids carry the time of whoever made them, give or take.
SELECT id, actor_id, actor_role, action, entity, entity_id, before, after, created_at
  FROM audit_logs
 WHERE id < :before AND id >= :least
   AND (:entity::text IS NULL OR entity = :entity)
   AND (:entity_id::uuid IS NULL OR entity_id = :entity_id)
   AND (:actor_id::uuid IS NULL OR actor_id = :actor_id)
   AND (:action::text IS NULL OR action = :action)
   AND (:since::timestamptz IS NULL OR created_at >= :since)
   AND (:until::timestamptz IS NULL OR created_at < :until)
 ORDER BY id DESC
 LIMIT :limit;

-- name: lock_head
-- Where the chain ends, locked, so that one seals at a time; none while another one does. The lock brings the row as it is now.
SELECT number, hash, epoch, xid::text::bigint AS xid, position, sealed_at FROM audit_chain_head FOR UPDATE SKIP LOCKED;

-- name: read_head
SELECT number, hash, epoch, xid::text::bigint AS xid, position, sealed_at FROM audit_chain_head;

-- name: to_seal
-- The next rows after a place, in the order of the log, only those below the oldest transaction still running: nothing can come in
-- before them any more. Why the order and the epoch are written like this: read_after of the event log.
SELECT id, epoch, xid::text::bigint AS xid, position, actor_id, actor_role, action, entity, entity_id,
       before::text AS before, after::text AS after,
       CASE WHEN isfinite(created_at) THEN (extract(epoch FROM created_at) * 1000000)::bigint END AS created_us
  FROM audit_logs
 WHERE (epoch, xid, position) > ((SELECT :epoch::integer), :xid::text::xid8, :position)
   AND (epoch < (SELECT log_epoch()) OR xid < pg_snapshot_xmin(pg_current_snapshot()))
 ORDER BY audit_logs.epoch, audit_logs.xid, audit_logs.position
 LIMIT :limit;

-- name: add_seals
INSERT INTO audit_seals (number, log_id, epoch, xid, position, hash)
SELECT number, log_id, epoch, xid::xid8, position, hash
  FROM unnest(:numbers::bigint[], :log_ids::uuid[], :epochs::integer[], :xids::text[], :positions::bigint[], :hashes::bytea[])
       AS s (number, log_id, epoch, xid, position, hash);

-- name: move_head
UPDATE audit_chain_head
   SET number = :number, hash = :hash, epoch = :epoch, xid = :xid::text::xid8, position = :position, sealed_at = business_now();

-- name: seals_after
-- The next seals after a number, up to another one.
SELECT number, log_id, epoch, xid::text::bigint AS xid, position, hash
  FROM audit_seals WHERE number > :after AND number <= :up_to ORDER BY audit_seals.number LIMIT :limit;

-- name: seal_numbered
SELECT number, log_id, epoch, xid::text::bigint AS xid, position, hash FROM audit_seals WHERE number = :number;

-- name: rows_between
-- Every row after a place and up to another one, in the order of the log.
SELECT id, epoch, xid::text::bigint AS xid, position, actor_id, actor_role, action, entity, entity_id,
       before::text AS before, after::text AS after,
       CASE WHEN isfinite(created_at) THEN (extract(epoch FROM created_at) * 1000000)::bigint END AS created_us
  FROM audit_logs
 WHERE (epoch, xid, position) > ((SELECT :epoch::integer), :xid::text::xid8, :position)
   AND (epoch, xid, position) <= ((SELECT :last_epoch::integer), :last_xid::text::xid8, :last_position)
 ORDER BY audit_logs.epoch, audit_logs.xid, audit_logs.position;

-- name: still_there
-- Which of these ids are in the log at all, wherever they stand.
SELECT id FROM audit_logs WHERE id = ANY(:ids);

-- name: sealed_elsewhere
-- The seals of these rows. Reads all of them: asked only where something is wrong.
SELECT number, log_id, epoch, xid::text::bigint AS xid, position, hash FROM audit_seals WHERE log_id = ANY(:ids) ORDER BY number;

-- name: business_day
-- The day that it is, in UTC, which says what a published head is called.
SELECT (business_now() AT TIME ZONE 'UTC')::date AS today;
