-- name: count
-- One more use in the present window of each (name, subject). In their order, so that two callers cannot wait for each other.
INSERT INTO limit_counters AS c (name, subject, window_starts_at, used)
SELECT name, subject, date_bin(length, business_now(), timestamptz '2000-01-01 00:00:00+00'), 1
  FROM unnest(:names::text[], :subjects::text[], :windows::interval[]) AS u (name, subject, length)
 ORDER BY name, subject
    ON CONFLICT (name, subject, window_starts_at) DO UPDATE SET used = c.used + 1
RETURNING name, subject, used, extract(epoch FROM business_now() - window_starts_at)::float8 AS seconds_gone;

-- name: delete_old
DELETE FROM limit_counters WHERE window_starts_at < business_now() - :age::interval;
