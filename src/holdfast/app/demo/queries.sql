-- name: routes_in_service
-- The first routes that are in service, the station at which each begins, and how many seats its vehicles have.
SELECT r.id AS route_id, s.id AS station_id, coalesce(r.usual_seats, :usual_seats)::integer AS seats
  FROM routes r
  JOIN route_stations rs ON rs.route_id = r.id AND rs.station_order = 1
  JOIN stations s ON s.id = rs.station_id
 WHERE r.is_active AND s.is_active
 ORDER BY r.id LIMIT :limit;
