-- name: standings
-- How gateways stand, in the order given; none of them where the method is switched off.
SELECT g.name AS gateway, coalesce(s.is_off, false) AS is_off, coalesce(b.failures, 0) AS failures,
       coalesce(b.open_until > business_now(), false) AS is_open, coalesce(b.open_until <= business_now(), false) AS is_half_open
  FROM unnest(:gateways::text[]) WITH ORDINALITY AS g (name, place)
  LEFT JOIN payment_switches s ON s.kind = 'GATEWAY' AND s.name = g.name
  LEFT JOIN gateway_breakers b ON b.gateway = g.name
 WHERE NOT EXISTS (SELECT FROM payment_switches WHERE kind = 'METHOD' AND name = :method AND is_off)
 ORDER BY g.place;

-- name: is_off
-- Whether a method is switched off.
SELECT EXISTS (SELECT FROM payment_switches WHERE kind = 'METHOD' AND name = :method AND is_off);

-- name: take_trial
-- The one payment that may try a gateway which did not answer: until :lasts has passed there is no other. Never waits.
UPDATE gateway_breakers SET open_until = business_now() + :lasts::interval
 WHERE gateway = (SELECT gateway FROM gateway_breakers WHERE gateway = :gateway AND open_until <= business_now() FOR UPDATE SKIP LOCKED)
RETURNING gateway;

-- name: count_failure
-- A gateway gave no answer. From :failures_max in a row on nobody asks it for :lasts. Returns whether that is so now.
INSERT INTO gateway_breakers AS b (gateway, failures) VALUES (:gateway, 1)
    ON CONFLICT (gateway) DO UPDATE
   SET failures = b.failures + 1,
       open_until = CASE WHEN b.failures + 1 >= :failures_max THEN business_now() + :lasts::interval ELSE b.open_until END
RETURNING open_until IS NOT NULL AS is_open;

-- name: forget_failures
-- A gateway answers again.
UPDATE gateway_breakers SET failures = 0, open_until = NULL WHERE gateway = :gateway AND failures > 0;

-- name: set_switch
-- Something is switched off, or on again.
INSERT INTO payment_switches AS s (kind, name, id, is_off, note) VALUES (:kind, :name, :id, :is_off, :note)
    ON CONFLICT (kind, name) DO UPDATE SET is_off = :is_off, note = :note, version = s.version + 1, changed_at = business_now()
RETURNING *;

-- name: lock_switch
-- A switch, locked, where there is one.
SELECT * FROM payment_switches WHERE kind = :kind AND name = :name FOR NO KEY UPDATE;

-- name: switches
-- Everything that was ever switched.
SELECT * FROM payment_switches ORDER BY kind, name;
