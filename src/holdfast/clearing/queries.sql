-- name: business_now
-- The database's time.
SELECT business_now();

-- name: booked
-- What our books say that moved at a gateway, from :since on or under these ids: captures, refunds and disputes. What is younger than
-- :grace may not have reached the other side yet.
SELECT kind, subject::text AS subject, currency, minor, at < business_now() - :grace::interval AS is_due
  FROM (SELECT 'CAPTURE' AS kind, id AS subject, captured_currency AS currency, captured_at AS at,
               captured_amount - CASE WHEN settlement = 'KEPT' THEN wallet_amount ELSE 0 END AS minor
          FROM payments WHERE settlement IS NOT NULL AND gateway = :gateway AND (captured_at >= :since OR id = ANY(:ids))
        UNION ALL
        SELECT 'REFUND', r.id, r.currency, r.refunded_at, -r.amount
          FROM refunds r JOIN payments p ON p.id = r.payment_id
         WHERE r.status = 'SUCCESS' AND r.destination = 'SOURCE' AND p.gateway = :gateway AND (r.refunded_at >= :since OR r.id = ANY(:ids))
        UNION ALL
        SELECT 'DISPUTE', payment_id, currency, opened_at, -amount
          FROM payment_disputes WHERE gateway = :gateway AND status <> 'WON' AND (opened_at >= :since OR payment_id = ANY(:ids))) AS moved
 WHERE kind = ANY(:kinds)
 ORDER BY kind, subject;

-- name: insert_lines
-- Lines of a settlement file that were not there yet, in the order given.
INSERT INTO settlement_lines (id, gateway, kind, reference, subject_id, gross, fee, net, currency, settled_on)
SELECT id, :gateway, kind, reference, subject_id, gross, fee, net, currency, settled_on
  FROM unnest(:ids::uuid[], :kinds::text[], :references::text[], :subject_ids::uuid[], :grosses::bigint[], :fees::bigint[],
              :nets::bigint[], :currencies::text[], :dates::date[])
       WITH ORDINALITY AS l (id, kind, reference, subject_id, gross, fee, net, currency, settled_on, ordinal)
 ORDER BY ordinal
    ON CONFLICT (gateway, kind, reference) DO NOTHING
RETURNING *;

-- name: lines_since
-- What a gateway has settled from a day on.
SELECT * FROM settlement_lines WHERE gateway = :gateway AND settled_on >= :since::timestamptz::date ORDER BY id;

-- name: unsettled
-- What a gateway took more than :within ago, since :since, and has not settled; nothing where it never settled anything by a file.
SELECT 'CAPTURE' AS kind, p.id::text AS subject, p.captured_currency AS currency,
       p.captured_amount - CASE WHEN p.settlement = 'KEPT' THEN p.wallet_amount ELSE 0 END AS minor
  FROM payments p
 WHERE p.gateway = :gateway AND p.captured_at >= :since AND p.captured_at < business_now() - :within::interval
   AND EXISTS (SELECT FROM settlement_lines WHERE gateway = :gateway)
   AND NOT EXISTS (SELECT FROM settlement_lines l WHERE l.subject_id = p.id AND l.gateway = :gateway AND l.kind = 'CAPTURE')
 ORDER BY p.id;

-- name: open_since
-- When the oldest difference of a gateway that is still open was first seen.
SELECT min(first_seen_at) FROM settlement_differences WHERE gateway = :gateway AND source = :source AND resolved_at IS NULL;

-- name: see_differences
-- Differences that are there. One that came back is open again, but not if an admin has resolved it.
INSERT INTO settlement_differences AS d (id, gateway, source, kind, movement, subject, ours, theirs, currency)
SELECT id, :gateway, :source, kind, movement, subject, ours, theirs, currency
  FROM unnest(:ids::uuid[], :kinds::text[], :movements::text[], :subjects::text[], :ours::bigint[], :theirs::bigint[], :currencies::text[])
       AS f (id, kind, movement, subject, ours, theirs, currency)
 ORDER BY kind, movement, subject
    ON CONFLICT (gateway, source, kind, movement, subject) DO UPDATE
   SET ours = excluded.ours, theirs = excluded.theirs, currency = excluded.currency, last_seen_at = business_now(),
       first_seen_at = CASE WHEN d.resolved_at IS NOT NULL AND d.resolved_by IS NULL THEN business_now() ELSE d.first_seen_at END,
       announced_at = CASE WHEN d.resolved_at IS NOT NULL AND d.resolved_by IS NULL THEN NULL ELSE d.announced_at END,
       resolved_at = CASE WHEN d.resolved_by IS NULL THEN NULL ELSE d.resolved_at END,
       version = d.version + CASE WHEN d.resolved_at IS NOT NULL AND d.resolved_by IS NULL THEN 1 ELSE 0 END;

-- name: resolve_gone
-- Differences that were open and are not among those that were just found: they are gone.
UPDATE settlement_differences SET resolved_at = business_now(), version = version + 1
 WHERE gateway = :gateway AND source = :source AND resolved_at IS NULL
   AND (kind, movement, subject) NOT IN (SELECT * FROM unnest(:kinds::text[], :movements::text[], :subjects::text[]))
RETURNING *;

-- name: announce_overdue
-- At most :limit open differences older than :age, of which nobody was told.
UPDATE settlement_differences SET announced_at = business_now()
 WHERE id IN (SELECT id FROM settlement_differences
               WHERE resolved_at IS NULL AND announced_at IS NULL AND first_seen_at < business_now() - :age::interval
               ORDER BY first_seen_at LIMIT :limit FOR UPDATE SKIP LOCKED)
RETURNING *;

-- name: count_overdue
-- How many open differences are older than :age.
SELECT count(*) FROM settlement_differences WHERE resolved_at IS NULL AND first_seen_at < business_now() - :age::interval;

-- name: lock_difference
-- One difference, locked.
SELECT * FROM settlement_differences WHERE id = :id FOR NO KEY UPDATE;

-- name: resolve
-- An admin has cleared it up.
UPDATE settlement_differences SET resolved_at = business_now(), resolved_by = :resolved_by, note = :note, version = version + 1
 WHERE id = :id AND resolved_at IS NULL
RETURNING *;

-- name: list_differences
-- A page of differences, newest first: those that are open, or all.
SELECT * FROM settlement_differences
 WHERE (:with_resolved OR resolved_at IS NULL) AND (:gateway::text IS NULL OR gateway = :gateway::text)
   AND (:before::uuid IS NULL OR id < :before::uuid)
 ORDER BY id DESC LIMIT :limit;
