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
