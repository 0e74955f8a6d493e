-- name: publish
-- Appends events in the order given. Their transaction id and position come from the server; so would the epoch, but a default is
-- worked out for each row.
INSERT INTO events (id, epoch, name, subject_kind, subject_id, version, body)
SELECT id, (SELECT log_epoch()), name, subject_kind, subject_id, version, body::jsonb
  FROM unnest(:ids::uuid[], :names::text[], :subject_kinds::text[], :subject_ids::uuid[], :versions::bigint[], :bodies::text[])
       WITH ORDINALITY AS e (id, name, subject_kind, subject_id, version, body, ordinal)
 ORDER BY ordinal;

-- name: read_after
-- The next events after a place in the log, in log order and without gaps: only those below the oldest transaction still
-- running, for one of that age may yet commit a row that belongs before them. The order is that of the table's own columns, not
-- of those that are returned under their names, and the epoch is a value that the planner does not know: of the known one, which all
-- rows have, it expects none, and sorts what it did not expect. Either would read all that is left of the log, each time.
-- Of the next :limit come those with one of these names (with any, where none are given), and the last, which says how far that was.
WITH next AS MATERIALIZED (
    SELECT id, epoch, xid, position, name, body, occurred_at
      FROM events
     WHERE (epoch, xid, position) > ((SELECT :epoch::integer), :xid::text::xid8, :position)
       AND (epoch < (SELECT log_epoch()) OR xid < pg_snapshot_xmin(pg_current_snapshot()))
     ORDER BY events.epoch, events.xid, events.position
     LIMIT :limit
)
SELECT id, epoch, xid::text::bigint AS xid, position, name, body::text AS body, occurred_at
  FROM next
 WHERE :names::text[] IS NULL OR name = ANY(:names)
    OR position = (SELECT position FROM next ORDER BY next.epoch DESC, next.xid DESC, next.position DESC LIMIT 1)
 ORDER BY next.epoch, next.xid, next.position;

-- name: end_of_log
-- The place after which nothing is readable yet: where a reader begins that wants only what is new.
SELECT log_epoch() AS epoch, pg_snapshot_xmin(pg_current_snapshot())::text::bigint - 1 AS xid, 9223372036854775807 AS position;

-- name: open_cursor
-- A consumer seen for the first time starts at the beginning of the log.
INSERT INTO event_cursors (consumer, epoch, xid, position) VALUES (:consumer, 0, '0', 0) ON CONFLICT DO NOTHING;

-- name: lock_cursor
-- The cursor, locked, so that two workers do not apply the same events; none when another worker has it.
SELECT epoch, xid::text::bigint AS xid, position FROM event_cursors WHERE consumer = :consumer FOR UPDATE SKIP LOCKED;

-- name: read_cursor
-- The cursor, without a lock: for followers, whose effects may be repeated.
SELECT epoch, xid::text::bigint AS xid, position FROM event_cursors WHERE consumer = :consumer;

-- name: move_cursor
-- Forward only: a slower twin of a follower must not take it back.
UPDATE event_cursors SET epoch = :epoch, xid = :xid::text::xid8, position = :position, updated_at = business_now()
 WHERE consumer = :consumer AND (epoch, xid, position) < (:epoch, :xid::text::xid8, :position);

-- name: lag
-- Seconds from the oldest event that a consumer has not dealt with until now; 0 when it has read all.
SELECT c.consumer,
       coalesce(extract(epoch FROM business_now() - (SELECT e.occurred_at FROM events e
                                                      WHERE (e.epoch, e.xid, e.position) > (c.epoch, c.xid, c.position)
                                                      ORDER BY e.epoch, e.xid, e.position LIMIT 1)), 0)::float8 AS seconds
  FROM event_cursors c ORDER BY c.consumer;
