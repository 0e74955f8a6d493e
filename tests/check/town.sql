-- A town in good order with :bookings bookings in every state, as the program would have left it. Run as the owner.
-- Twenty bookings make a session; sessions are open, closed, called off or full in turn.

CREATE FUNCTION pg_temp.nth(kind int, n bigint) RETURNS uuid LANGUAGE sql IMMUTABLE
    AS $$ SELECT (lpad(to_hex((1750000000000 + n)::bigint), 12, '0') || '7' || lpad(to_hex(kind), 3, '0') || '8000' || lpad(to_hex(n), 12, '0'))::uuid $$;

CREATE TEMP TABLE b AS
SELECT n, n / 20 AS s, pg_temp.nth(1, n) AS id, pg_temp.nth(2, n % 997) AS customer, pg_temp.nth(3, n / 20) AS session, pg_temp.nth(4, n / 20) AS pool,
       pg_temp.nth(5, n / 20) AS driver, pg_temp.nth(6, n) AS payment, pg_temp.nth(7, n) AS refund, pg_temp.nth(8, n) AS failed_payment,
       (ARRAY['ACTIVE', 'CLOSED', 'CANCELLED', 'FULL', 'ACTIVE'])[(n / 20) % 5 + 1] AS session_status,
       -- What its customer did, whatever became of the session.
       (ARRAY['wait', 'lapse', 'release', 'cancel', 'late', 'retry'])[least(n % 20, 6) + 1] AS deed
  FROM generate_series(0, :bookings - 1) AS n;
ALTER TABLE b ADD COLUMN status text, ADD COLUMN reason text, ADD COLUMN kept boolean, ADD COLUMN back bigint;
UPDATE b SET deed = coalesce(deed, 'keep');
UPDATE b SET
    status = CASE WHEN deed = 'wait' THEN CASE session_status WHEN 'ACTIVE' THEN 'PENDING' WHEN 'CANCELLED' THEN 'CANCELLED' ELSE 'EXPIRED' END
                  WHEN deed IN ('lapse', 'late') THEN 'EXPIRED' WHEN deed IN ('release', 'cancel') THEN 'CANCELLED'
                  WHEN session_status = 'CANCELLED' THEN 'CANCELLED' ELSE 'CONFIRMED' END,
    reason = CASE WHEN deed = 'wait' THEN CASE session_status WHEN 'ACTIVE' THEN NULL WHEN 'CANCELLED' THEN 'CALLED_OFF' ELSE 'SALES_CLOSED' END
                  WHEN deed IN ('lapse', 'late') THEN 'LAPSED' WHEN deed = 'release' THEN 'RELEASED_BY_CUSTOMER'
                  WHEN deed = 'cancel' THEN 'CANCELLED_BY_CUSTOMER' WHEN session_status = 'CANCELLED' THEN 'CALLED_OFF' END,
    kept = CASE WHEN deed IN ('cancel', 'retry', 'keep') THEN true WHEN deed = 'late' THEN false END;
-- The fare of a cancelled booking goes back, of a called off one and of late money all.
UPDATE b SET back = CASE WHEN kept AND reason = 'CANCELLED_BY_CUSTOMER' THEN 500 WHEN kept AND reason = 'CALLED_OFF' THEN 600 WHEN NOT kept THEN 600 END;
CREATE INDEX ON b (s);
ANALYZE b;

INSERT INTO users (id, role) SELECT DISTINCT customer, 'PASSENGER' FROM b UNION ALL SELECT DISTINCT driver, 'DRIVER' FROM b;
INSERT INTO stations (id, name_en, latitude, longitude) VALUES (pg_temp.nth(10, 1), 'Ramses', 30, 31);
INSERT INTO routes (id, name_en, base_fare, currency) VALUES (pg_temp.nth(9, 1), 'Ramses - Giza', 500, 'EGP');
INSERT INTO driver_sessions (id, driver_id, route_id, station_id, vehicle_number, fare, currency, status, started_at, ended_at, version)
SELECT session, driver, pg_temp.nth(9, 1), pg_temp.nth(10, 1), 'A 1', 500, 'EGP', session_status, now() - interval '2 hours',
       CASE WHEN session_status IN ('CLOSED', 'CANCELLED') THEN now() - interval '10 minutes' END, CASE session_status WHEN 'ACTIVE' THEN 1 ELSE 2 END
  FROM b GROUP BY session, driver, session_status;
INSERT INTO pools (id, owner_kind, owner_id, starts_at, capacity, held, sold, closed_at)
SELECT pool, 'session', session, now() - interval '2 hours',
       CASE session_status WHEN 'FULL' THEN count(*) FILTER (WHERE status = 'CONFIRMED') ELSE 20 END,
       count(*) FILTER (WHERE status = 'PENDING'), count(*) FILTER (WHERE status = 'CONFIRMED'),
       CASE WHEN session_status IN ('CLOSED', 'CANCELLED') THEN now() - interval '10 minutes' END
  FROM b GROUP BY pool, session, session_status;

INSERT INTO bookings (id, customer_id, kind, owner_id, quantity, status, fare, service_fee, currency, payee_id, held_until, available_after,
                      created_at, confirmed_at, ended_at, end_reason, version)
SELECT id, customer, 'session', session, 1, status, 500, 100, 'EGP', driver, now() - interval '55 minutes', 3, now() - interval '1 hour',
       CASE WHEN kept THEN now() - interval '50 minutes' END,
       CASE WHEN status IN ('CANCELLED', 'EXPIRED') THEN now() - CASE WHEN reason IN ('CALLED_OFF', 'SALES_CLOSED') THEN interval '9 minutes' ELSE interval '40 minutes' END END,
       reason, CASE WHEN status = 'PENDING' THEN 1 WHEN kept AND status = 'CANCELLED' THEN 3 ELSE 2 END
  FROM b;
INSERT INTO booking_items (booking_id, pool_id, quantity, amount, currency) SELECT id, pool, 1, 500, 'EGP' FROM b;
INSERT INTO holds (id, created_at, expires_at) SELECT id, now(), now() + interval '1 hour' FROM b WHERE status = 'PENDING';
INSERT INTO hold_lines SELECT id, pool, 1, now() + interval '1 hour' FROM b WHERE status = 'PENDING';
INSERT INTO sold_lines SELECT id, pool, 1 FROM b WHERE status = 'CONFIRMED';

INSERT INTO payments (id, payable_kind, payable_id, payer_id, payee_id, fare_amount, service_fee, total_amount, currency, method, gateway, status,
                      settlement, captured_amount, captured_currency, captured_at, refund_amount, refunded_amount, ask_after, created_at, version)
SELECT payment, 'booking', id, customer, driver, 500, 100, 600, 'EGP', 'CARD', 'sandbox', CASE WHEN back = 600 THEN 'REFUNDED' ELSE 'SUCCESS' END,
       CASE WHEN kept THEN 'KEPT' ELSE 'TOO_LATE' END, 600, 'EGP', now() - interval '50 minutes', coalesce(back, 0), coalesce(back, 0), now(),
       now() - interval '51 minutes', CASE WHEN back IS NULL THEN 2 ELSE 4 END
  FROM b WHERE kept IS NOT NULL;
INSERT INTO payments (id, payable_kind, payable_id, payer_id, payee_id, fare_amount, service_fee, total_amount, currency, method, gateway, status,
                      decline_reason, ask_after, created_at, version)
SELECT failed_payment, 'booking', id, customer, driver, 500, 100, 600, 'EGP', 'CARD', 'sandbox', 'FAILED', 'card_declined', now(),
       now() - interval '55 minutes', 2
  FROM b WHERE deed = 'retry';
INSERT INTO refunds (id, payment_id, fare_amount, service_fee, amount, currency, reason, status, requested_by, created_at, refunded_at, version)
SELECT refund, payment, CASE WHEN kept THEN 500 ELSE 600 END, CASE WHEN kept THEN back - 500 ELSE 0 END, back, 'EGP', CASE WHEN kept THEN reason ELSE 'TOO_LATE' END,
       'SUCCESS', customer, now() - interval '9 minutes', now() - interval '8 minutes', 2
  FROM b WHERE back IS NOT NULL;

-- Closed sessions are paid out: asked for, approved, paid, in turn, and some were rejected before.
CREATE TEMP TABLE p AS
SELECT s, session, driver, pg_temp.nth(14, s) AS id, (ARRAY['PENDING', 'APPROVED', 'PAID', 'IN_BATCH'])[(s / 5) % 4 + 1] AS status, count(*) FILTER (WHERE status = 'CONFIRMED') * 500 AS net,
       count(*) FILTER (WHERE kept) * 100 AS fees
  FROM b WHERE session_status = 'CLOSED' GROUP BY s, session, driver;
INSERT INTO driver_payouts (id, driver_id, session_id, gross_amount, service_fees, net_amount, currency, status, requested_by, approved_by_admin,
                            approved_at, paid_by_admin, paid_at, batch_id, version)
SELECT id, driver, session, net + fees, fees, net, 'EGP', status, driver,
       CASE WHEN status <> 'PENDING' THEN pg_temp.nth(15, 1) END, CASE WHEN status <> 'PENDING' THEN now() END,
       CASE WHEN status = 'PAID' THEN pg_temp.nth(15, 1) END, CASE WHEN status = 'PAID' THEN now() END,
       CASE WHEN status = 'IN_BATCH' THEN pg_temp.nth(16, 1) END,
       CASE status WHEN 'PENDING' THEN 1 WHEN 'APPROVED' THEN 2 ELSE 3 END
  FROM p;
-- Those that are at the bank went there in one batch, which another admin approved.
INSERT INTO payout_accounts (id, payee_id, sealed, usable_at, created_at)
SELECT pg_temp.nth(17, s), driver, '\x00', now(), now() FROM p WHERE status = 'IN_BATCH';
INSERT INTO payout_payees (payee_id, account_id) SELECT driver, pg_temp.nth(17, s) FROM p WHERE status = 'IN_BATCH';
INSERT INTO payout_batches (id, status, currency, payouts, total_amount, execute_on, debtor_name, debtor_iban, csv_sha256, xml_sha256, made_by_admin,
                            approved_by_admin, approved_at, created_at, version)
SELECT pg_temp.nth(16, 1), 'APPROVED', 'EGP', count(*), sum(net), now()::date, 'Us', 'EG380019000500000000263180002', sha256('csv'), sha256('xml'),
       pg_temp.nth(15, 1), pg_temp.nth(15, 2), now(), now(), 2
  FROM p WHERE status = 'IN_BATCH' HAVING count(*) > 0;
INSERT INTO payout_batch_items (batch_id, payout_id, account_id, amount)
SELECT pg_temp.nth(16, 1), id, pg_temp.nth(17, s), net FROM p WHERE status = 'IN_BATCH';

INSERT INTO ledger_accounts (id, kind, owner, currency)
SELECT pg_temp.nth(11, 4), 'PAYOUTS_DUE', '', 'EGP' UNION ALL SELECT pg_temp.nth(11, 5), 'BANK', '', 'EGP'
UNION ALL SELECT pg_temp.nth(11, 1), 'GATEWAY', 'sandbox', 'EGP' UNION ALL SELECT pg_temp.nth(11, 2), 'FEES', '', 'EGP'
UNION ALL SELECT pg_temp.nth(11, 3), 'REFUNDS_DUE', '', 'EGP' UNION ALL SELECT DISTINCT driver, 'PAYEE', driver::text, 'EGP' FROM b;
CREATE TEMP TABLE moved AS
SELECT payment AS id, 'CAPTURE' AS purpose, side.account, side.amount
  FROM b, LATERAL (VALUES (pg_temp.nth(11, 1), -600), (driver, CASE WHEN kept THEN 500 END), (pg_temp.nth(11, 2), CASE WHEN kept THEN 100 END),
                          (pg_temp.nth(11, 3), CASE WHEN NOT kept THEN 600 END)) AS side (account, amount)
 WHERE kept IS NOT NULL
UNION ALL
SELECT refund, 'REFUND_OWED', side.account, side.amount
  FROM b, LATERAL (VALUES (driver, -500), (pg_temp.nth(11, 2), nullif(500 - back, 0)), (pg_temp.nth(11, 3), back)) AS side (account, amount)
 WHERE kept AND back IS NOT NULL
UNION ALL
SELECT refund, 'REFUND_PAID', side.account, side.amount
  FROM b, LATERAL (VALUES (pg_temp.nth(11, 3), -back), (pg_temp.nth(11, 1), back)) AS side (account, amount)
 WHERE back IS NOT NULL
UNION ALL
SELECT id, 'PAYOUT_APPROVED', side.account, side.amount
  FROM p, LATERAL (VALUES (driver, -net), (pg_temp.nth(11, 4), net)) AS side (account, amount) WHERE status <> 'PENDING'
UNION ALL
SELECT id, 'PAYOUT_PAID', side.account, side.amount
  FROM p, LATERAL (VALUES (pg_temp.nth(11, 4), -net), (pg_temp.nth(11, 5), net)) AS side (account, amount) WHERE status = 'PAID';
INSERT INTO ledger_entries (id, transaction_id, purpose, account_id, amount, currency, posted_at)
SELECT pg_temp.nth(12, row_number() OVER ()), id, purpose, account, amount, 'EGP', now() FROM moved WHERE amount IS NOT NULL;
INSERT INTO ledger_transactions (id, purpose, currency, received, given, posted_at)
SELECT id, purpose, 'EGP', sum(amount) FILTER (WHERE amount > 0), -sum(amount) FILTER (WHERE amount < 0), now() FROM moved GROUP BY id, purpose;

-- Somebody has filled a wallet.
INSERT INTO wallet_top_ups (id, user_id, amount, currency, filled_at, version) VALUES (pg_temp.nth(17, 1000000), pg_temp.nth(2, 0), 900, 'EGP', now(), 2);
INSERT INTO payments (id, payable_kind, payable_id, payer_id, payee_id, earner, fare_amount, service_fee, total_amount, currency, method, gateway, status,
                      settlement, captured_amount, captured_currency, captured_at, ask_after, created_at, version)
VALUES (pg_temp.nth(18, 1000000), 'top_up', pg_temp.nth(17, 1000000), pg_temp.nth(2, 0), pg_temp.nth(2, 0), 'WALLET', 900, 0, 900, 'EGP', 'CARD', 'sandbox', 'SUCCESS',
        'KEPT', 900, 'EGP', now() - interval '50 minutes', now(), now() - interval '51 minutes', 2);
INSERT INTO ledger_accounts (id, kind, owner, currency) VALUES (pg_temp.nth(11, 6), 'WALLET', pg_temp.nth(2, 0)::text, 'EGP');
INSERT INTO ledger_guarded_balances (account_id, balance) VALUES (pg_temp.nth(11, 6), 900);
INSERT INTO ledger_transactions (id, purpose, currency, received, given, posted_at) VALUES (pg_temp.nth(18, 1000000), 'CAPTURE', 'EGP', 900, 900, now());
INSERT INTO ledger_entries (id, transaction_id, purpose, account_id, amount, currency, posted_at)
VALUES (pg_temp.nth(19, 1000000), pg_temp.nth(18, 1000000), 'CAPTURE', pg_temp.nth(11, 1), -900, 'EGP', now()),
       (pg_temp.nth(19, 1000001), pg_temp.nth(18, 1000000), 'CAPTURE', pg_temp.nth(11, 6), 900, 'EGP', now());
INSERT INTO idempotency_keys (actor_id, key, fingerprint, result_id, answer) VALUES (pg_temp.nth(2, 0), 'fill', '\x00', pg_temp.nth(18, 1000000), '{}');
INSERT INTO events (id, name, subject_kind, subject_id, version, body)
VALUES (pg_temp.nth(20, 1000000), 'PaymentInitiated', 'payment', pg_temp.nth(18, 1000000), 1, '{}'),
       (pg_temp.nth(20, 1000001), 'PaymentSucceeded', 'payment', pg_temp.nth(18, 1000000), 2, '{}');

-- A payout that was approved is under way to its driver, and one that was paid was.
CREATE TEMP TABLE under_way AS
SELECT DISTINCT ON (status) id, status, net FROM p WHERE status IN ('APPROVED', 'PAID') AND net > 0 ORDER BY status, id;
INSERT INTO ledger_pending_transactions (id, purpose, currency, received, given, opened_at)
SELECT id, 'PAYOUT_PAID', 'EGP', net, net, now() FROM under_way;
INSERT INTO ledger_pending_entries (id, sign, transaction_id, purpose, account_id, amount)
SELECT pg_temp.nth(CASE w.status WHEN 'PAID' THEN 17 ELSE 18 END, side.n), sign, w.id, 'PAYOUT_PAID', side.account, side.amount
  FROM under_way w, LATERAL (VALUES (1, pg_temp.nth(11, 4), -w.net), (2, pg_temp.nth(11, 5), w.net)) AS side (n, account, amount),
       (VALUES (1), (-1)) AS signs (sign)
 WHERE sign = 1 OR w.status = 'PAID';
INSERT INTO ledger_pending_ends (id, purpose, outcome, ended_at) SELECT id, 'PAYOUT_PAID', 'POSTED', now() FROM under_way WHERE status = 'PAID';

INSERT INTO idempotency_keys (actor_id, key, fingerprint, result_id) SELECT customer, 'hold-' || n, '\x00', id FROM b;
INSERT INTO idempotency_keys (actor_id, key, fingerprint, result_id, answer) SELECT customer, 'pay-' || n, '\x00', payment, '{}' FROM b WHERE kept IS NOT NULL;

INSERT INTO events (id, name, subject_kind, subject_id, version, body)
SELECT pg_temp.nth(13, row_number() OVER ()), name, kind, id, version, body::jsonb
  FROM (SELECT 'BookingHeld' AS name, 'booking' AS kind, id, 1 AS version, '{}' AS body FROM b
        UNION ALL SELECT 'BookingConfirmed', 'booking', id, 2, '{}' FROM b WHERE kept
        UNION ALL SELECT CASE status WHEN 'EXPIRED' THEN 'BookingExpired' ELSE 'BookingCancelled' END, 'booking', id, CASE WHEN kept THEN 3 ELSE 2 END, '{}'
                    FROM b WHERE status IN ('CANCELLED', 'EXPIRED')
        UNION ALL SELECT DISTINCT 'SessionStarted', 'session', session, 1, '{}' FROM b
        UNION ALL SELECT DISTINCT CASE session_status WHEN 'FULL' THEN 'SessionFull' WHEN 'CLOSED' THEN 'SessionClosed' ELSE 'SessionCancelled' END,
                    'session', session, 2, '{}' FROM b WHERE session_status <> 'ACTIVE'
        UNION ALL SELECT 'PaymentInitiated', 'payment', payment, 1, '{}' FROM b WHERE kept IS NOT NULL
        UNION ALL SELECT 'PaymentSucceeded', 'payment', payment, 2, '{}' FROM b WHERE kept
        UNION ALL SELECT 'RefundRequested', 'payment', payment, 3, format('{"reason": "%s"}', CASE WHEN kept THEN reason ELSE 'TOO_LATE' END) FROM b WHERE back IS NOT NULL
        UNION ALL SELECT 'PaymentRefunded', 'payment', payment, 4, CASE WHEN back = 600 THEN '{"in_full": true}' ELSE '{"in_full": false}' END FROM b WHERE back IS NOT NULL
        UNION ALL SELECT 'PaymentInitiated', 'payment', failed_payment, 1, '{}' FROM b WHERE deed = 'retry'
        UNION ALL SELECT 'PaymentFailed', 'payment', failed_payment, 2, '{}' FROM b WHERE deed = 'retry') AS happened;
INSERT INTO event_cursors (consumer, epoch, xid, position)
SELECT 'bookings.calling_off', epoch, xid, position FROM events ORDER BY epoch DESC, xid DESC, position DESC LIMIT 1;

-- Before each open session whoever booked there had a turn, and three people wait.
INSERT INTO waiting_rooms (owner_id, owner_kind, state, per_second, inside_max, admitted_up_to)
SELECT session, 'session', 'OPEN', 100, 500, count(*) FROM b WHERE session_status = 'ACTIVE' GROUP BY session;
INSERT INTO waiting_counters (owner_id, last_number) SELECT owner_id, admitted_up_to + 3 FROM waiting_rooms;
INSERT INTO waiting_places (owner_id, user_id, number, joined_at, admitted_at, admitted_until, booking_id)
SELECT session, customer, row_number() OVER (PARTITION BY session ORDER BY n), now() - interval '2 hours', now() - interval '61 minutes',
       now() - interval '56 minutes', id
  FROM b WHERE session_status = 'ACTIVE';
INSERT INTO waiting_places (owner_id, user_id, number)
SELECT owner_id, pg_temp.nth(16, i), admitted_up_to + i FROM waiting_rooms, generate_series(1, 3) AS i;
