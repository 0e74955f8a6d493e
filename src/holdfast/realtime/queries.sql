-- name: whereabouts
-- The route and the driver of sessions. Neither ever changes.
SELECT id, route_id, driver_id FROM driver_sessions WHERE id = ANY(:ids::uuid[]);
