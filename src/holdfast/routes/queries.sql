-- name: listed
-- A page of routes in the order in which they were made.
SELECT r.id, r.name_ar, r.name_en, r.code, r.base_fare, r.currency, r.usual_seats, r.is_active, r.feed_code, r.version
  FROM routes r
 WHERE r.is_active = :is_active
   AND (:sought::text IS NULL OR strpos(r.search_text, folded(:sought)) > 0)
   AND (:station_id::uuid IS NULL OR EXISTS (SELECT FROM route_stations c WHERE c.route_id = r.id AND c.station_id = :station_id))
   AND (:after::uuid IS NULL OR r.id > :after)
 ORDER BY r.id LIMIT :limit;

-- name: near
-- A page of routes that call at a station in service within a radius, the nearest first.
SELECT * FROM (
    SELECT r.id, r.name_ar, r.name_en, r.code, r.base_fare, r.currency, r.usual_seats, r.is_active, r.feed_code, r.version, n.distance_m
      FROM (SELECT c.route_id, min(metres_between(:latitude, :longitude, s.latitude, s.longitude)) AS distance_m
              FROM stations s JOIN route_stations c ON c.station_id = s.id
             WHERE s.latitude BETWEEN :south AND :north AND s.longitude BETWEEN :west AND :east AND s.is_active
             GROUP BY c.route_id) AS n
      JOIN routes r ON r.id = n.route_id
     WHERE r.is_active = :is_active
       AND (:sought::text IS NULL OR strpos(r.search_text, folded(:sought)) > 0)
       AND (:station_id::uuid IS NULL OR EXISTS (SELECT FROM route_stations c WHERE c.route_id = r.id AND c.station_id = :station_id))) AS boxed
 WHERE distance_m <= :radius_m
   AND (:after::uuid IS NULL OR (distance_m, id) > (:after_m::float8, :after::uuid))
 ORDER BY distance_m, id LIMIT :limit;

-- name: get
SELECT id, name_ar, name_en, code, base_fare, currency, usual_seats, is_active, feed_code, version FROM routes WHERE id = :id;

-- name: stations
-- The stations of a route in the order in which it calls at them.
SELECT s.id, s.name_ar, s.name_en, s.latitude, s.longitude, s.zone, s.is_active, s.feed_code, s.version
  FROM route_stations c JOIN stations s ON s.id = c.station_id
 WHERE c.route_id = :route_id ORDER BY c.station_order;

-- name: lock
-- To change it or its stations.
SELECT id, name_ar, name_en, code, base_fare, currency, usual_seats, is_active, feed_code, version
  FROM routes WHERE id = :id FOR NO KEY UPDATE;

-- name: lock_of_feed
-- The routes that these of a feed's became, locked.
SELECT id, name_ar, name_en, code, base_fare, currency, usual_seats, is_active, feed_code, version
  FROM routes WHERE feed_code = ANY(:feed_codes) ORDER BY id FOR NO KEY UPDATE;

-- name: calls
-- Which stations routes call at, in order. The routes are locked.
SELECT route_id, station_id FROM route_stations WHERE route_id = ANY(:route_ids) ORDER BY route_id, station_order;

-- name: routes_in_service
-- How many routes in service call at a station. It is locked, so whoever puts it on another route waits.
SELECT count(*) FROM route_stations c JOIN routes r ON r.id = c.route_id WHERE c.station_id = :station_id AND r.is_active;

-- name: insert
INSERT INTO routes (id, name_ar, name_en, code, base_fare, currency, usual_seats, is_active, feed_code)
SELECT * FROM unnest(:ids::uuid[], :names_ar::text[], :names_en::text[], :codes::text[], :base_fares::bigint[], :currencies::text[],
                     :usual_seats::integer[], :are_active::boolean[], :feed_codes::text[]);

-- name: save
-- They are locked.
UPDATE routes r
   SET name_ar = c.name_ar, name_en = c.name_en, code = c.code, base_fare = c.base_fare, currency = c.currency,
       usual_seats = c.usual_seats, is_active = c.is_active, version = r.version + 1, updated_at = business_now()
  FROM unnest(:ids::uuid[], :names_ar::text[], :names_en::text[], :codes::text[], :base_fares::bigint[], :currencies::text[],
              :usual_seats::integer[], :are_active::boolean[])
       AS c (id, name_ar, name_en, code, base_fare, currency, usual_seats, is_active)
 WHERE r.id = c.id;

-- name: clear_stations
-- Before other ones are put in. The routes are locked.
DELETE FROM route_stations WHERE route_id = ANY(:route_ids);

-- name: put_stations
INSERT INTO route_stations (route_id, station_id, station_order)
SELECT * FROM unnest(:route_ids::uuid[], :station_ids::uuid[], :orders::integer[]);
