-- name: record
-- Appends deeds in the order given.
INSERT INTO audit_logs (id, actor_id, actor_role, action, entity, entity_id, before, after)
SELECT id, actor_id, actor_role, action, entity, entity_id, before::jsonb, after::jsonb
  FROM unnest(:ids::uuid[], :actor_ids::uuid[], :actor_roles::text[], :actions::text[], :entities::text[], :entity_ids::uuid[],
              :befores::text[], :afters::text[])
       WITH ORDINALITY AS d (id, actor_id, actor_role, action, entity, entity_id, before, after, ordinal)
 ORDER BY ordinal;
