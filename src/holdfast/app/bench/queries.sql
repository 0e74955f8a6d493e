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
