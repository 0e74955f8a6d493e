-- name: rule6_clock
-- Business time is the database's own, not a clock that tests can move.
SELECT p.oid::regprocedure AS function, p.prosrc AS body
  FROM pg_proc p
 WHERE p.proname = 'business_now' AND btrim(p.prosrc, E' ;\n') <> 'SELECT statement_timestamp()' AND NOT :test_clock;

-- name: rule12_rights
-- The program's role has no right to change or remove what is append-only, nor to act as anybody who has.
SELECT c.relname AS relation, r.name AS may
  FROM pg_class c
  CROSS JOIN unnest(ARRAY['UPDATE', 'DELETE', 'TRUNCATE']) AS r (name)
 WHERE c.relkind IN ('r', 'p') AND c.relnamespace = 'public'::regnamespace
   AND c.oid IN (SELECT t.oid FROM unnest(:append_only::text[]) AS a (name), LATERAL pg_partition_tree(to_regclass(a.name)) AS t (oid)
                 UNION ALL SELECT to_regclass(a.name)::oid FROM unnest(:append_only::text[]) AS a (name))
   AND (has_table_privilege('holdfast_app', c.oid, r.name)
        OR (r.name = 'UPDATE' AND has_any_column_privilege('holdfast_app', c.oid, 'UPDATE')))
UNION ALL
SELECT m.rolname, 'be acted as by holdfast_app'
  FROM pg_roles m WHERE m.rolname <> 'holdfast_app' AND m.rolname NOT LIKE 'pg\_%' AND pg_has_role('holdfast_app', m.oid, 'MEMBER');

-- name: rule13_durability
-- The database keeps what it has confirmed, whatever happens to its power.
SELECT name, setting FROM pg_settings
 WHERE (name IN ('fsync', 'full_page_writes') AND setting <> 'on') OR (name = 'synchronous_commit' AND setting IN ('off', 'local'));

-- name: i1_bounds
-- No pool holds and sells more than its capacity, or less than nothing.
SELECT id AS pool_id, capacity, held, sold FROM pools WHERE held < 0 OR sold < 0 OR held + sold > capacity;

-- name: i1_counters
-- What a pool counts as held and as sold is the sum of its lines.
SELECT coalesce(p.id, l.pool_id) AS pool_id, p.held, l.held AS held_lines, p.sold, l.sold AS sold_lines
  FROM pools p
  FULL JOIN (SELECT pool_id, sum(held) AS held, sum(sold) AS sold
               FROM (SELECT pool_id, quantity AS held, 0 AS sold FROM hold_lines
                     UNION ALL SELECT pool_id, 0, quantity FROM sold_lines) AS lines
              GROUP BY pool_id) AS l ON l.pool_id = p.id
 WHERE p.id IS NULL OR p.held <> coalesce(l.held, 0) OR p.sold <> coalesce(l.sold, 0);

-- name: i2_units
-- No unit has two owners: all lines of a pool together fit into it.
SELECT p.id AS pool_id, p.capacity, l.owned
  FROM pools p
  JOIN (SELECT pool_id, sum(quantity) AS owned
          FROM (SELECT pool_id, quantity FROM hold_lines UNION ALL SELECT pool_id, quantity FROM sold_lines) AS lines
         GROUP BY pool_id) AS l ON l.pool_id = p.id
 WHERE l.owned > p.capacity;

-- name: i2_held
-- A held unit is owned by one living hold: a PENDING booking has a hold with exactly the lines it asked for, and nobody else has any.
SELECT coalesce(asked.booking_id, l.hold_id) AS booking_id, coalesce(asked.pool_id, l.pool_id) AS pool_id,
       asked.quantity AS asked, l.quantity AS held
  FROM (SELECT i.booking_id, i.pool_id, i.quantity
          FROM bookings b JOIN holds h ON h.id = b.id JOIN booking_items i ON i.booking_id = b.id
         WHERE b.status = 'PENDING') AS asked
  FULL JOIN hold_lines l ON l.hold_id = asked.booking_id AND l.pool_id = asked.pool_id
 WHERE asked.quantity IS DISTINCT FROM l.quantity
UNION ALL
SELECT coalesce(b.id, h.id), NULL, NULL, NULL
  FROM (SELECT id FROM bookings WHERE status = 'PENDING') AS b FULL JOIN holds h ON h.id = b.id
 WHERE b.id IS NULL OR h.id IS NULL;

-- name: i2_deadlines
-- A line of a hold has the hold's deadline.
SELECT l.hold_id, l.pool_id, h.expires_at AS held_until, l.expires_at AS line_until
  FROM hold_lines l JOIN holds h ON h.id = l.hold_id WHERE l.expires_at <> h.expires_at;

-- name: i3_transactions
-- Each ledger transaction sums to zero, and says what its entries say.
SELECT coalesce(t.id, e.transaction_id) AS transaction_id, coalesce(t.purpose, e.purpose) AS purpose,
       coalesce(t.currency, e.currency) AS currency, t.received, e.received AS received_entries, t.given, e.given AS given_entries
  FROM ledger_transactions t
  FULL JOIN (SELECT transaction_id, purpose, currency, coalesce(sum(amount) FILTER (WHERE amount > 0), 0) AS received,
                    coalesce(-sum(amount) FILTER (WHERE amount < 0), 0) AS given
               FROM ledger_entries GROUP BY transaction_id, purpose, currency) AS e
    ON e.transaction_id = t.id AND e.purpose = t.purpose AND e.currency = t.currency
 WHERE t.id IS NULL OR e.transaction_id IS NULL OR t.received <> t.given OR t.received <> e.received OR t.given <> e.given;

-- name: i3_accounts
-- Each entry is in an account of its own currency.
SELECT e.account_id, e.currency, count(*) AS entries, min(e.id::text) AS one_entry
  FROM ledger_entries e LEFT JOIN ledger_accounts a ON a.id = e.account_id AND a.currency = e.currency
 WHERE a.id IS NULL
 GROUP BY e.account_id, e.currency;

-- name: i3_guarded
-- An account that may not go below zero has a balance, which is the sum of its entries.
SELECT a.id AS account_id, a.kind, a.owner, a.currency, g.balance, coalesce(e.balance, 0) AS entries
  FROM (SELECT * FROM ledger_accounts WHERE kind = ANY(:guarded::text[])) AS a
  FULL JOIN ledger_guarded_balances g ON g.account_id = a.id
  LEFT JOIN (SELECT account_id, sum(amount) AS balance FROM ledger_entries GROUP BY account_id) AS e ON e.account_id = g.account_id
 WHERE a.id IS NULL OR g.balance IS DISTINCT FROM coalesce(e.balance, 0);

-- name: i3_exchanges
-- A ledger transaction in two currencies exchanges one for the other through EXCHANGE accounts, and says the rate; all others are in one.
SELECT t.id AS transaction_id, t.purpose, count(*) AS currencies, min(t.currencies) AS said, sum(t.exchanged) AS exchanged, sum(e.exchanged) AS entries
  FROM ledger_transactions t
  LEFT JOIN (SELECT e.transaction_id, e.purpose, e.currency, sum(e.amount) AS exchanged
               FROM ledger_entries e JOIN ledger_accounts a ON a.id = e.account_id AND a.kind = 'EXCHANGE'
              GROUP BY e.transaction_id, e.purpose, e.currency) AS e
    ON e.transaction_id = t.id AND e.purpose = t.purpose AND e.currency = t.currency
 GROUP BY t.id, t.purpose
HAVING min(t.currencies) <> count(*) OR max(t.currencies) <> count(*) OR bool_or(t.exchanged <> coalesce(e.exchanged, 0))
    OR (count(*) > 1 AND sum(sign(t.exchanged)) <> 0);

-- name: i3_pending
-- A pending transaction sums to zero and takes what it takes until it ends, once: posted, which is in the ledger, or voided. What is
-- pending in an account that may not go below zero is what its balance says.
SELECT coalesce(p.id, e.transaction_id) AS transaction_id, coalesce(p.purpose, e.purpose) AS purpose, p.received, e.received AS received_entries,
       d.outcome, e.ended, t.received AS posted
  FROM ledger_pending_transactions p
  FULL JOIN (SELECT transaction_id, purpose, sum(amount) FILTER (WHERE amount > 0 AND sign = 1) AS received,
                    -sum(amount) FILTER (WHERE amount < 0 AND sign = 1) AS given,
                    count(*) FILTER (WHERE sign = 1) AS opened, count(*) FILTER (WHERE sign = -1) AS ended, sum(sign * abs(amount)) AS still
               FROM ledger_pending_entries GROUP BY transaction_id, purpose) AS e ON e.transaction_id = p.id AND e.purpose = p.purpose
  LEFT JOIN ledger_pending_ends d ON d.id = p.id AND d.purpose = p.purpose
  LEFT JOIN ledger_transactions t ON t.id = p.id AND t.purpose = p.purpose AND t.currency = p.currency
 WHERE p.id IS NULL OR e.transaction_id IS NULL OR p.received <> e.received OR p.given <> e.given
    OR e.ended <> CASE WHEN d.id IS NULL THEN 0 ELSE e.opened END OR (d.id IS NOT NULL AND e.still <> 0)
    OR (d.outcome = 'POSTED' AND t.received IS DISTINCT FROM p.received)
UNION ALL
SELECT g.account_id, NULL, g.pending, e.pending, NULL, NULL, NULL
  FROM ledger_guarded_balances g
  LEFT JOIN (SELECT account_id, -sum(sign * least(amount, 0)) AS pending FROM ledger_pending_entries GROUP BY account_id) AS e
    ON e.account_id = g.account_id
 WHERE g.pending <> coalesce(e.pending, 0);

-- name: i3_rolled_up
-- A balance that was rolled up is the sum of the entries up to the place in the log that it was rolled up to.
SELECT coalesce(b.account_id, e.account_id) AS account_id, b.balance, e.balance AS entries, b.pending, e.pending AS pending_entries
  FROM ledger_balances b
  FULL JOIN (SELECT account_id, sum(amount) AS balance, sum(pending) AS pending
               FROM (SELECT account_id, amount, 0 AS pending, epoch, xid FROM ledger_entries
                     UNION ALL SELECT account_id, 0, -sign * least(amount, 0), epoch, xid FROM ledger_pending_entries) AS log
              WHERE (epoch, xid) <= ((SELECT epoch FROM ledger_roll_up), (SELECT xid FROM ledger_roll_up))
              GROUP BY account_id) AS e ON e.account_id = b.account_id
 WHERE coalesce(b.balance, 0) <> coalesce(e.balance, 0) OR coalesce(b.pending, 0) <> coalesce(e.pending, 0);

-- name: i3_days
-- Closed days follow each other without a gap, and in each are the very entries that were sealed: none changed, removed or added.
SELECT d.day, d.entries, e.entries AS found, d.given, e.given AS found_given, d.seal = e.seal AS is_sealed
  FROM (SELECT *, lag(seal) OVER (ORDER BY day) AS seal_before, lag(ends_at) OVER (ORDER BY day) AS end_before FROM ledger_days) AS d
  CROSS JOIN LATERAL (
        SELECT count(*) AS entries, coalesce((SELECT jsonb_object_agg(currency, given) FROM (
                     SELECT currency, -sum(amount) AS given FROM ledger_entries
                      WHERE posted_at >= d.starts_at AND posted_at < d.ends_at AND amount < 0 GROUP BY currency) AS sums), '{}') AS given,
               sha256(d.previous_seal
                      || convert_to(concat_ws('|', d.day, (extract(epoch FROM d.starts_at) * 1000000)::bigint,
                                              (extract(epoch FROM d.ends_at) * 1000000)::bigint), 'UTF8')
                      || coalesce(string_agg(sha256(convert_to(concat_ws('|', id, transaction_id, purpose, account_id, amount, currency,
                                                                         (extract(epoch FROM posted_at) * 1000000)::bigint), 'UTF8')),
                                             '' ORDER BY epoch, xid, id), '')) AS seal
          FROM ledger_entries WHERE posted_at >= d.starts_at AND posted_at < d.ends_at) AS e
 WHERE d.entries <> e.entries OR d.given <> e.given OR d.seal <> e.seal OR d.previous_seal <> coalesce(d.seal_before, '')
    OR d.end_before <> d.starts_at OR NOT EXISTS (SELECT FROM ledger_closings c WHERE c.ends_at >= d.ends_at)
UNION ALL
SELECT NULL, NULL, count(*), NULL, NULL, NULL FROM ledger_entries
 WHERE posted_at < (SELECT min(starts_at) FROM ledger_days) HAVING count(*) > 0;

-- name: i3_day_balances
-- What an account is said to have had at the end of a closed day is the sum of its entries until then.
SELECT coalesce(b.account_id, e.account_id) AS account_id, coalesce(b.day, e.day) AS day, b.balance, e.balance AS entries
  FROM ledger_day_balances b
  FULL JOIN (SELECT m.account_id, d.day, sum(m.amount) OVER (PARTITION BY m.account_id ORDER BY d.day) AS balance
               FROM ledger_days d
               CROSS JOIN LATERAL (SELECT account_id, sum(amount) AS amount FROM ledger_entries
                                    WHERE posted_at >= d.starts_at AND posted_at < d.ends_at GROUP BY account_id) AS m) AS e
    ON e.account_id = b.account_id AND e.day = b.day
 WHERE b.balance IS DISTINCT FROM e.balance;

-- name: i3_posted
-- Every capture, refund and payout is in the ledger with its amount, and nothing else is.
SELECT coalesce(t.id, d.id) AS id, coalesce(t.purpose, d.purpose) AS purpose, coalesce(t.currency, d.currency) AS currency,
       d.amount AS done, t.received AS posted
  FROM ledger_transactions t
  FULL JOIN (SELECT id, 'CAPTURE' AS purpose, captured_currency AS currency, captured_amount AS amount
               FROM payments WHERE settlement IS NOT NULL
             UNION ALL
             SELECT r.id, 'REFUND_OWED', r.currency, r.amount
               FROM refunds r JOIN payments p ON p.id = r.payment_id WHERE p.settlement = 'KEPT'
             UNION ALL
             SELECT id, 'REFUND_PAID', currency, amount FROM refunds WHERE status = 'SUCCESS'
             UNION ALL
             SELECT id, 'CHARGEBACK', currency, fare_amount + service_fee FROM payment_disputes WHERE fare_amount + service_fee > 0
             UNION ALL
             SELECT id, 'CHARGEBACK_WON', currency, fare_amount + service_fee FROM payment_disputes
              WHERE status = 'WON' AND fare_amount + service_fee > 0
             UNION ALL
             SELECT id, 'GATEWAY_FEE', currency, abs(fee) FROM settlement_lines WHERE fee <> 0
             UNION ALL
             SELECT id, 'GATEWAY_PAYOUT', currency, abs(net) FROM settlement_lines WHERE kind = 'PAYOUT' AND net <> 0
             UNION ALL
             SELECT id, 'CASH_KEPT', currency, fare_amount FROM payments WHERE settlement = 'KEPT' AND method = 'CASH' AND fare_amount > 0
             UNION ALL
             SELECT id, 'RESERVED', currency, wallet_amount FROM payments WHERE wallet_amount > 0
             UNION ALL
             SELECT id, 'RESERVE_RETURNED', currency, wallet_amount FROM payments
              WHERE wallet_amount > 0 AND (status = 'FAILED' OR settlement <> 'KEPT')
             UNION ALL
             SELECT o.id, m.purpose, o.currency, o.net_amount - o.set_off_amount
               FROM driver_payouts o
               CROSS JOIN LATERAL (VALUES ('PAYOUT_APPROVED', o.approved_at), ('PAYOUT_PAID', o.paid_at),
                                          ('PAYOUT_RETURNED', o.returned_at)) AS m (purpose, at)
              WHERE m.at IS NOT NULL AND o.net_amount > o.set_off_amount) AS d
    ON d.id = t.id AND d.purpose = t.purpose AND d.currency = t.currency
 WHERE d.amount IS DISTINCT FROM t.received;

-- name: i3_balances
-- The accounts stand where payments, refunds and payouts put them, to the piastre.
SELECT coalesce(a.kind, x.kind) AS account, coalesce(a.owner, x.owner) AS owner, coalesce(a.currency, x.currency) AS currency,
       coalesce(a.balance, 0) AS balance, coalesce(x.balance, 0) AS expected
  FROM (SELECT a.kind, a.owner, a.currency, sum(e.balance) AS balance
          FROM (SELECT account_id, sum(amount) AS balance FROM ledger_entries GROUP BY account_id) AS e
          JOIN ledger_accounts a ON a.id = e.account_id
         GROUP BY a.kind, a.owner, a.currency) AS a
  FULL JOIN (SELECT kind, owner, currency, sum(amount) AS balance
               FROM (SELECT 'GATEWAY' AS kind, gateway AS owner, captured_currency AS currency,
                            -sum(captured_amount - CASE WHEN settlement = 'KEPT' THEN wallet_amount ELSE 0 END) AS amount
                       FROM payments WHERE settlement IS NOT NULL AND method NOT IN ('WALLET', 'CASH') GROUP BY gateway, captured_currency
                     UNION ALL
                     -- A driver who was paid in cash has his fare, and owes the rest.
                     SELECT 'CASH', payee_id::text, captured_currency,
                            -sum(captured_amount - CASE WHEN settlement = 'KEPT' THEN fare_amount ELSE 0 END)
                       FROM payments WHERE settlement IS NOT NULL AND method = 'CASH' GROUP BY payee_id, captured_currency
                     UNION ALL
                     SELECT 'WALLET', payer_id::text, currency, -sum(wallet_amount)
                       FROM payments WHERE wallet_amount > 0 AND (status = 'INITIATED' OR settlement = 'KEPT') GROUP BY payer_id, currency
                     UNION ALL
                     SELECT 'RESERVED', '', currency, sum(wallet_amount)
                       FROM payments WHERE wallet_amount > 0 AND status = 'INITIATED' GROUP BY currency
                     UNION ALL
                     SELECT 'WALLET', payer_id::text, captured_currency, -sum(captured_amount)
                       FROM payments WHERE settlement IS NOT NULL AND method = 'WALLET' GROUP BY payer_id, captured_currency
                     UNION ALL
                     SELECT earner, payee_id::text, currency, sum(fare_amount)
                       FROM payments WHERE settlement = 'KEPT' AND method <> 'CASH' GROUP BY earner, payee_id, currency
                     UNION ALL
                     SELECT 'FEES', '', currency, sum(service_fee) FROM payments WHERE settlement = 'KEPT' GROUP BY currency
                     UNION ALL
                     SELECT 'REFUNDS_DUE', '', captured_currency, sum(captured_amount)
                       FROM payments WHERE settlement <> 'KEPT' GROUP BY captured_currency
                     UNION ALL
                     SELECT side.kind, side.owner, r.currency, sum(side.amount)
                       FROM refunds r JOIN payments p ON p.id = r.payment_id
                       CROSS JOIN LATERAL (VALUES
                            (CASE p.method WHEN 'CASH' THEN 'CASH' ELSE p.earner END, p.payee_id::text, CASE WHEN p.settlement = 'KEPT' THEN -r.fare_amount ELSE 0 END),
                            ('FEES', '', CASE WHEN p.settlement = 'KEPT' THEN -r.service_fee ELSE 0 END),
                            ('REFUNDS_DUE', '', CASE WHEN p.settlement = 'KEPT' THEN r.amount ELSE 0 END),
                            ('REFUNDS_DUE', '', CASE WHEN r.status = 'SUCCESS' THEN -r.amount ELSE 0 END),
                            ('GATEWAY', p.gateway,
                             CASE WHEN r.status = 'SUCCESS' AND r.destination = 'SOURCE' THEN r.amount ELSE 0 END),
                            ('WALLET', p.payer_id::text,
                             CASE WHEN r.status = 'SUCCESS' AND r.destination = 'WALLET' THEN r.amount ELSE 0 END))
                            AS side (kind, owner, amount)
                      GROUP BY side.kind, side.owner, r.currency
                     UNION ALL
                     -- A wallet cannot owe: what a dispute takes beyond it, its owner owes, so the entries say how much of it is where.
                     SELECT a.kind, a.owner, e.currency, sum(e.amount)
                       FROM payment_disputes d JOIN payments p ON p.id = d.payment_id AND p.earner = 'WALLET'
                       JOIN ledger_entries e ON e.transaction_id = d.id AND e.purpose IN ('CHARGEBACK', 'CHARGEBACK_WON')
                       JOIN ledger_accounts a ON a.id = e.account_id AND a.kind IN ('PAYEE', 'WALLET') AND a.owner = p.payee_id::text
                      GROUP BY a.kind, a.owner, e.currency
                     UNION ALL
                     SELECT side.kind, side.owner, d.currency, sum(side.amount)
                       FROM payment_disputes d JOIN payments p ON p.id = d.payment_id
                       CROSS JOIN LATERAL (VALUES
                            ('GATEWAY', d.gateway, d.fare_amount + d.service_fee),
                            ('FEES', '', -d.service_fee),
                            ('PAYEE', p.payee_id::text, CASE WHEN p.earner = 'PAYEE' THEN -d.fare_amount ELSE 0 END))
                            AS side (kind, owner, amount)
                      WHERE d.status <> 'WON'
                      GROUP BY side.kind, side.owner, d.currency
                     UNION ALL
                     SELECT side.kind, side.owner, l.currency, sum(side.amount)
                       FROM settlement_lines l
                       CROSS JOIN LATERAL (VALUES
                            ('GATEWAY', l.gateway, l.fee - CASE WHEN l.kind = 'PAYOUT' THEN l.net ELSE 0 END),
                            ('GATEWAY_COSTS', l.gateway, -l.fee),
                            ('BANK', '', CASE WHEN l.kind = 'PAYOUT' THEN l.net ELSE 0 END)) AS side (kind, owner, amount)
                      GROUP BY side.kind, side.owner, l.currency
                     UNION ALL
                     SELECT side.kind, side.owner, o.currency, sum(side.amount)
                       FROM driver_payouts o
                       CROSS JOIN LATERAL (VALUES
                            ('PAYEE', o.driver_id::text, CASE WHEN o.status IN ('APPROVED', 'IN_BATCH', 'PAID')
                                                              THEN o.set_off_amount - o.net_amount ELSE 0 END),
                            ('PAYOUTS_DUE', '', CASE WHEN o.status IN ('APPROVED', 'IN_BATCH') THEN o.net_amount - o.set_off_amount ELSE 0 END),
                            ('BANK', '', CASE WHEN o.status = 'PAID' THEN o.net_amount - o.set_off_amount ELSE 0 END))
                            AS side (kind, owner, amount)
                      GROUP BY side.kind, side.owner, o.currency) AS posted
              GROUP BY kind, owner, currency) AS x
    ON x.kind = a.kind AND x.owner = a.owner AND x.currency = a.currency
 WHERE coalesce(a.balance, 0) <> coalesce(x.balance, 0);

-- name: i4_payments
-- Of no payment is more refunded and charged back than captured, and what is kept is what was asked.
SELECT id AS payment_id, status, settlement, total_amount, currency, captured_amount, captured_currency, refund_amount, refunded_amount,
       charged_back_amount
  FROM payments
 WHERE refunded_amount < 0 OR refunded_amount > refund_amount OR charged_back_amount < 0
    OR refund_amount + charged_back_amount > coalesce(captured_amount, 0)
    OR (settlement = 'KEPT' AND (captured_amount <> total_amount OR captured_currency <> currency))
    OR total_amount <> fare_amount + service_fee;

-- name: i4_refunds
-- A payment counts as asked back and as refunded what its refunds add up to.
SELECT coalesce(p.id, r.payment_id) AS payment_id, p.refund_amount, r.asked, p.refunded_amount, r.done
  FROM payments p
  FULL JOIN (SELECT payment_id, sum(amount) AS asked, coalesce(sum(amount) FILTER (WHERE status = 'SUCCESS'), 0) AS done
               FROM refunds GROUP BY payment_id) AS r ON r.payment_id = p.id
 WHERE p.id IS NULL OR p.refund_amount <> coalesce(r.asked, 0) OR p.refunded_amount <> coalesce(r.done, 0);

-- name: i4_disputes
-- A payment counts as charged back what its disputes that were not won add up to.
SELECT p.id AS payment_id, p.charged_back_amount, d.amount
  FROM payments p
  FULL JOIN (SELECT payment_id, sum(fare_amount + service_fee) AS amount FROM payment_disputes WHERE status <> 'WON' GROUP BY payment_id) AS d
    ON d.payment_id = p.id
 WHERE p.id IS NULL OR p.charged_back_amount <> coalesce(d.amount, 0);

-- name: i4_payees
-- No account of ours is overdrawn. A payee may owe: more can go back after a payout than was earned since.
SELECT a.kind AS account, a.owner, a.currency, sum(e.balance) AS balance
  FROM (SELECT account_id, sum(amount) AS balance FROM ledger_entries GROUP BY account_id) AS e
  JOIN ledger_accounts a ON a.id = e.account_id
 WHERE a.kind <> 'PAYEE'
 GROUP BY a.kind, a.owner, a.currency
HAVING CASE WHEN a.kind = 'GATEWAY' THEN sum(e.balance) > (SELECT coalesce(sum(abs(l.fee) + CASE WHEN l.kind = 'PAYOUT' THEN abs(l.net) ELSE 0 END), 0)
                                                              FROM settlement_lines l WHERE l.gateway = a.owner AND l.currency = a.currency)
                                                         + (SELECT coalesce(sum(d.fare_amount + d.service_fee), 0)
                                                              FROM payment_disputes d WHERE d.gateway = a.owner AND d.currency = a.currency)
            WHEN a.kind = 'CASH' THEN sum(e.balance) > 0
            WHEN a.kind IN ('BANK', 'GATEWAY_COSTS') THEN false
            WHEN a.kind = 'FEES' THEN sum(e.balance) < -(SELECT coalesce(sum(service_fee), 0) FROM payment_disputes WHERE status <> 'WON')
            ELSE sum(e.balance) < 0 END;

-- name: i4_paid_out
-- Nobody is paid out more than was earned less what was refunded: no approval leaves a payee's accounts below zero, except for what
-- went back within the :seen_within before it, whose commit it may not have seen.
SELECT w.owner AS payee_id, w.currency, w.transaction_id AS payout_id, w.amount, w.balance, w.just_taken
  FROM (SELECT a.owner, e.currency, e.transaction_id, e.purpose, e.amount,
               sum(e.amount) OVER (PARTITION BY a.owner, e.currency ORDER BY e.posted_at) AS balance,
               coalesce(sum(e.amount) FILTER (WHERE e.amount < 0 AND e.purpose <> 'PAYOUT_APPROVED')
                        OVER (PARTITION BY a.owner, e.currency ORDER BY e.posted_at
                              RANGE BETWEEN :seen_within::interval PRECEDING AND CURRENT ROW), 0) AS just_taken
          FROM ledger_entries e JOIN ledger_accounts a ON a.id = e.account_id AND a.kind IN ('PAYEE', 'CASH')) AS w
 WHERE w.purpose = 'PAYOUT_APPROVED' AND w.balance - w.just_taken < 0;

-- name: i4_payouts
-- A payout is what its session had taken when it was approved, less what was refunded, less the fees; and its driver's to have.
SELECT o.id AS payout_id, o.session_id, o.driver_id, s.driver_id AS driver_of_session, o.gross_amount, t.gross, o.service_fees, t.fees
  FROM driver_payouts o
  LEFT JOIN driver_sessions s ON s.id = o.session_id
  LEFT JOIN LATERAL (SELECT sum(p.captured_amount - coalesce(r.amount, 0) - coalesce(d.amount, 0)) AS gross,
                            sum(p.service_fee - coalesce(r.fees, 0) - coalesce(d.fees, 0)) AS fees
                       FROM bookings b
                       JOIN payments p ON p.payable_kind = 'booking' AND p.payable_id = b.id AND p.settlement = 'KEPT' AND p.method <> 'CASH'
                       LEFT JOIN LATERAL (SELECT sum(amount) AS amount, sum(service_fee) AS fees
                                            FROM refunds WHERE payment_id = p.id AND created_at <= o.approved_at) AS r ON true
                       LEFT JOIN LATERAL (SELECT sum(fare_amount + service_fee) AS amount, sum(service_fee) AS fees
                                            FROM payment_disputes WHERE payment_id = p.id AND opened_at <= o.approved_at
                                             AND (status <> 'WON' OR decided_at > o.approved_at)) AS d ON true
                      WHERE b.kind = 'session' AND b.owner_id = o.session_id AND p.currency = o.currency) AS t ON true
 WHERE o.approved_at IS NOT NULL
   AND (s.driver_id IS DISTINCT FROM o.driver_id OR o.gross_amount <> coalesce(t.gross, 0) OR o.service_fees <> coalesce(t.fees, 0)
        OR o.net_amount <> o.gross_amount - o.service_fees);

-- name: i5_keys
-- One key of one actor stands once, for one thing, and has an answer.
SELECT actor_id, key, NULL::uuid AS result_id, 'twice' AS fault FROM idempotency_keys GROUP BY actor_id, key HAVING count(*) > 1
UNION ALL
SELECT min(actor_id::text)::uuid, min(key), result_id, 'one thing, two keys'
  FROM idempotency_keys WHERE result_id IS NOT NULL GROUP BY result_id HAVING count(*) > 1
UNION ALL
SELECT actor_id, key, NULL, 'no answer' FROM idempotency_keys WHERE result_id IS NULL AND answer IS NULL
UNION ALL
SELECT k.actor_id, k.key, k.result_id, 'answers with what does not exist'
  FROM idempotency_keys k
 WHERE k.result_id IS NOT NULL
   AND NOT EXISTS (SELECT FROM bookings b WHERE b.id = k.result_id AND b.customer_id = k.actor_id)
   AND NOT EXISTS (SELECT FROM payments p WHERE p.id = k.result_id AND p.payer_id = k.actor_id);

-- name: i6_confirmed
-- Every confirmed booking is paid for: exactly one kept payment of its customer, of its amount once what a change saved has gone back;
-- what an admin gave back besides does not count.
SELECT b.id AS booking_id, b.fare + b.service_fee AS total, b.currency, p.payments, p.captured, p.refund_amount
  FROM bookings b
  LEFT JOIN (SELECT payable_id, payer_id, captured_currency, count(*) AS payments, sum(captured_amount) AS captured,
                    sum(refund_amount - (SELECT coalesce(sum(amount), 0) FROM refunds
                                          WHERE payment_id = payments.id AND reason = 'DECIDED_BY_ADMIN')) AS refund_amount
               FROM payments WHERE payable_kind = 'booking' AND settlement = 'KEPT'
              GROUP BY payable_id, payer_id, captured_currency) AS p
    ON p.payable_id = b.id AND p.payer_id = b.customer_id AND p.captured_currency = b.currency
 WHERE b.status = 'CONFIRMED' AND b.fare + b.service_fee > 0
   AND (p.payments IS DISTINCT FROM 1 OR p.captured - p.refund_amount <> b.fare + b.service_fee
        OR (p.refund_amount > 0 AND NOT EXISTS (SELECT FROM audit_logs a WHERE a.entity_id = b.id AND a.action = 'booking.changed')));

-- name: i6_kept
-- Money that was kept bought something: its booking is confirmed, or was until it was cancelled; or it filled its payer's wallet.
SELECT p.id AS payment_id, p.payable_kind, p.payable_id, b.status, b.confirmed_at, t.filled_at
  FROM payments p
  LEFT JOIN bookings b ON b.id = p.payable_id AND p.payable_kind = 'booking'
  LEFT JOIN wallet_top_ups t ON t.id = p.payable_id AND p.payable_kind = 'top_up'
       AND t.user_id = p.payer_id AND t.user_id = p.payee_id AND p.earner = 'WALLET'
       AND t.amount = p.captured_amount AND t.currency = p.captured_currency
 WHERE p.settlement = 'KEPT'
   AND t.filled_at IS NULL AND (b.id IS NULL OR b.status NOT IN ('CONFIRMED', 'CANCELLED') OR b.confirmed_at IS NULL);

-- name: i6_filled
-- A wallet was filled by money: one kept payment for each top-up that is done.
SELECT t.id AS top_up_id, t.amount, t.currency, t.filled_at
  FROM wallet_top_ups t
 WHERE t.filled_at IS NOT NULL
   AND NOT EXISTS (SELECT FROM payments p WHERE p.payable_kind = 'top_up' AND p.payable_id = t.id AND p.settlement = 'KEPT');

-- name: i6_not_kept
-- Money that bought nothing goes back, all of it.
SELECT id AS payment_id, payable_id, settlement, captured_amount, refund_amount
  FROM payments WHERE settlement <> 'KEPT' AND refund_amount <> captured_amount;

-- name: i6_cancelled
-- Of a booking that was paid for and cancelled goes back what the policy says: all of it where it was called off, the fare where its
-- customer cancelled before departure and did not give it up, nothing afterwards; and whatever earlier changes saved. Where an admin gave
-- back or a bank took some, the policy has only the rest.
SELECT b.id AS booking_id, b.end_reason, p.id AS payment_id, p.captured_amount, p.refund_amount, b.fare, b.ended_at, closing.closed_at
  FROM bookings b
  JOIN payments p ON p.payable_kind = 'booking' AND p.payable_id = b.id AND p.settlement = 'KEPT'
  LEFT JOIN LATERAL (SELECT min(o.closed_at) AS closed_at
                       FROM booking_items i JOIN pools o ON o.id = i.pool_id WHERE i.booking_id = b.id) AS closing ON true
 WHERE b.status = 'CANCELLED'
   AND NOT EXISTS (SELECT FROM refunds WHERE payment_id = p.id AND reason = 'DECIDED_BY_ADMIN')
   AND NOT EXISTS (SELECT FROM payment_disputes WHERE payment_id = p.id)
   AND p.refund_amount <> CASE WHEN b.end_reason = 'CALLED_OFF' THEN p.captured_amount
                               WHEN closing.closed_at <= b.ended_at OR EXISTS (
                                    SELECT FROM audit_logs a WHERE a.entity_id = b.id AND a.action = 'booking.cancelled'
                                       AND NOT (a.after->>'refund_requested')::boolean)
                                    THEN p.captured_amount - b.service_fee - b.fare
                               ELSE p.captured_amount - b.service_fee END
   -- Of two things at one instant either may have been the first.
   AND NOT (closing.closed_at = b.ended_at AND p.refund_amount = p.captured_amount - b.service_fee);

-- name: i6_settled
-- The gateways took and gave back what the books say, and nothing else; what is younger than :settled_grace may still be on its way.
SELECT coalesce(g.kind, d.kind) AS kind, coalesce(g.id, d.id) AS id, coalesce(g.gateway, d.gateway) AS gateway,
       g.amount AS at_gateway, d.amount AS here, coalesce(g.currency, d.currency) AS currency, d.status, g.at
  FROM (SELECT gateway, kind, id, payment_id, currency, sum(amount) AS amount, max(at) AS at
          FROM unnest(:settled_gateways::text[], :settled_kinds::text[], :settled_ids::uuid[], :settled_payments::uuid[],
                      :settled_currencies::text[], :settled_amounts::bigint[], :settled_ats::timestamptz[])
               AS item (gateway, kind, id, payment_id, currency, amount, at)
         GROUP BY gateway, kind, id, payment_id, currency) AS g
  FULL JOIN (SELECT gateway, 'CAPTURE' AS kind, id, id AS payment_id, captured_currency AS currency,
                    captured_amount - CASE WHEN settlement = 'KEPT' THEN wallet_amount ELSE 0 END AS amount, captured_at AS at, status
               FROM payments
              WHERE settlement IS NOT NULL AND gateway = ANY(:gateways::text[])
                AND (created_at >= :settled_since::timestamptz OR id = ANY(:settled_ids::uuid[]))
             UNION ALL
             SELECT p.gateway, 'REFUND', r.id, r.payment_id, r.currency, r.amount, r.refunded_at, r.status
               FROM refunds r JOIN payments p ON p.id = r.payment_id
              WHERE r.status = 'SUCCESS' AND r.destination = 'SOURCE' AND p.gateway = ANY(:gateways::text[])
                AND (r.created_at >= :settled_since::timestamptz OR r.id = ANY(:settled_ids::uuid[]))) AS d
    ON d.gateway = g.gateway AND d.kind = g.kind AND d.id = g.id AND d.payment_id = g.payment_id AND d.currency = g.currency
 WHERE g.amount IS DISTINCT FROM d.amount AND coalesce(g.at, d.at) < :listed_at::timestamptz - :settled_grace::interval;

-- name: i7_decided
-- Every outcome that was unknown is known in the end: no payment and no refund waits for an answer for more than :decided_within.
SELECT id, 'payment' AS kind, created_at, unknown_since FROM payments
 WHERE status = 'INITIATED' AND next_action IS NULL AND created_at < business_now() - :decided_within::interval AND :worker_runs
UNION ALL
SELECT id, 'refund', created_at, NULL FROM refunds
 WHERE status = 'REQUESTED' AND created_at < business_now() - :decided_within::interval AND :worker_runs;

-- name: i8_sold
-- A confirmed booking owns exactly what it asked for, and nobody else owns anything sold.
SELECT coalesce(asked.booking_id, s.hold_id) AS booking_id, coalesce(asked.pool_id, s.pool_id) AS pool_id,
       asked.quantity AS asked, s.quantity AS sold
  FROM (SELECT i.booking_id, i.pool_id, i.quantity
          FROM bookings b JOIN booking_items i ON i.booking_id = b.id WHERE b.status = 'CONFIRMED') AS asked
  FULL JOIN sold_lines s ON s.hold_id = asked.booking_id AND s.pool_id = asked.pool_id
 WHERE asked.quantity IS DISTINCT FROM s.quantity;

-- name: i8_items
-- What a booking asked for adds up to its quantity and its fare, and lies in pools of what it booked.
SELECT b.id AS booking_id, b.kind, b.quantity, i.quantity AS items, b.fare, i.amount, b.currency, i.currencies
  FROM bookings b
  LEFT JOIN (SELECT i.booking_id, sum(i.quantity) AS quantity, sum(i.amount) AS amount, min(i.currency) AS currencies,
                    bool_and(p.owner_kind IS NOT NULL) AS known, count(DISTINCT p.owner_id) AS owners, min(p.owner_id::text)::uuid AS owner_id
               FROM booking_items i LEFT JOIN pools p ON p.id = i.pool_id
              GROUP BY i.booking_id) AS i ON i.booking_id = b.id
 WHERE i.booking_id IS NULL OR i.amount <> b.fare OR i.currencies <> b.currency OR NOT i.known
    OR (b.kind = 'session' AND (i.quantity <> b.quantity OR i.owners <> 1 OR i.owner_id <> b.owner_id));

-- name: i9_states
-- Every state is one that its machine knows, and times and reasons stand beside the states that have them.
SELECT id, 'session' AS kind, status, version FROM driver_sessions
 WHERE NOT status = ANY(:session_states::text[]) OR (ended_at IS NOT NULL) <> (status IN ('CLOSED', 'CANCELLED')) OR ended_at < started_at
UNION ALL
SELECT id, 'booking', status, version FROM bookings
 WHERE NOT status = ANY(:booking_states::text[]) OR (ended_at IS NOT NULL) <> (status IN ('CANCELLED', 'EXPIRED'))
    OR (end_reason IS NOT NULL) <> (ended_at IS NOT NULL) OR (status = 'CONFIRMED' AND confirmed_at IS NULL)
    OR (status IN ('PENDING', 'EXPIRED') AND confirmed_at IS NOT NULL)
    OR (status = 'EXPIRED') <> coalesce(end_reason IN ('LAPSED', 'SALES_CLOSED'), false)
    OR (end_reason = 'CANCELLED_BY_CUSTOMER') <> (status = 'CANCELLED' AND confirmed_at IS NOT NULL AND end_reason <> 'CALLED_OFF')
    OR ended_at < created_at OR ended_at < confirmed_at
UNION ALL
SELECT id, 'payment', status, version FROM payments
 WHERE NOT status = ANY(:payment_states::text[]) OR (status IN ('SUCCESS', 'REFUNDED')) <> (settlement IS NOT NULL)
    OR (settlement IS NOT NULL) <> (captured_amount IS NOT NULL) OR (settlement IS NOT NULL) <> (captured_at IS NOT NULL)
    OR (status = 'REFUNDED') <> coalesce(refunded_amount = captured_amount, false)
    OR (status <> 'INITIATED' AND (next_action IS NOT NULL OR unknown_since IS NOT NULL))
UNION ALL
SELECT id, 'refund', status, version FROM refunds
 WHERE NOT status = ANY(:refund_states::text[]) OR (status = 'SUCCESS') <> (refunded_at IS NOT NULL);

-- name: i9_sessions
-- An open session is FULL exactly when every seat is sold; its pool is closed exactly when it has ended.
SELECT coalesce(s.id, p.owner_id) AS session_id, s.status, p.id AS pool_id, p.capacity, p.sold, p.closed_at
  FROM driver_sessions s FULL JOIN (SELECT * FROM pools WHERE owner_kind = 'session') AS p ON p.owner_id = s.id
 WHERE s.id IS NULL OR p.id IS NULL
    OR (s.status = 'FULL' AND p.sold < p.capacity) OR (s.status = 'ACTIVE' AND p.sold >= p.capacity)
    OR (p.closed_at IS NULL) <> (s.status IN ('ACTIVE', 'FULL'));

-- name: i9_ended_sessions
-- Nobody still holds seats of a session that ended more than :settled_within ago, and nobody is booked on one that was called off.
SELECT s.id AS session_id, s.status, s.ended_at, b.id AS booking_id, b.status AS booking_status
  FROM driver_sessions s JOIN bookings b ON b.kind = 'session' AND b.owner_id = s.id
 WHERE :worker_runs AND s.ended_at < business_now() - :settled_within::interval
   AND ((s.status = 'CLOSED' AND b.status = 'PENDING') OR (s.status = 'CANCELLED' AND b.status IN ('PENDING', 'CONFIRMED')));

-- name: i9_booking_moves
-- The events of each booking tell only moves that its machine has, and end where it stands.
SELECT coalesce(m.subject_id, b.id) AS booking_id, m.version, m.was, m.became, b.status
  FROM (SELECT e.subject_id, e.version, t.state AS became, lag(t.state) OVER w AS was, lead(e.version) OVER w AS next_version
          FROM events e JOIN unnest(:booking_events::text[], :booking_event_states::text[]) AS t (name, state) ON t.name = e.name
        WINDOW w AS (PARTITION BY e.subject_id ORDER BY e.version)) AS m
  FULL JOIN bookings b ON b.id = m.subject_id AND m.next_version IS NULL
 WHERE (m.was IS NULL AND m.became <> 'PENDING')
    OR (m.was IS NOT NULL AND NOT m.was || '>' || m.became = ANY(:booking_moves::text[]))
    OR (m.next_version IS NULL AND m.became IS DISTINCT FROM b.status) OR m.version > b.version OR m.next_version = m.version;

-- name: i9_session_moves
-- The events of each session tell only moves that its machine has, and end where it stands.
SELECT coalesce(m.subject_id, s.id) AS session_id, m.version, m.was, m.became, s.status
  FROM (SELECT e.subject_id, e.version, t.state AS became, lag(t.state) OVER w AS was, lead(e.version) OVER w AS next_version
          FROM events e JOIN unnest(:session_events::text[], :session_event_states::text[]) AS t (name, state) ON t.name = e.name
        WINDOW w AS (PARTITION BY e.subject_id ORDER BY e.version)) AS m
  FULL JOIN driver_sessions s ON s.id = m.subject_id AND m.next_version IS NULL
 WHERE (m.was IS NULL AND m.became <> 'ACTIVE')
    OR (m.was IS NOT NULL AND NOT m.was || '>' || m.became = ANY(:session_moves::text[]))
    OR (m.next_version IS NULL AND m.became IS DISTINCT FROM s.status) OR m.version > s.version OR m.next_version = m.version;

-- name: i9_payment_moves
-- The events of each payment tell only moves that its machine has, and end where it stands.
SELECT coalesce(m.subject_id, p.id) AS payment_id, m.version, m.was, m.became, p.status
  FROM (SELECT e.subject_id, e.version, e.became, lag(e.became) OVER w AS was, lead(e.version) OVER w AS next_version
          FROM (SELECT subject_id, version,
                       CASE name WHEN 'PaymentInitiated' THEN 'INITIATED' WHEN 'PaymentSucceeded' THEN 'SUCCESS'
                                 WHEN 'PaymentFailed' THEN 'FAILED'
                                 -- Money that is not kept is announced by the refund that it becomes in the same commit.
                                 WHEN 'RefundRequested' THEN
                                      CASE WHEN body ->> 'reason' IN ('TOO_LATE', 'MISMATCH', 'ALREADY_PAID') THEN 'SUCCESS' END
                                 WHEN 'PaymentRefunded' THEN CASE WHEN (body ->> 'in_full')::boolean THEN 'REFUNDED' END END AS became
                  FROM events
                 WHERE name IN ('PaymentInitiated', 'PaymentSucceeded', 'PaymentFailed', 'RefundRequested', 'PaymentRefunded')) AS e
         WHERE e.became IS NOT NULL
        WINDOW w AS (PARTITION BY e.subject_id ORDER BY e.version)) AS m
  FULL JOIN payments p ON p.id = m.subject_id
 -- What comes out of a wallet is there at once.
 WHERE (m.was IS NULL AND m.became <> CASE p.method WHEN 'WALLET' THEN 'SUCCESS' ELSE 'INITIATED' END)
    OR (m.was IS NOT NULL AND NOT m.was || '>' || m.became = ANY(:payment_moves::text[]))
    OR (m.next_version IS NULL AND m.became IS DISTINCT FROM p.status) OR m.version > p.version OR m.next_version = m.version;

-- name: i10_cursors
-- Every consumer of the event log has a cursor that is neither ahead of the log nor more than :lag_max behind it.
SELECT coalesce(c.consumer, wanted.name) AS consumer, c.epoch, c.xid::text AS xid, c.position, behind.since
  FROM unnest(:consumers::text[]) AS wanted (name)
  FULL JOIN event_cursors c ON c.consumer = wanted.name
  LEFT JOIN LATERAL (SELECT e.occurred_at AS since FROM events e
                      WHERE (e.epoch, e.xid, e.position) > (c.epoch, c.xid, c.position)
                      ORDER BY e.epoch, e.xid, e.position LIMIT 1) AS behind ON true
 WHERE c.epoch > log_epoch() OR (c.epoch = log_epoch() AND c.xid >= pg_snapshot_xmax(pg_current_snapshot()))
    OR (:worker_runs AND wanted.name IS NOT NULL AND (c.consumer IS NULL OR behind.since < business_now() - :lag_max::interval));

-- name: i11_jobs
-- No job is lost: none is overdue by more than :overdue_max, none is held by a worker that is gone, none is dead.
SELECT j.id AS job_id, j.task_name, j.status::text AS status, j.attempts, j.scheduled_at, w.last_heartbeat
  FROM procrastinate_jobs j LEFT JOIN procrastinate_workers w ON w.id = j.worker_id
 WHERE j.status = 'failed'
    OR (:worker_runs AND j.status = 'doing' AND (w.id IS NULL OR w.last_heartbeat < now() - :overdue_max::interval))
    OR (:worker_runs AND j.status = 'todo'
        AND coalesce(j.scheduled_at, (SELECT min(e.at) FROM procrastinate_events e WHERE e.job_id = j.id)) < now() - :overdue_max::interval);

-- name: i12_lapsed
-- No hold is older than its deadline by more than :hold_grace.
SELECT id AS hold_id, expires_at, business_now() - expires_at AS late
  FROM holds WHERE :worker_runs AND expires_at < business_now() - :hold_grace::interval;

-- name: i13_payouts
-- Whoever approves or pays a payout is neither who asked for it nor who gets it, and each session is paid out at most once.
SELECT id AS payout_id, session_id, status, driver_id, requested_by, approved_by_admin, paid_by_admin
  FROM driver_payouts
 WHERE approved_by_admin IN (requested_by, driver_id) OR paid_by_admin IN (requested_by, driver_id)
    OR (status IN ('APPROVED', 'IN_BATCH', 'PAID', 'RETURNED')) <> (approved_by_admin IS NOT NULL)
    OR (status = 'PAID' AND paid_at IS NULL)
    OR session_id IN (SELECT session_id FROM driver_payouts WHERE status NOT IN ('REJECTED', 'CANCELLED', 'RETURNED')
                       GROUP BY session_id HAVING count(*) > 1);

-- name: i13_batches
-- A batch is approved by somebody who neither made it nor asked for or gets anything in it; it holds what its payouts say, of each of
-- them all that is due, and adds up to what its files say; and no payout is in two that may be at the bank.
SELECT b.id AS batch_id, b.status, b.made_by_admin, b.approved_by_admin, b.payouts, i.payouts AS items, b.total_amount, i.total, i.faults
  FROM payout_batches b
  LEFT JOIN LATERAL (SELECT count(*) AS payouts, sum(i.amount) AS total,
                            count(*) FILTER (WHERE b.approved_by_admin IN (o.requested_by, o.driver_id) OR o.id IS NULL
                                             OR i.amount <> o.net_amount - o.set_off_amount OR o.currency <> b.currency
                                             OR a.payee_id IS DISTINCT FROM o.driver_id
                                             OR (o.batch_id IS NOT DISTINCT FROM b.id) <> (b.status <> 'CANCELLED')) AS faults
                       FROM payout_batch_items i
                       LEFT JOIN driver_payouts o ON o.id = i.payout_id
                       LEFT JOIN payout_accounts a ON a.id = i.account_id
                      WHERE i.batch_id = b.id) AS i ON true
 WHERE b.approved_by_admin = b.made_by_admin OR i.payouts <> b.payouts OR i.total IS DISTINCT FROM b.total_amount OR i.faults > 0
UNION ALL
SELECT o.batch_id, o.status, NULL, NULL, NULL, NULL, NULL, NULL, 1
  FROM driver_payouts o LEFT JOIN payout_batches b ON b.id = o.batch_id
 WHERE (o.batch_id IS NOT NULL AND NOT EXISTS (SELECT FROM payout_batch_items i WHERE i.batch_id = o.batch_id AND i.payout_id = o.id))
    OR (o.batch_id IS NOT NULL AND o.status IN ('PAID', 'RETURNED') AND b.status IS DISTINCT FROM 'APPROVED');

-- name: i14_sealed
-- Every row of the audit log is sealed within :sealed_within, once no transaction before it is still running.
SELECT a.id AS audit_id, a.epoch, a.xid::text AS xid, a.position, a.created_at, h.number AS sealed_up_to
  FROM (VALUES (1)) AS one
  LEFT JOIN audit_chain_head h ON true
  JOIN audit_logs a ON (a.epoch, a.xid, a.position) > (coalesce(h.epoch, 0), coalesce(h.xid, '0'), coalesce(h.position, 0))
 -- What was sealed since the snapshot was taken cannot be seen in it, so that time does not count.
 WHERE :worker_runs AND a.created_at < business_now() - (statement_timestamp() - now()) - :sealed_within::interval
   AND (a.epoch < log_epoch() OR a.xid < pg_snapshot_xmin(pg_current_snapshot()));

-- name: i15_numbers
-- A waiting room gives each number once, and each one after those that had their turn belongs to somebody who waits.
SELECT c.owner_id, r.admitted_up_to, c.last_number, w.waiting, w.greatest, w.places - w.numbers AS twice
  FROM waiting_counters c
  JOIN waiting_rooms r ON r.owner_id = c.owner_id
  CROSS JOIN LATERAL (SELECT count(*) FILTER (WHERE number > r.admitted_up_to) AS waiting, coalesce(max(number), 0) AS greatest,
                             count(*) AS places, count(DISTINCT number) AS numbers
                        FROM waiting_places WHERE owner_id = c.owner_id) AS w
 WHERE w.waiting <> c.last_number - r.admitted_up_to OR w.greatest > c.last_number OR w.places <> w.numbers;

-- name: i15_admitted
-- Nobody is admitted beyond the number that the waiting room has come to, and nobody up to it was passed over.
SELECT w.owner_id, w.user_id, w.number, w.admitted_at, r.admitted_up_to
  FROM waiting_places w LEFT JOIN waiting_rooms r ON r.owner_id = w.owner_id
 WHERE (w.admitted_at IS NOT NULL) IS DISTINCT FROM (w.number <= r.admitted_up_to);

-- name: i15_order
-- Of two people in one waiting room the one with the smaller number was admitted no later.
SELECT owner_id, user_id, number, admitted_at, latest_before
  FROM (SELECT owner_id, user_id, number, admitted_at, max(admitted_at) OVER (PARTITION BY owner_id ORDER BY number) AS latest_before
          FROM waiting_places WHERE admitted_at IS NOT NULL) AS w
 WHERE admitted_at < latest_before;

-- name: i15_turns
-- A turn that was used led to one hold of its own person at its own owner, made after it began.
SELECT w.owner_id, w.user_id, w.number, w.admitted_at, w.booking_id, b.customer_id, b.owner_id AS booked_of, b.created_at
  FROM waiting_places w LEFT JOIN bookings b ON b.id = w.booking_id
 WHERE w.booking_id IS NOT NULL
   AND (b.id IS NULL OR b.customer_id <> w.user_id OR b.owner_id <> w.owner_id OR b.created_at < w.admitted_at);

-- name: i16_sent
-- No gateway sent more to our bank than it settled.
SELECT gateway, currency, sum(net) AS left_at_gateway FROM settlement_lines GROUP BY gateway, currency HAVING sum(net) < 0;

-- name: i16_orders
-- What admins ordered to be given back was given back, and above the limit another one had agreed.
SELECT payment_id, sum(ordered) AS ordered, sum(given_back) AS given_back, sum(alone) AS decided_alone
  FROM (SELECT payment_id, CASE WHEN status = 'DONE' THEN amount ELSE 0 END AS ordered, 0 AS given_back,
               CASE WHEN needs_another_admin AND decided_by = ordered_by THEN 1 ELSE 0 END AS alone
          FROM refund_orders
        UNION ALL
        SELECT payment_id, 0, amount, 0 FROM refunds WHERE reason = 'DECIDED_BY_ADMIN') AS each
 GROUP BY payment_id HAVING sum(ordered) <> sum(given_back) OR sum(alone) > 0;
