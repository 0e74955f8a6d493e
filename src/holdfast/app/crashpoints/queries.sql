-- name: add_person
-- Somebody who has signed in.
WITH person AS (INSERT INTO users (id, role, is_verified) VALUES (:id, :role, true))
INSERT INTO logins (id, user_id) VALUES (:login_id, :id);

-- name: add_driver
-- A driver who was approved.
INSERT INTO driver_profiles (id, user_id, vehicle_number, vehicle_type, total_seats, license_number, verification_status, decided_by, decided_at)
VALUES (:id, :id, 'ABC 123', 'microbus', 14, '\x00', 'APPROVED', :id, business_now());

-- name: add_places
-- Two stations and a route that calls at both.
WITH stations_ AS (
    INSERT INTO stations (id, name_en, latitude, longitude)
    VALUES (:from_id, 'Ramses', 30.06, 31.25), (:to_id, 'Abbaseya', 30.07, 31.28)
)
INSERT INTO routes (id, name_en, base_fare, currency) VALUES (:route_id, 'Ramses - Abbaseya', 1500, 'EGP');

-- name: add_calls
-- Where the route calls.
INSERT INTO route_stations (route_id, station_id, station_order) VALUES (:route_id, :from_id, 1), (:route_id, :to_id, 2);

-- name: move_time
-- Business time goes on by so many seconds.
UPDATE test_clock_offset SET moved = moved + make_interval(secs => :seconds);

-- name: show_worker
-- A worker has run: what it has to do in time is judged from now on.
INSERT INTO procrastinate_workers DEFAULT VALUES;

-- name: is_all_readable
-- Whether every event can be read: readers of the log wait for transactions anywhere in the cluster that are older.
SELECT NOT EXISTS (SELECT FROM events WHERE xid >= pg_snapshot_xmin(pg_current_snapshot())) AS is_readable;

-- name: is_somebody_blocked
-- Whether somebody in this database waits for what another one has locked.
SELECT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database() AND cardinality(pg_blocking_pids(pid)) > 0) AS is_blocked;

-- name: undecided
-- What somebody still waits for.
SELECT 'payment' AS what, id FROM payments WHERE status = 'INITIATED'
 UNION ALL SELECT 'refund', id FROM refunds WHERE status IN ('REQUESTED', 'PENDING')
 UNION ALL SELECT 'message', id FROM gateway_webhooks WHERE applied_at IS NULL
 UNION ALL SELECT 'booking on a session that was called off', b.id FROM bookings b JOIN driver_sessions s ON s.id = b.owner_id
            WHERE s.status = 'CANCELLED' AND b.status IN ('PENDING', 'CONFIRMED');

-- name: behind
-- Readers of the event log who have not read all of it.
SELECT consumer FROM event_cursors c
 WHERE EXISTS (SELECT FROM events e WHERE (e.epoch, e.xid, e.position) > (c.epoch, c.xid, c.position));

-- name: facts
-- What there is, counted and added up: it says the same after each course that came to the same end.
SELECT 'bookings ' || status || coalesce(' ' || end_reason, '') AS what, count(*)::bigint AS many FROM bookings GROUP BY 1
 UNION ALL SELECT 'sessions ' || status, count(*) FROM driver_sessions GROUP BY 1
 UNION ALL SELECT 'payments ' || status || coalesce(' ' || settlement, ''), count(*) FROM payments GROUP BY 1
 UNION ALL SELECT 'refunds ' || status || ' ' || reason, count(*) FROM refunds GROUP BY 1
 UNION ALL SELECT 'payouts ' || status, count(*) FROM driver_payouts GROUP BY 1
 UNION ALL SELECT 'top-ups filled ' || (filled_at IS NOT NULL), count(*) FROM wallet_top_ups GROUP BY 1
 UNION ALL SELECT 'messages', count(*) FROM gateway_webhooks
 UNION ALL SELECT 'keys', count(*) FROM idempotency_keys
 UNION ALL SELECT 'units held', coalesce(sum(held), 0) FROM pools
 UNION ALL SELECT 'units sold', coalesce(sum(sold), 0) FROM pools
 UNION ALL SELECT 'account ' || a.kind, sum(e.amount) FROM ledger_entries e JOIN ledger_accounts a ON a.id = e.account_id GROUP BY 1
 UNION ALL SELECT 'event ' || name, count(*) FROM events GROUP BY 1
 UNION ALL SELECT 'deed ' || action, count(*) FROM audit_logs GROUP BY 1;
