-- name: guarding
-- The rooms of which the line decides who may hold: what each process keeps in its memory.
SELECT r.owner_kind, r.owner_id, r.state, r.per_second, r.inside_max, r.admitted_up_to, c.last_number, r.version
  FROM waiting_rooms r JOIN waiting_counters c ON c.owner_id = r.owner_id
 WHERE r.state IN ('OPEN', 'SOLD_OUT');

-- name: room
-- One room, whatever its state.
SELECT r.owner_kind, r.owner_id, r.state, r.per_second, r.inside_max, r.admitted_up_to, c.last_number, r.version
  FROM waiting_rooms r JOIN waiting_counters c ON c.owner_id = r.owner_id
 WHERE r.owner_id = :owner_id AND r.owner_kind = :owner_kind;

-- name: lock_room
-- Keeps a room's settings and how far it has come as they are until the commit.
SELECT state FROM waiting_rooms WHERE owner_id = :owner_id FOR NO KEY UPDATE;

-- name: open_counter
-- A room's counter, which outlives it: a number is never given out twice.
INSERT INTO waiting_counters (owner_id) VALUES (:owner_id) ON CONFLICT (owner_id) DO NOTHING;

-- name: put_room
-- Makes a room or changes it. Credit under the old rate is not carried over.
INSERT INTO waiting_rooms (owner_id, owner_kind, state, per_second, inside_max)
VALUES (:owner_id, :owner_kind, :state, :per_second, :inside_max)
    ON CONFLICT (owner_id) DO UPDATE
   SET state = excluded.state, per_second = excluded.per_second, inside_max = excluded.inside_max, credit_from = business_now(),
       version = waiting_rooms.version + 1;

-- name: places
-- The places of people in a room.
SELECT user_id, number, admitted_until, joins,
       CASE WHEN admitted_at IS NULL THEN 'WAITING' WHEN booking_id IS NOT NULL THEN 'USED'
            WHEN admitted_until > business_now() THEN 'ADMITTED' ELSE 'LAPSED' END AS state
  FROM waiting_places WHERE owner_id = :owner_id AND user_id = ANY(:user_ids);

-- name: lock_counter
-- The last number, kept until the commit: the next one to join waits here, so numbers have no gaps and are committed in their order.
SELECT last_number FROM waiting_counters WHERE owner_id = :owner_id FOR NO KEY UPDATE;

-- name: take_places
-- New numbers for people who have none that counts. The counter is locked.
INSERT INTO waiting_places (owner_id, user_id, number, joined_at)
SELECT :owner_id, t.user_id, t.number, business_now() FROM unnest(:user_ids::uuid[], :numbers::bigint[]) AS t (user_id, number)
    ON CONFLICT (owner_id, user_id) DO UPDATE
   SET number = excluded.number, joined_at = excluded.joined_at, admitted_at = NULL, admitted_until = NULL, booking_id = NULL,
       joins = waiting_places.joins + 1;

-- name: count_up
-- The last number that was given out. The counter is locked.
UPDATE waiting_counters SET last_number = :last_number WHERE owner_id = :owner_id;

-- name: lock_due
-- Rooms that may have somebody to admit, or whose owner has closed: those that did not move within the last second and that nobody
-- else is moving. What must hold is judged afterwards, on the locked row.
SELECT r.owner_kind, r.owner_id, r.state, r.per_second, r.inside_max, r.admitted_up_to, r.credit_from, r.version
  FROM waiting_rooms r JOIN waiting_counters c ON c.owner_id = r.owner_id
 WHERE r.state IN ('OPEN', 'SOLD_OUT') AND r.moved_at <= business_now() - :step::interval
   AND (:after::uuid IS NULL OR r.owner_id > :after::uuid)
   AND (c.last_number > r.admitted_up_to
        OR NOT EXISTS (SELECT FROM pools p WHERE p.owner_kind = r.owner_kind AND p.owner_id = r.owner_id AND p.closed_at IS NULL))
 ORDER BY r.owner_id LIMIT :limit
   FOR NO KEY UPDATE OF r SKIP LOCKED;

-- name: measure
-- What a room is judged by, read once it is locked: the last number, who is inside and has not held yet, and what its owner has to
-- sell, lapsed holds among it. Holds and lapsing only make it emptier meanwhile, and nobody else admits.
SELECT c.owner_id, c.last_number, business_now() AS now,
       (SELECT count(*) FROM waiting_places w
         WHERE w.owner_id = c.owner_id AND w.admitted_at IS NOT NULL AND w.booking_id IS NULL AND w.admitted_until > business_now()) AS inside,
       p.free IS NOT NULL AS sells, coalesce(p.free, 0) AS free
  FROM waiting_counters c JOIN waiting_rooms r ON r.owner_id = c.owner_id
  LEFT JOIN LATERAL (
       SELECT sum(p.capacity - p.sold - p.held
                  + coalesce((SELECT sum(l.quantity) FROM hold_lines l WHERE l.pool_id = p.id AND l.expires_at <= business_now()), 0))::bigint AS free
         FROM pools p WHERE p.owner_kind = r.owner_kind AND p.owner_id = r.owner_id AND p.closed_at IS NULL) AS p ON true
 WHERE c.owner_id = ANY(:owner_ids);

-- name: admit
-- The next numbers of each room have their turn, from this statement on. Their rooms are locked.
UPDATE waiting_places w SET admitted_at = business_now(), admitted_until = business_now() + :turn::interval
  FROM unnest(:owner_ids::uuid[], :froms::bigint[], :up_tos::bigint[]) AS t (owner_id, from_number, up_to)
 WHERE w.owner_id = t.owner_id AND w.number > t.from_number AND w.number <= t.up_to
RETURNING w.owner_id, w.user_id, w.number, w.admitted_until;

-- name: move_rooms
-- How far each room has come. They are locked.
UPDATE waiting_rooms r
   SET state = t.state, admitted_up_to = t.up_to, credit_from = t.credit_from, moved_at = business_now(), version = r.version + 1
  FROM unnest(:owner_ids::uuid[], :states::text[], :up_tos::bigint[], :credit_froms::timestamptz[]) AS t (owner_id, state, up_to, credit_from)
 WHERE r.owner_id = t.owner_id;

-- name: lock_turns
-- Of these people those whose turn it is and who have not held yet, locked in the order of the key until they hold or do not: two holds
-- at once must not both use one turn. That it is their turn is judged on the locked row.
SELECT w.owner_id, w.user_id
  FROM waiting_places w JOIN unnest(:owner_ids::uuid[], :user_ids::uuid[]) AS t (owner_id, user_id)
    ON w.owner_id = t.owner_id AND w.user_id = t.user_id
 WHERE w.admitted_until > business_now() AND w.booking_id IS NULL
 ORDER BY w.owner_id, w.user_id
   FOR NO KEY UPDATE OF w;

-- name: use_turns
-- These turns led to a hold. They are locked.
UPDATE waiting_places w SET booking_id = t.booking_id
  FROM unnest(:owner_ids::uuid[], :user_ids::uuid[], :booking_ids::uuid[]) AS t (owner_id, user_id, booking_id)
 WHERE w.owner_id = t.owner_id AND w.user_id = t.user_id;
