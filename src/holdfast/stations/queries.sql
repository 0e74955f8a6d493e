-- name: listed
-- A page of stations in the order in which they were made.
SELECT id, name_ar, name_en, latitude, longitude, zone, is_active, feed_code, version
  FROM stations
 WHERE is_active = :is_active
   AND (:sought::text IS NULL OR strpos(search_text, folded(:sought)) > 0)
   AND (:after::uuid IS NULL OR id > :after)
 ORDER BY id LIMIT :limit;

-- name: near
-- A page of stations around a place, the nearest first: those in a box, by the index, and of them those within the radius.
SELECT * FROM (
    SELECT id, name_ar, name_en, latitude, longitude, zone, is_active, feed_code, version,
           metres_between(:latitude, :longitude, latitude, longitude) AS distance_m
      FROM stations
     WHERE latitude BETWEEN :south AND :north AND longitude BETWEEN :west AND :east
       AND is_active = :is_active
       AND (:sought::text IS NULL OR strpos(search_text, folded(:sought)) > 0)) AS boxed
 WHERE distance_m <= :radius_m
   AND (:after::uuid IS NULL OR (distance_m, id) > (:after_m::float8, :after::uuid))
 ORDER BY distance_m, id LIMIT :limit;

-- name: get
SELECT id, name_ar, name_en, latitude, longitude, zone, is_active, feed_code, version FROM stations WHERE id = :id;

-- name: lock
-- To change them. Waits for whoever is just putting them on a route (see share).
SELECT id, name_ar, name_en, latitude, longitude, zone, is_active, feed_code, version
  FROM stations WHERE id = ANY(:ids) ORDER BY id FOR NO KEY UPDATE;

-- name: share
-- Stations that stay in service, or out of it, until this transaction ends.
SELECT id, name_ar, name_en, latitude, longitude, zone, is_active, feed_code, version
  FROM stations WHERE id = ANY(:ids) ORDER BY id FOR SHARE;

-- name: lock_of_feed
-- The stations that these of a feed's became, locked.
SELECT id, name_ar, name_en, latitude, longitude, zone, is_active, feed_code, version
  FROM stations WHERE feed_code = ANY(:feed_codes) ORDER BY id FOR NO KEY UPDATE;

-- name: insert
INSERT INTO stations (id, name_ar, name_en, latitude, longitude, zone, is_active, feed_code)
SELECT * FROM unnest(:ids::uuid[], :names_ar::text[], :names_en::text[], :latitudes::float8[], :longitudes::float8[], :zones::text[],
                     :are_active::boolean[], :feed_codes::text[]);

-- name: save
-- They are locked.
UPDATE stations s
   SET name_ar = c.name_ar, name_en = c.name_en, latitude = c.latitude, longitude = c.longitude, zone = c.zone,
       is_active = c.is_active, version = s.version + 1, updated_at = business_now()
  FROM unnest(:ids::uuid[], :names_ar::text[], :names_en::text[], :latitudes::float8[], :longitudes::float8[], :zones::text[],
              :are_active::boolean[]) AS c (id, name_ar, name_en, latitude, longitude, zone, is_active)
 WHERE s.id = c.id;
