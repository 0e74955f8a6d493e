-- name: startable
-- What is needed to open a session: an approved driver, a route in service, and a station in service on it.
SELECT d.vehicle_number, r.base_fare AS fare, r.currency
  FROM routes r
  JOIN route_stations rs ON rs.route_id = r.id AND rs.station_id = :station_id
  JOIN stations st ON st.id = rs.station_id AND st.is_active
  LEFT JOIN driver_profiles d ON d.user_id = :driver_id AND d.verification_status = 'APPROVED'
 WHERE r.id = :route_id AND r.is_active;

-- name: insert
-- A new session, ACTIVE. A second open one of the same driver fails on driver_sessions_one_open_idx.
INSERT INTO driver_sessions (id, driver_id, route_id, station_id, vehicle_number, fare, currency, status, started_at)
VALUES (:id, :driver_id, :route_id, :station_id, :vehicle_number, :fare, :currency, 'ACTIVE', :started_at);

-- name: business_now
-- The database's clock.
SELECT business_now();

-- name: get
-- A session with its seats; lapsed holds count as available.
SELECT s.*, p.id AS pool_id, p.version AS pool_version, v.total_seats, v.available_seats
  FROM driver_sessions s
  JOIN pools p ON p.owner_kind = 'session' AND p.owner_id = s.id
  JOIN driver_session_seats v ON v.id = s.id
 WHERE s.id = :id;

-- name: open_of_driver
-- The open session of a driver, of which there is one at most.
SELECT id FROM driver_sessions WHERE driver_id = :driver_id AND status IN ('ACTIVE', 'FULL');

-- name: lock
-- The session, locked; its pool before it (the caller's duty).
SELECT s.*, p.id AS pool_id, p.version AS pool_version, p.capacity AS total_seats, p.capacity - p.held - p.sold AS available_seats
  FROM driver_sessions s JOIN pools p ON p.owner_kind = 'session' AND p.owner_id = s.id
 WHERE s.id = :id FOR NO KEY UPDATE OF s;

-- name: of_driver
-- A page of one driver's sessions, newest first.
SELECT s.*, p.id AS pool_id, p.version AS pool_version, v.total_seats, v.available_seats
  FROM driver_sessions s
  JOIN pools p ON p.owner_kind = 'session' AND p.owner_id = s.id
  JOIN driver_session_seats v ON v.id = s.id
 WHERE s.driver_id = :driver_id AND (:before::uuid IS NULL OR s.id < :before::uuid)
 ORDER BY s.id DESC LIMIT :limit;

-- name: listed
-- A page of open sessions, the longest waiting first, with names and free seats; of those within a radius where a place is
-- given. There are never more open sessions than vehicles, so the distance of each is worked out.
SELECT * FROM (
    SELECT s.id, s.route_id, s.station_id, coalesce(r.name_ar, r.name_en) AS route_name_ar, coalesce(r.name_en, r.name_ar) AS route_name_en,
           coalesce(st.name_ar, st.name_en) AS station_name_ar, coalesce(st.name_en, st.name_ar) AS station_name_en, st.latitude, st.longitude,
           s.vehicle_number, s.fare, s.currency, s.status, s.started_at, s.version, v.total_seats, v.available_seats,
           metres_between(:latitude::float8, :longitude::float8, st.latitude, st.longitude) AS distance_m
      FROM driver_sessions s
      JOIN driver_session_seats v ON v.id = s.id
      JOIN routes r ON r.id = s.route_id
      JOIN stations st ON st.id = s.station_id
     WHERE s.status IN ('ACTIVE', 'FULL')
       AND (:route_id::uuid IS NULL OR s.route_id = :route_id::uuid)
       AND (:station_id::uuid IS NULL OR s.station_id = :station_id::uuid)
       AND (:after::uuid IS NULL OR s.id > :after::uuid)) AS found
 WHERE (:latitude::float8 IS NULL OR distance_m <= :radius_m)
   AND (NOT :with_seats OR available_seats > 0)
 ORDER BY id LIMIT :limit;

-- name: end
-- The session departed or was called off. It is locked.
UPDATE driver_sessions SET status = :status, ended_at = business_now(), cancel_note = :note, version = version + 1 WHERE id = :id
RETURNING version;

-- name: follow_seats
-- ACTIVE turns FULL when every seat is sold, FULL turns ACTIVE when one came back. The pools are locked, so what they count
-- is what this statement sees; the state is judged on the locked session.
UPDATE driver_sessions s
   SET status = CASE WHEN p.sold = p.capacity THEN 'FULL' ELSE 'ACTIVE' END, version = s.version + 1
  FROM pools p
 WHERE p.id = ANY(:pool_ids) AND p.owner_kind = 'session' AND s.id = p.owner_id
   AND ((s.status = 'ACTIVE' AND p.sold = p.capacity) OR (s.status = 'FULL' AND p.sold < p.capacity))
RETURNING s.*, p.id AS pool_id, p.version AS pool_version, p.capacity AS total_seats, p.capacity - p.held - p.sold AS available_seats;

-- name: sellable
-- What each session sells and for how much, whatever its state: whether it is open is judged on its locked pool.
SELECT s.id, s.driver_id, s.fare, s.currency, s.status, p.id AS pool_id
  FROM driver_sessions s JOIN pools p ON p.owner_kind = 'session' AND p.owner_id = s.id
 WHERE s.id = ANY(:ids);

-- name: described
-- Names, place and start of sessions.
SELECT s.id, coalesce(r.name_ar, r.name_en) AS name_ar, coalesce(r.name_en, r.name_ar) AS name_en,
       coalesce(st.name_ar, st.name_en) AS place_ar, coalesce(st.name_en, st.name_ar) AS place_en, s.started_at AS starts_at
  FROM driver_sessions s JOIN routes r ON r.id = s.route_id JOIN stations st ON st.id = s.station_id
 WHERE s.id = ANY(:ids);
