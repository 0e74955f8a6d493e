-- name: open_pools
-- New pools, nothing held and nothing sold.
INSERT INTO pools (id, owner_kind, owner_id, capacity, starts_at, ends_at)
SELECT * FROM unnest(:ids::uuid[], :owner_kinds::text[], :owner_ids::uuid[], :capacities::integer[],
                     :starts::timestamptz[], :ends::timestamptz[]);

-- name: lock_lapsed
-- Lapsed holds that stand in the way of a claim: on each pool as many as units are wanted there, and :spare more, because somebody may
-- have some of them. The last to lapse, because the worker begins with the first. Skips locked rows: it never waits, so it may come
-- after the pools. Lapsed is judged on the locked row: one that was extended a moment ago is not taken. Judged outside, so that no
-- plan walks through all that lapsed.
WITH locked AS MATERIALIZED (
    SELECT id, expires_at FROM holds
     WHERE id = ANY(ARRAY(SELECT l.hold_id
                            FROM unnest(:pool_ids::uuid[], :quantities::integer[]) AS w (pool_id, quantity)
                           CROSS JOIN LATERAL (SELECT hold_id FROM hold_lines WHERE pool_id = w.pool_id AND expires_at <= business_now()
                                                ORDER BY expires_at DESC, hold_id DESC LIMIT w.quantity + :spare) AS l))
     ORDER BY id
       FOR UPDATE SKIP LOCKED
)
SELECT id FROM locked WHERE expires_at <= business_now();

-- name: pools_with_lapsed
-- Those of these pools on which lapsed holds are left.
SELECT DISTINCT pool_id FROM hold_lines WHERE pool_id = ANY(:pool_ids) AND expires_at <= business_now();

-- name: pools_of_holds
-- Which pools a set of holds has lines of. The holds are locked, so the answer stays true.
SELECT DISTINCT pool_id FROM hold_lines WHERE hold_id = ANY(:hold_ids);

-- name: lines_of_holds
-- The lines of a set of holds.
SELECT hold_id, pool_id, quantity FROM hold_lines WHERE hold_id = ANY(:hold_ids) ORDER BY hold_id, pool_id;

-- name: closed_pools_of_holds
-- The lines of a set of holds whose pool is closed.
SELECT l.hold_id, l.pool_id, l.quantity FROM hold_lines l JOIN pools p ON p.id = l.pool_id
 WHERE l.hold_id = ANY(:hold_ids) AND p.closed_at IS NOT NULL;

-- name: pools_of_sales
-- Which pools a set of confirmed holds has sold lines of. Their bookings are locked, so the answer stays true.
SELECT DISTINCT pool_id FROM sold_lines WHERE hold_id = ANY(:hold_ids);

-- name: short_wait
-- A pool that someone keeps locked must not stop the rest: wait for it a quarter of a second only.
SELECT set_config('lock_timeout', '250ms', true);

-- name: usual_wait
-- The wait for every other lock.
SELECT set_config('lock_timeout', '2s', true);

-- name: lock_pools
-- All pools of a transaction at once, in the order of their ids: the other way round deadlocks. The rows come back fresh,
-- whatever the wait was.
SELECT id, owner_kind, owner_id, capacity, held, sold, version, closed_at
  FROM pools WHERE id = ANY(:ids) ORDER BY id FOR NO KEY UPDATE;

-- name: lock_pools_nobody_has
-- The same, without those that somebody else has locked.
SELECT id, owner_kind, owner_id, capacity, held, sold, version, closed_at
  FROM pools WHERE id = ANY(:ids) ORDER BY id FOR NO KEY UPDATE SKIP LOCKED;

-- name: lock_holds
-- Holds by id, locked in that order.
SELECT id, expires_at, expires_at > business_now() AS live FROM holds WHERE id = ANY(:ids) ORDER BY id FOR UPDATE;

-- name: lock_some_lapsed
-- What the worker gives back next: lapsed holds of the pools of the :oldest longest lapsed ones, pool by pool, of about :limit lines, and
-- no more pools than that takes: whoever sells meets few that are locked. Pools first, those that nobody has: otherwise a claim that has
-- one would find its holds taken, and the worker its pool, and nobody would give anything back.
WITH crowded AS MATERIALIZED (
    SELECT DISTINCT pool_id FROM hold_lines
     WHERE hold_id = ANY(ARRAY(SELECT id FROM holds WHERE expires_at <= business_now() ORDER BY expires_at LIMIT :oldest))
), counted AS MATERIALIZED (
    SELECT c.pool_id, l.lapsed, sum(l.lapsed) OVER (ORDER BY c.pool_id) - l.lapsed AS before
      FROM crowded c
     CROSS JOIN LATERAL (SELECT count(*) AS lapsed FROM (SELECT FROM hold_lines WHERE pool_id = c.pool_id AND expires_at <= business_now()
                                                          LIMIT :limit) AS few) AS l
), had AS MATERIALIZED (
    SELECT id FROM pools WHERE id = ANY(ARRAY(SELECT pool_id FROM counted WHERE before < :limit)) ORDER BY id FOR NO KEY UPDATE SKIP LOCKED
), locked AS MATERIALIZED (
    SELECT id, expires_at FROM holds
     WHERE id = ANY(ARRAY(SELECT l.hold_id
                            FROM had
                           CROSS JOIN LATERAL (SELECT hold_id FROM hold_lines WHERE pool_id = had.id AND expires_at <= business_now()
                                                ORDER BY expires_at LIMIT :limit) AS l
                           LIMIT :limit))
     ORDER BY id
       FOR UPDATE SKIP LOCKED
)
SELECT id FROM locked WHERE expires_at <= business_now();

-- name: grant
-- Holds with their lines, and the counters of their pools. Deadlines count from this statement, and it says when that was.
WITH counted AS (
    UPDATE pools p SET held = p.held + d.quantity, version = p.version + 1
      FROM unnest(:pool_ids::uuid[], :pool_quantities::integer[]) AS d (pool_id, quantity)
     WHERE p.id = d.pool_id
), lines AS (
    INSERT INTO hold_lines (hold_id, pool_id, quantity, expires_at)
    SELECT l.hold_id, l.pool_id, l.quantity, business_now() + l.lifetime
      FROM unnest(:line_holds::uuid[], :line_pools::uuid[], :line_quantities::integer[], :line_lifetimes::interval[])
           AS l (hold_id, pool_id, quantity, lifetime)
), granted AS (
    INSERT INTO holds (id, expires_at, created_at)
    SELECT h.id, business_now() + h.lifetime, business_now()
      FROM unnest(:hold_ids::uuid[], :lifetimes::interval[]) AS h (id, lifetime)
)
SELECT business_now() AS now;

-- name: give_back_held
-- Ends holds: removes them and their lines, and takes exactly those lines off the counters. Holds and pools are locked.
WITH gone AS (
    DELETE FROM holds WHERE id = ANY(:hold_ids)
), lines AS (
    DELETE FROM hold_lines WHERE hold_id = ANY(:hold_ids) RETURNING hold_id, pool_id, quantity
), counted AS (
    UPDATE pools p SET held = p.held - d.quantity, version = p.version + 1
      FROM (SELECT pool_id, sum(quantity) AS quantity FROM lines GROUP BY pool_id) d
     WHERE p.id = d.pool_id
)
SELECT hold_id, pool_id, quantity FROM lines;

-- name: confirm
-- Held becomes sold, for those holds that live, have their lines and touch no closed pool. Holds and pools are locked, so
-- this statement waits for nothing and its snapshot is fresh. Returns the lines that were sold.
WITH live AS (
    SELECT h.id FROM holds h
     WHERE h.id = ANY(:hold_ids) AND h.expires_at > business_now()
       AND NOT EXISTS (SELECT FROM hold_lines l JOIN pools p ON p.id = l.pool_id WHERE l.hold_id = h.id AND p.closed_at IS NOT NULL)
), gone AS (
    DELETE FROM holds WHERE id IN (SELECT id FROM live)
), lines AS (
    DELETE FROM hold_lines WHERE hold_id IN (SELECT id FROM live) RETURNING hold_id, pool_id, quantity
), sales AS (
    INSERT INTO sold_lines (hold_id, pool_id, quantity) SELECT hold_id, pool_id, quantity FROM lines
), counted AS (
    UPDATE pools p SET held = p.held - d.quantity, sold = p.sold + d.quantity, version = p.version + 1
      FROM (SELECT pool_id, sum(quantity) AS quantity FROM lines GROUP BY pool_id) d
     WHERE p.id = d.pool_id
)
SELECT hold_id, pool_id, quantity FROM lines;

-- name: give_back_sold
-- Sold lines become free again. Their bookings and pools are locked.
WITH lines AS (
    DELETE FROM sold_lines WHERE hold_id = ANY(:hold_ids) RETURNING hold_id, pool_id, quantity
), counted AS (
    UPDATE pools p SET sold = p.sold - d.quantity, version = p.version + 1
      FROM (SELECT pool_id, sum(quantity) AS quantity FROM lines GROUP BY pool_id) d
     WHERE p.id = d.pool_id
)
SELECT hold_id, pool_id, quantity FROM lines;

-- name: extend
-- Moves the deadline of a live hold, later only, and of its lines, by which what lapsed on a pool is found. Returns it; no row where the hold lapsed or is gone.
WITH moved AS (
    UPDATE holds SET expires_at = greatest(expires_at, :until) WHERE id = :id AND expires_at > business_now() RETURNING id, expires_at
), lines AS (
    UPDATE hold_lines l SET expires_at = m.expires_at FROM moved m WHERE l.hold_id = m.id
)
SELECT id, expires_at, true AS live FROM moved;

-- name: close
-- From now on nobody can claim or confirm on these pools. They are locked by the caller.
UPDATE pools SET closed_at = business_now(), version = version + 1 WHERE id = ANY(:ids) AND closed_at IS NULL;

-- name: reopen
-- They can be claimed again. They are locked by the caller.
UPDATE pools SET closed_at = NULL, version = version + 1 WHERE id = ANY(:ids) AND closed_at IS NOT NULL;

-- name: resize
-- The pool is locked, and has no more held and sold than that.
UPDATE pools SET capacity = :capacity, version = version + 1 WHERE id = :id;

-- name: free
-- What each pool has to offer; a lapsed hold that was not yet given back counts as free.
SELECT p.id AS pool, p.capacity, p.sold, p.version, p.closed_at IS NOT NULL AS closed,
       p.capacity - p.sold - p.held + coalesce((SELECT sum(l.quantity) FROM hold_lines l
                                                 WHERE l.pool_id = p.id AND l.expires_at <= business_now()), 0)::integer AS free
  FROM pools p WHERE p.id = ANY(:ids);

-- name: next_deadlines
-- When the next live hold on each of these pools lapses.
SELECT pool_id, min(expires_at) AS at FROM hold_lines WHERE pool_id = ANY(:pool_ids) AND expires_at > business_now() GROUP BY pool_id;

-- name: next_deadline
-- Seconds until the next hold lapses, negative where one has lapsed; no value where there is no hold.
SELECT extract(epoch FROM min(expires_at) - business_now())::float8 FROM holds;

-- name: holds_on_pools
-- Holds, live or lapsed, on these pools, at most :limit: what closing gives back, batch by batch. Found before they are put in
-- order: prepared in one piece, PostgreSQL walks through all holds in the order of their ids until it has met so many on these pools.
WITH found AS MATERIALIZED (SELECT DISTINCT l.hold_id FROM hold_lines l WHERE l.pool_id = ANY(:pool_ids))
SELECT hold_id FROM found ORDER BY hold_id LIMIT :limit;
