-- Fourteen nights of a room in one request: one statement and one transaction, with the rows that the desk writes for it.
--
-- :first to :last are the numbers of the rooms, :people how many customers there are. The nights of room n are the pools 14n to 14n+13.
\set room random(:first, :last)
\set person random(1, :people)
WITH nights AS (
    SELECT p.id FROM pools p
     WHERE p.owner_kind = 'room' AND p.owner_id = ('01990000-0000-7006-8000-' || lpad(to_hex(:room::bigint), 12, '0'))::uuid
     ORDER BY p.id FOR NO KEY UPDATE
), counted AS (
    UPDATE pools p SET held = held + 1, version = version + 1 FROM nights n
     WHERE p.id = n.id AND p.closed_at IS NULL AND p.held + p.sold + 1 <= p.capacity
    RETURNING p.id, p.owner_id, p.capacity - p.held - p.sold AS free, p.version
), asked AS MATERIALIZED (
    SELECT uuidv7() AS id, c.owner_id, min(c.free) AS free, max(c.version) AS pool_version, business_now() AS created_at,
           ('01990000-0000-7003-8000-' || lpad(to_hex(:room::bigint), 12, '0'))::uuid AS payee_id,
           ('01990000-0000-7004-8000-' || lpad(to_hex(:person::bigint), 12, '0'))::uuid AS customer_id
      FROM counted c GROUP BY c.owner_id
), keyed AS (
    INSERT INTO idempotency_keys (actor_id, key, fingerprint, result_id)
    SELECT customer_id, id::text, '\xe3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855', id FROM asked
), lines AS (
    INSERT INTO hold_lines (hold_id, pool_id, quantity, expires_at)
    SELECT a.id, c.id, 1, a.created_at + interval '1 hour' FROM asked a, counted c
), taken AS (
    INSERT INTO holds (id, expires_at, created_at) SELECT id, created_at + interval '1 hour', created_at FROM asked
), booked AS (
    INSERT INTO bookings (id, customer_id, kind, owner_id, quantity, status, fare, service_fee, currency, payee_id, held_until,
                          available_after, created_at)
    SELECT id, customer_id, 'room', owner_id, 1, 'PENDING', 14000, 100, 'EGP', payee_id, created_at + interval '1 hour', free, created_at
      FROM asked
), items AS (
    INSERT INTO booking_items (booking_id, pool_id, quantity, amount, currency) SELECT a.id, c.id, 1, 1000, 'EGP' FROM asked a, counted c
)
INSERT INTO events (id, name, subject_kind, subject_id, version, body)
SELECT uuidv7(), 'BookingHeld', 'booking', id, 1,
       jsonb_build_object('version', 1, 'booking_id', id, 'customer_id', customer_id, 'kind', 'room', 'owner_id', owner_id,
                          'quantity', 1, 'available', free, 'pool_version', pool_version, 'expires_at', created_at + interval '1 hour')
  FROM asked;
