-- name: add_places
-- Two stations, and a route that calls at both.
WITH stations_ AS (
    INSERT INTO stations (id, name_en, latitude, longitude)
    VALUES (:from_id, 'Ramses', 30.06, 31.25), (:to_id, 'Abbaseya', 30.07, 31.28)
), route AS (
    INSERT INTO routes (id, name_en, base_fare, currency) VALUES (:route_id, 'Ramses - Abbaseya', 1000, 'EGP')
)
SELECT 1;

-- name: add_calls
-- Where the route calls.
INSERT INTO route_stations (route_id, station_id, station_order) VALUES (:route_id, :from_id, 1), (:route_id, :to_id, 2);

-- name: add_drivers
-- Drivers by number.
INSERT INTO users (id, role, is_verified)
SELECT ('01990000-0000-7003-8000-' || lpad(to_hex(n), 12, '0'))::uuid, 'DRIVER', true FROM generate_series(:first::bigint, :last::bigint) n;

-- name: add_sessions
-- Sessions by number, each of the driver of that number.
INSERT INTO driver_sessions (id, driver_id, route_id, station_id, vehicle_number, fare, currency, status)
SELECT ('01990000-0000-7002-8000-' || lpad(to_hex(n), 12, '0'))::uuid, ('01990000-0000-7003-8000-' || lpad(to_hex(n), 12, '0'))::uuid,
       :route_id, :station_id, 'ABC 123', 1000, 'EGP', 'ACTIVE'
  FROM generate_series(:first::bigint, :last::bigint) n;

-- name: add_pools
-- Their seats: more than any run can sell, where :capacity says so.
INSERT INTO pools (id, owner_kind, owner_id, capacity, starts_at)
SELECT ('01990000-0000-7001-8000-' || lpad(to_hex(n), 12, '0'))::uuid, 'session', ('01990000-0000-7002-8000-' || lpad(to_hex(n), 12, '0'))::uuid,
       :capacity, business_now()
  FROM generate_series(:first::bigint, :last::bigint) n;

-- name: announce_sessions
-- What a started session says in the log.
INSERT INTO events (id, name, subject_kind, subject_id, version, body)
SELECT uuidv7(), 'SessionStarted', 'session', s.id, 1,
       jsonb_build_object('version', 1, 'session_id', s.id, 'driver_id', s.driver_id, 'route_id', s.route_id, 'station_id', s.station_id,
                          'total_seats', :capacity::integer, 'available_seats', :capacity::integer, 'pool_version', 1)
  FROM driver_sessions s
 WHERE s.id BETWEEN ('01990000-0000-7002-8000-' || lpad(to_hex(:first::bigint), 12, '0'))::uuid
                AND ('01990000-0000-7002-8000-' || lpad(to_hex(:last::bigint), 12, '0'))::uuid;

-- name: add_people
-- Passengers by number.
INSERT INTO users (id, role, is_verified)
SELECT ('01990000-0000-7004-8000-' || lpad(to_hex(n), 12, '0'))::uuid, 'PASSENGER', true
  FROM generate_series(:first::bigint, :last::bigint) n;

-- name: add_logins
-- A sign-in of each passenger.
INSERT INTO logins (id, user_id)
SELECT ('01990000-0000-7005-8000-' || lpad(to_hex(n), 12, '0'))::uuid, ('01990000-0000-7004-8000-' || lpad(to_hex(n), 12, '0'))::uuid
  FROM generate_series(:first::bigint, :last::bigint) n;

-- name: add_nights
-- Fourteen nights of each room by number: the pools 14n to 14n+13.
INSERT INTO pools (id, owner_kind, owner_id, capacity, starts_at, ends_at)
SELECT ('01990000-0000-7001-8000-' || lpad(to_hex(14 * n + night), 12, '0'))::uuid, 'room',
       ('01990000-0000-7006-8000-' || lpad(to_hex(n), 12, '0'))::uuid, 2000000000,
       date_trunc('day', business_now()) + night * interval '1 day', date_trunc('day', business_now()) + (night + 1) * interval '1 day'
  FROM generate_series(:first::bigint, :last::bigint) n, generate_series(0, 13) night;

-- name: count_holds
-- How many bookings were ever held: what a run really did, whatever its clients believe.
SELECT count(*) FROM bookings;

-- name: count_confirmed
-- How many bookings were ever paid for.
SELECT count(*) FROM bookings WHERE confirmed_at IS NOT NULL;

-- name: add_payments
-- A payment that was begun for each held booking that has none, as `payments` writes it: the row, its key, its event.
WITH due AS MATERIALIZED (
    SELECT uuidv7() AS id, b.id AS booking, b.customer_id, b.payee_id, b.fare, b.service_fee, b.currency FROM bookings b
     WHERE b.status = 'PENDING' AND NOT EXISTS (SELECT FROM payments p WHERE p.payable_kind = 'booking' AND p.payable_id = b.id)
     LIMIT :limit
), begun AS (
    INSERT INTO payments (id, payable_kind, payable_id, payer_id, payee_id, fare_amount, service_fee, total_amount, currency, method,
                          gateway, status, idempotency_key, ask_after)
    SELECT id, 'booking', booking, customer_id, payee_id, fare, service_fee, fare + service_fee, currency, 'CARD',
           'sandbox', 'INITIATED', id::text, business_now() + interval '1 hour'
      FROM due
), keyed AS (
    INSERT INTO idempotency_keys (actor_id, key, fingerprint, result_id)
    SELECT customer_id, id::text, sha256(uuid_send(id)), id FROM due
), announced AS (
    INSERT INTO events (id, name, subject_kind, subject_id, version, body)
    SELECT uuidv7(), 'PaymentInitiated', 'payment', id, 1,
           jsonb_build_object('version', 1, 'payment_id', id, 'payable_kind', 'booking', 'payable_id', booking, 'payer_id', customer_id,
                              'payee_id', payee_id, 'amount', jsonb_build_object('currency', currency, 'minor', fare + service_fee))
      FROM due
)
SELECT id FROM due;

-- name: add_top_ups
-- A top-up of :amount for each person of these numbers, with a payment that was begun for it, as `wallets` and `payments` write them.
WITH due AS MATERIALIZED (
    SELECT uuidv7() AS id, uuidv7() AS top_up, ('01990000-0000-7004-8000-' || lpad(to_hex(n), 12, '0'))::uuid AS user_id
      FROM generate_series(:first::bigint, :last::bigint) n
), opened AS (
    INSERT INTO wallet_top_ups (id, user_id, amount, currency) SELECT top_up, user_id, :amount, 'EGP' FROM due
), begun AS (
    INSERT INTO payments (id, payable_kind, payable_id, payer_id, payee_id, earner, fare_amount, service_fee, total_amount, currency,
                          method, gateway, status, idempotency_key, ask_after)
    SELECT id, 'top_up', top_up, user_id, user_id, 'WALLET', :amount, 0, :amount, 'EGP', 'CARD', 'sandbox', 'INITIATED', id::text,
           business_now() + interval '1 hour'
      FROM due
), keyed AS (
    INSERT INTO idempotency_keys (actor_id, key, fingerprint, result_id)
    SELECT user_id, id::text, sha256(uuid_send(id)), id FROM due
), announced AS (
    INSERT INTO events (id, name, subject_kind, subject_id, version, body)
    SELECT uuidv7(), 'PaymentInitiated', 'payment', id, 1,
           jsonb_build_object('version', 1, 'payment_id', id, 'payable_kind', 'top_up', 'payable_id', top_up, 'payer_id', user_id,
                              'payee_id', user_id, 'amount', jsonb_build_object('currency', 'EGP', 'minor', :amount::bigint))
      FROM due
)
SELECT id FROM due;

-- name: unpaid
-- The held bookings of the people of these numbers, for which nobody has begun to pay.
SELECT b.id, b.customer_id FROM bookings b
 WHERE b.status = 'PENDING' AND NOT EXISTS (SELECT FROM payments p WHERE p.payable_kind = 'booking' AND p.payable_id = b.id)
   AND b.customer_id BETWEEN ('01990000-0000-7004-8000-' || lpad(to_hex(:first::bigint), 12, '0'))::uuid
                         AND ('01990000-0000-7004-8000-' || lpad(to_hex(:last::bigint), 12, '0'))::uuid;

-- name: add_lapsing
-- :count holds that all lapse at :deadline, written at once, spread over the sessions and people of these numbers, with all that a hold writes.
WITH asked AS MATERIALIZED (
    SELECT uuidv7() AS id,
           ('01990000-0000-7001-8000-' || lpad(to_hex(:first_session::bigint + n % :sessions), 12, '0'))::uuid AS pool_id,
           ('01990000-0000-7002-8000-' || lpad(to_hex(:first_session::bigint + n % :sessions), 12, '0'))::uuid AS owner_id,
           ('01990000-0000-7003-8000-' || lpad(to_hex(:first_session::bigint + n % :sessions), 12, '0'))::uuid AS payee_id,
           ('01990000-0000-7004-8000-' || lpad(to_hex(:first_person::bigint + n % :people), 12, '0'))::uuid AS customer_id
      FROM generate_series(0, :count::bigint - 1) n
), counted AS (
    UPDATE pools p SET held = p.held + d.quantity, version = p.version + 1
      FROM (SELECT pool_id, count(*) AS quantity FROM asked GROUP BY pool_id) d WHERE p.id = d.pool_id
), keyed AS (
    INSERT INTO idempotency_keys (actor_id, key, fingerprint, result_id)
    SELECT customer_id, id::text, sha256(uuid_send(id)), id FROM asked
), lines AS (
    INSERT INTO hold_lines (hold_id, pool_id, quantity, expires_at) SELECT id, pool_id, 1, :deadline::timestamptz FROM asked
), taken AS (
    INSERT INTO holds (id, expires_at, created_at) SELECT id, :deadline::timestamptz, business_now() FROM asked
), booked AS (
    INSERT INTO bookings (id, customer_id, kind, owner_id, quantity, status, fare, service_fee, currency, payee_id, held_until,
                          available_after, created_at)
    SELECT id, customer_id, 'session', owner_id, 1, 'PENDING', 1000, 100, 'EGP', payee_id, :deadline::timestamptz, 0, business_now() FROM asked
), items AS (
    INSERT INTO booking_items (booking_id, pool_id, quantity, amount, currency) SELECT id, pool_id, 1, 1000, 'EGP' FROM asked
)
INSERT INTO events (id, name, subject_kind, subject_id, version, body)
SELECT uuidv7(), 'BookingHeld', 'booking', id, 1,
       jsonb_build_object('version', 1, 'booking_id', id, 'customer_id', customer_id, 'kind', 'session', 'owner_id', owner_id,
                          'quantity', 1, 'available', 0, 'pool_version', 1, 'expires_at', :deadline::timestamptz)
  FROM asked;

-- name: move_deadlines
-- Holds of one deadline get another one, and so do their lines.
WITH moved AS (
    UPDATE holds SET expires_at = :deadline WHERE expires_at = :before RETURNING id, expires_at
)
UPDATE hold_lines l SET expires_at = m.expires_at FROM moved m WHERE l.hold_id = m.id;

-- name: any_lapsed
-- Whether there are lapsed holds that nobody has given back yet.
SELECT EXISTS (SELECT FROM holds WHERE expires_at <= business_now());

-- name: count_expired
-- Bookings whose hold lapsed and was given back.
SELECT count(*) FROM bookings WHERE end_reason = 'LAPSED';

-- name: seconds_behind
-- How far the last consumer of the log is behind, in seconds.
SELECT coalesce(max(extract(epoch FROM business_now() - (SELECT min(e.occurred_at) FROM events e
                                                          WHERE (e.epoch, e.xid, e.position) > (c.epoch, c.xid, c.position)))), 0)::float8
  FROM event_cursors c;
