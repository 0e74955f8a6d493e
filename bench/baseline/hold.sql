-- What PostgreSQL alone can do: one hold, in one statement and one transaction, with the same rows in the same tables as one hold
-- of the desk (src/holdfast/bookings/desk.py). `holdfast bench` proves that they are the same, and the invariants hold of them.
-- It checks less than the desk does: only capacity and that the pool is open; prices are given.
--
-- :first to :last are the numbers of the pools, :people how many customers there are. With one pool it is as hot as can be.
-- So many percent as :hot says want the pools up to :hot_last, the others any.
\set any random(1, 100)
\set pool case when :any <= :hot then random(:first, :hot_last) else random(:first, :last) end
\set person random(1, :people)
WITH counted AS (
    UPDATE pools SET held = held + 1, version = version + 1
     WHERE id = ('01990000-0000-7001-8000-' || lpad(to_hex(:pool::bigint), 12, '0'))::uuid
       AND closed_at IS NULL AND held + sold + 1 <= capacity
    RETURNING id, owner_id, capacity - held - sold AS free, version
), asked AS MATERIALIZED (
    SELECT uuidv7() AS id, c.id AS pool_id, c.owner_id, c.free, c.version AS pool_version, business_now() AS created_at,
           ('01990000-0000-7003-8000-' || lpad(to_hex(:pool::bigint), 12, '0'))::uuid AS payee_id,
           ('01990000-0000-7004-8000-' || lpad(to_hex(:person::bigint), 12, '0'))::uuid AS customer_id
      FROM counted c
), keyed AS (
    INSERT INTO idempotency_keys (actor_id, key, fingerprint, result_id)
    SELECT customer_id, id::text, '\xe3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855', id FROM asked
), lines AS (
    INSERT INTO hold_lines (hold_id, pool_id, quantity, expires_at) SELECT id, pool_id, 1, created_at + interval '1 hour' FROM asked
), taken AS (
    INSERT INTO holds (id, expires_at, created_at) SELECT id, created_at + interval '1 hour', created_at FROM asked
), booked AS (
    INSERT INTO bookings (id, customer_id, kind, owner_id, quantity, status, fare, service_fee, currency, payee_id, held_until,
                          available_after, created_at)
    SELECT id, customer_id, 'session', owner_id, 1, 'PENDING', 1000, 100, 'EGP', payee_id, created_at + interval '1 hour', free, created_at
      FROM asked
), items AS (
    INSERT INTO booking_items (booking_id, pool_id, quantity, amount, currency) SELECT id, pool_id, 1, 1000, 'EGP' FROM asked
)
INSERT INTO events (id, name, subject_kind, subject_id, version, body)
SELECT uuidv7(), 'BookingHeld', 'booking', id, 1,
       jsonb_build_object('version', 1, 'booking_id', id, 'customer_id', customer_id, 'kind', 'session', 'owner_id', owner_id,
                          'quantity', 1, 'available', free, 'pool_version', pool_version, 'expires_at', created_at + interval '1 hour')
  FROM asked;
