-- name: open_accounts
-- Accounts that are not there yet, in one order, because two transactions that open the same ones wait for each other.
-- Those that are guarded begin with nothing. From here on the transaction has an id, before `post` takes its look at what is closed:
-- whoever closes a day waits for every id that was given before its announcement could be seen.
WITH opened AS (
    INSERT INTO ledger_accounts (id, kind, owner, currency)
    SELECT id, kind, owner, currency
      FROM unnest(:ids::uuid[], :kinds::text[], :owners::text[], :currencies::text[]) AS a (id, kind, owner, currency)
     ORDER BY kind, owner, currency
        ON CONFLICT DO NOTHING
    RETURNING id, kind
), guarded AS (
    INSERT INTO ledger_guarded_balances (account_id, balance) SELECT id, 0 FROM opened WHERE kind = ANY(:guarded)
)
SELECT pg_current_xact_id()::text;

-- name: guarded_balances
-- What guarded accounts have and is not pending, as a look: whoever decides on it posts afterwards, and is refused what is no longer
-- there.
SELECT a.kind, a.owner, a.currency, g.balance - g.pending AS minor
  FROM unnest(:kinds::text[], :owners::text[], :currencies::text[]) AS w (kind, owner, currency)
  JOIN ledger_accounts a ON a.kind = w.kind AND a.owner = w.owner AND a.currency = w.currency
  JOIN ledger_guarded_balances g ON g.account_id = a.id;

-- name: lock_guarded
-- Guarded accounts, locked in the order of their ids.
SELECT g.account_id
  FROM unnest(:kinds::text[], :owners::text[], :currencies::text[]) AS w (kind, owner, currency)
  JOIN ledger_accounts a ON a.kind = w.kind AND a.owner = w.owner AND a.currency = w.currency
  JOIN ledger_guarded_balances g ON g.account_id = a.id
 ORDER BY g.account_id
   FOR NO KEY UPDATE OF g;

-- name: post
-- Transactions with their entries; what is booked already is left alone. The sums come from the very entries that are
-- written, so the CHECK on them refuses a transaction out of balance or in two currencies without an exchange, and the CHECK on guarded
-- balances one that takes more than is there. What happened on a day that is being closed is posted now. Returns how many entries were
-- written.
WITH given AS (
    SELECT * FROM unnest(:ids::uuid[], :transaction_ids::uuid[], :purposes::text[], :posted_ats::timestamptz[], :kinds::text[],
                         :owners::text[], :amounts::bigint[], :currencies::text[])
                  AS l (id, transaction_id, purpose, posted_at, kind, owner, amount, currency)
), closed AS MATERIALIZED (
    SELECT max(ends_at) AS until FROM ledger_closings
), lines AS (
    SELECT g.id, g.transaction_id, g.purpose, g.kind, g.owner, g.amount, g.currency,
           CASE WHEN g.posted_at < c.until THEN greatest(business_now(), c.until) ELSE g.posted_at END AS posted_at
      FROM given g CROSS JOIN closed c
), booked AS (
    INSERT INTO ledger_transactions (id, purpose, currency, received, given, posted_at, currencies, exchanged)
    SELECT l.transaction_id, l.purpose, l.currency, coalesce(sum(l.amount) FILTER (WHERE l.amount > 0), 0),
           coalesce(-sum(l.amount) FILTER (WHERE l.amount < 0), 0), min(l.posted_at), min(n.currencies),
           coalesce(sum(l.amount) FILTER (WHERE l.kind = 'EXCHANGE'), 0)
      FROM lines l
      JOIN (SELECT transaction_id, purpose, count(DISTINCT currency) AS currencies FROM lines GROUP BY transaction_id, purpose) n
        ON n.transaction_id = l.transaction_id AND n.purpose = l.purpose
     GROUP BY l.transaction_id, l.purpose, l.currency
     ORDER BY l.transaction_id, l.purpose, l.currency
        ON CONFLICT DO NOTHING
    RETURNING id, purpose, currency
), written AS (
    -- An account that is missing makes account_id null, which the column refuses: no entry is ever dropped in silence.
    INSERT INTO ledger_entries (id, transaction_id, purpose, account_id, amount, currency, posted_at, epoch)
    SELECT l.id, l.transaction_id, l.purpose, a.id, l.amount, l.currency, l.posted_at, (SELECT log_epoch())
      FROM lines l
      JOIN booked b ON b.id = l.transaction_id AND b.purpose = l.purpose AND b.currency = l.currency
      LEFT JOIN ledger_accounts a ON a.kind = l.kind AND a.owner = l.owner AND a.currency = l.currency
    RETURNING account_id, amount
), moved AS (
    UPDATE ledger_guarded_balances g SET balance = g.balance + w.amount
      FROM (SELECT account_id, sum(amount)::bigint AS amount FROM written GROUP BY account_id) w
     WHERE g.account_id = w.account_id
)
SELECT count(*) FROM written;

-- name: open_pending
-- Transactions that may be booked later, with their entries; what is pending already, or was, is left alone. What they would take counts
-- as pending at once, and the CHECK on guarded balances refuses what is not there. Returns how many entries were written.
WITH lines AS (
    SELECT l.*, a.id AS account_id
      FROM unnest(:ids::uuid[], :transaction_ids::uuid[], :purposes::text[], :posted_ats::timestamptz[], :kinds::text[],
                  :owners::text[], :amounts::bigint[], :currencies::text[])
           AS l (id, transaction_id, purpose, posted_at, kind, owner, amount, currency)
      LEFT JOIN ledger_accounts a ON a.kind = l.kind AND a.owner = l.owner AND a.currency = l.currency
), opened AS (
    INSERT INTO ledger_pending_transactions (id, purpose, currency, received, given, opened_at)
    SELECT transaction_id, purpose, min(currency), coalesce(sum(amount) FILTER (WHERE amount > 0), 0),
           coalesce(-sum(amount) FILTER (WHERE amount < 0), 0), min(posted_at)
      FROM lines GROUP BY transaction_id, purpose
     ORDER BY transaction_id, purpose
        ON CONFLICT DO NOTHING
    RETURNING id, purpose
), written AS (
    INSERT INTO ledger_pending_entries (id, sign, transaction_id, purpose, account_id, amount, epoch)
    SELECT l.id, 1, l.transaction_id, l.purpose, l.account_id, l.amount, (SELECT log_epoch())
      FROM lines l JOIN opened o ON o.id = l.transaction_id AND o.purpose = l.purpose
    RETURNING account_id, amount
), taken AS (
    UPDATE ledger_guarded_balances g SET pending = g.pending - w.amount
      FROM (SELECT account_id, sum(least(amount, 0))::bigint AS amount FROM written GROUP BY account_id) w
     WHERE g.account_id = w.account_id
)
SELECT count(*) FROM written;

-- name: pending_entries
-- The entries of pending transactions, whether they ended or not. They never change.
SELECT e.transaction_id, e.purpose, a.kind, a.owner, a.currency, e.amount
  FROM ledger_pending_entries e JOIN ledger_accounts a ON a.id = e.account_id
 WHERE e.transaction_id = ANY(:ids::uuid[]) AND e.sign = 1
 ORDER BY e.id;

-- name: end_pending
-- Ends pending transactions, each once: one that ended already, either way, is left alone. Their guarded accounts are locked. What they
-- would have taken is free again; whoever posts them takes it in the same transaction. Returns those that ended now.
WITH wanted AS (
    SELECT w.id, w.purpose, w.outcome, w.ended_at
      FROM unnest(:ids::uuid[], :purposes::text[], :outcomes::text[], :ended_ats::timestamptz[]) AS w (id, purpose, outcome, ended_at)
      JOIN ledger_pending_transactions p ON p.id = w.id AND p.purpose = w.purpose
), ended AS (
    INSERT INTO ledger_pending_ends (id, purpose, outcome, ended_at)
    SELECT id, purpose, outcome, ended_at FROM wanted ORDER BY id, purpose
        ON CONFLICT DO NOTHING
    RETURNING id, purpose, outcome
), freed AS (
    INSERT INTO ledger_pending_entries (id, sign, transaction_id, purpose, account_id, amount, epoch)
    SELECT e.id, -1, e.transaction_id, e.purpose, e.account_id, e.amount, (SELECT log_epoch())
      FROM ledger_pending_entries e JOIN ended d ON d.id = e.transaction_id AND d.purpose = e.purpose
     WHERE e.sign = 1
    RETURNING account_id, amount
), given_back AS (
    UPDATE ledger_guarded_balances g SET pending = g.pending + f.amount
      FROM (SELECT account_id, sum(least(amount, 0))::bigint AS amount FROM freed GROUP BY account_id) f
     WHERE g.account_id = f.account_id
)
SELECT id, purpose, outcome FROM ended;

-- name: pending_ends
-- How pending transactions ended that did.
SELECT id, purpose, outcome FROM ledger_pending_ends WHERE id = ANY(:ids::uuid[]);

-- name: balances
-- What an account has in each currency, and what of it is pending: what was rolled up, and the tail of the log after it, in one look, so
-- that every entry counts once. That the tail is short is not known to the planner, which is told so by the epochs between which it lies.
WITH rolled AS MATERIALIZED (
    SELECT epoch, xid FROM ledger_roll_up
), wanted AS MATERIALIZED (
    SELECT id, currency FROM ledger_accounts WHERE kind = :kind AND owner = :owner
), posted AS MATERIALIZED (
    SELECT account_id, amount FROM ledger_entries
     WHERE (epoch, xid) > ((SELECT epoch FROM rolled), (SELECT xid FROM rolled))
       AND epoch >= (SELECT epoch FROM rolled) AND epoch <= (SELECT log_epoch())
), pending AS MATERIALIZED (
    SELECT account_id, -sign * least(amount, 0) AS pending FROM ledger_pending_entries
     WHERE (epoch, xid) > ((SELECT epoch FROM rolled), (SELECT xid FROM rolled))
       AND epoch >= (SELECT epoch FROM rolled) AND epoch <= (SELECT log_epoch())
)
SELECT w.currency,
       (coalesce(b.balance, 0) + coalesce((SELECT sum(amount) FROM posted WHERE account_id = w.id), 0))::bigint AS balance,
       (coalesce(b.pending, 0) + coalesce((SELECT sum(p.pending) FROM pending p WHERE p.account_id = w.id), 0))::bigint AS pending
  FROM wanted w LEFT JOIN ledger_balances b ON b.account_id = w.id
 ORDER BY w.currency;

-- name: balances_at
-- What an account had in each currency when an instant began: its balance at the end of the last day that was closed by then, and the
-- entries after that. Nothing is posted into a closed day, so what it says of one never changes.
WITH closed AS MATERIALIZED (
    SELECT day, ends_at FROM ledger_days WHERE ends_at <= :at ORDER BY ends_at DESC LIMIT 1
)
SELECT a.currency, (coalesce(d.balance, 0) + coalesce(e.amount, 0))::bigint AS balance, 0 AS pending
  FROM ledger_accounts a
  LEFT JOIN LATERAL (SELECT balance FROM ledger_day_balances
                      WHERE account_id = a.id AND day <= (SELECT day FROM closed) ORDER BY day DESC LIMIT 1) d ON true
  LEFT JOIN LATERAL (SELECT sum(amount) AS amount FROM ledger_entries
                      WHERE account_id = a.id AND posted_at < :at
                        AND posted_at >= coalesce((SELECT ends_at FROM closed), '-infinity'::timestamptz)) e ON true
 WHERE a.kind = :kind AND a.owner = :owner
 ORDER BY a.currency;

-- name: lock_roll_up
-- The place in the log up to which balances are rolled up, locked; none while another worker has it.
SELECT epoch, xid::text::bigint AS xid FROM ledger_roll_up FOR UPDATE SKIP LOCKED;

-- name: roll_up
-- Adds the next entries after a place in the log to the balances of their accounts, and moves the place; it is locked. Only entries below
-- the oldest transaction still running: one of that age may yet commit an entry that belongs before them, and it would be lost. At most
-- :limit entries, and the rest of the transaction of the last. Returns how many rows were added up.
WITH horizon AS MATERIALIZED (
    SELECT log_epoch() AS epoch, pg_snapshot_xmin(pg_current_snapshot()) AS xid
), ready AS MATERIALIZED (
    SELECT epoch, xid, account_id, amount, 0 AS pending FROM ledger_entries
     WHERE (epoch, xid) > ((SELECT :epoch::integer), :xid::text::xid8) AND (epoch, xid) < ((SELECT epoch FROM horizon), (SELECT xid FROM horizon))
       AND epoch >= (SELECT :epoch::integer) AND epoch <= (SELECT epoch FROM horizon)
    UNION ALL
    SELECT epoch, xid, account_id, 0, -sign * least(amount, 0) FROM ledger_pending_entries
     WHERE (epoch, xid) > ((SELECT :epoch::integer), :xid::text::xid8) AND (epoch, xid) < ((SELECT epoch FROM horizon), (SELECT xid FROM horizon))
       AND epoch >= (SELECT :epoch::integer) AND epoch <= (SELECT epoch FROM horizon)
), next AS MATERIALIZED (
    SELECT * FROM ready ORDER BY ready.epoch, ready.xid FETCH FIRST :limit ROWS WITH TIES
), added AS (
    INSERT INTO ledger_balances AS b (account_id, balance, pending)
    SELECT account_id, sum(amount), sum(pending) FROM next GROUP BY account_id ORDER BY account_id
        ON CONFLICT (account_id) DO UPDATE SET balance = b.balance + excluded.balance, pending = b.pending + excluded.pending
), moved AS (
    UPDATE ledger_roll_up r SET epoch = l.epoch, xid = l.xid, rolled_at = business_now()
      FROM (SELECT epoch, xid FROM next ORDER BY next.epoch DESC, next.xid DESC LIMIT 1) l
)
SELECT count(*) FROM next;

-- name: take_long
-- For the rest of the transaction, a statement may take as long as a transaction: a day with a million entries is added up in one.
SET LOCAL statement_timeout = '9s';

-- name: next_day
-- The day to be closed next: the one after the last, or that of the first entry; none where nothing was posted. It is over once all of it
-- and :grace more have passed.
WITH last AS MATERIALIZED (
    SELECT day, ends_at FROM ledger_days ORDER BY day DESC LIMIT 1
), first AS (
    SELECT (min(posted_at) AT TIME ZONE :zone)::date AS day FROM ledger_entries WHERE NOT EXISTS (SELECT FROM last)
), next AS (
    SELECT day + 1 AS day, ends_at AS starts_at FROM last
    UNION ALL
    SELECT day, day::timestamp AT TIME ZONE :zone FROM first WHERE day IS NOT NULL
)
SELECT day, starts_at, ends_at, ends_at + :grace::interval < business_now() AS is_over
  FROM (SELECT day, starts_at, (day + 1)::timestamp AT TIME ZONE :zone AS ends_at FROM next) AS n;

-- name: announce_closing
-- From the COMMIT of this on, nothing is posted before an instant by whoever sees it.
INSERT INTO ledger_closings (ends_at) VALUES (:ends_at) ON CONFLICT DO NOTHING;

-- name: next_transaction
-- An id that no transaction has yet: whoever has a smaller one began before this look.
SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint;

-- name: oldest_transaction
-- The oldest transaction that still runs; all smaller ids have ended.
SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint;

-- name: seal_day
-- Closes a day that nothing is posted into any more: its sums, its seal, which is a hash over the seal of the day before and every entry in
-- the order of the log, and the balances that its accounts had at its end. A day that is closed already is left alone; returns the days that were closed.
WITH last AS MATERIALIZED (
    SELECT seal FROM ledger_days ORDER BY day DESC LIMIT 1
), found AS MATERIALIZED (
    SELECT id, transaction_id, purpose, account_id, amount, currency, posted_at, epoch, xid
      FROM ledger_entries WHERE posted_at >= :starts_at AND posted_at < :ends_at
), sealed AS (
    INSERT INTO ledger_days (day, zone, starts_at, ends_at, entries, given, previous_seal, seal)
    SELECT :day::date, :zone, :starts_at::timestamptz, :ends_at::timestamptz, (SELECT count(*) FROM found),
           (SELECT coalesce(jsonb_object_agg(currency, given), '{}')
              FROM (SELECT currency, -sum(amount) AS given FROM found WHERE amount < 0 GROUP BY currency) AS sums),
           coalesce((SELECT seal FROM last), ''),
           sha256(coalesce((SELECT seal FROM last), '')
                  || convert_to(concat_ws('|', :day::date, (extract(epoch FROM :starts_at::timestamptz) * 1000000)::bigint,
                                          (extract(epoch FROM :ends_at::timestamptz) * 1000000)::bigint), 'UTF8')
                  || coalesce((SELECT string_agg(sha256(convert_to(concat_ws('|', id, transaction_id, purpose, account_id, amount, currency,
                                                                             (extract(epoch FROM posted_at) * 1000000)::bigint), 'UTF8')),
                                                 '' ORDER BY epoch, xid, id) FROM found), ''))
        ON CONFLICT DO NOTHING
    RETURNING day
), kept AS (
    INSERT INTO ledger_day_balances (account_id, day, balance)
    SELECT m.account_id, s.day, m.amount + coalesce((SELECT balance FROM ledger_day_balances b WHERE b.account_id = m.account_id
                                                      ORDER BY b.day DESC LIMIT 1), 0)
      FROM (SELECT account_id, sum(amount) AS amount FROM found GROUP BY account_id) m CROSS JOIN sealed s
)
SELECT count(*) FROM sealed;

-- name: entries_of
-- What one account received and gave, newest first, below an id.
SELECT e.id, e.transaction_id, e.purpose, e.amount, e.currency, e.posted_at
  FROM ledger_accounts a JOIN ledger_entries e ON e.account_id = a.id
 WHERE a.kind = :kind AND a.owner = :owner AND a.currency = :currency AND (:before::uuid IS NULL OR e.id < :before)
 ORDER BY e.id DESC
 LIMIT :limit;

-- name: posted
-- The entries of one transaction, with their accounts.
SELECT a.kind, a.owner, e.currency, e.amount AS minor
  FROM ledger_entries e JOIN ledger_accounts a ON a.id = e.account_id
 WHERE e.transaction_id = :transaction_id AND e.purpose = :purpose
 ORDER BY e.id;

-- name: account
-- One account.
SELECT id, kind, owner, currency, created_at FROM ledger_accounts WHERE id = :id;

-- name: accounts
-- A page of accounts in the order in which they were opened, with what they have.
WITH rolled AS MATERIALIZED (
    SELECT epoch, xid FROM ledger_roll_up
), posted AS MATERIALIZED (
    SELECT account_id, amount FROM ledger_entries
     WHERE (epoch, xid) > ((SELECT epoch FROM rolled), (SELECT xid FROM rolled))
       AND epoch >= (SELECT epoch FROM rolled) AND epoch <= (SELECT log_epoch())
), page AS MATERIALIZED (
    SELECT id, kind, owner, currency, created_at FROM ledger_accounts
     WHERE (:after::uuid IS NULL OR id > :after) AND (:kind::text IS NULL OR kind = :kind) AND (:owner::text IS NULL OR owner = :owner)
     ORDER BY id LIMIT :limit
)
SELECT p.id, p.kind, p.owner, p.currency, p.created_at,
       (coalesce(b.balance, 0) + coalesce((SELECT sum(amount) FROM posted WHERE account_id = p.id), 0))::bigint AS balance
  FROM page p LEFT JOIN ledger_balances b ON b.account_id = p.id
 ORDER BY p.id;

-- name: trial_balance
-- What the accounts of each kind had in each currency when an instant began.
WITH closed AS MATERIALIZED (
    SELECT day, ends_at FROM ledger_days WHERE ends_at <= :at ORDER BY ends_at DESC LIMIT 1
), moved AS (
    SELECT account_id, sum(amount) AS amount FROM ledger_entries
     WHERE posted_at < :at AND posted_at >= coalesce((SELECT ends_at FROM closed), '-infinity'::timestamptz)
     GROUP BY account_id
)
SELECT a.kind, a.currency, count(*) AS accounts,
       sum(coalesce(d.balance, 0) + coalesce(m.amount, 0))::bigint AS balance
  FROM ledger_accounts a
  LEFT JOIN LATERAL (SELECT balance FROM ledger_day_balances
                      WHERE account_id = a.id AND day <= (SELECT day FROM closed) ORDER BY day DESC LIMIT 1) d ON true
  LEFT JOIN moved m ON m.account_id = a.id
 WHERE a.created_at < :at OR m.account_id IS NOT NULL
 GROUP BY a.kind, a.currency
 ORDER BY a.currency, a.kind;

-- name: period
-- The days asked for, or the last :days days with today, and the instants at which they begin in :zone.
SELECT first_day, last_day, first_day::timestamp AT TIME ZONE :zone AS starts_at, last_day::timestamp AT TIME ZONE :zone AS ends_at
  FROM (SELECT coalesce(:first_day::date, coalesce(:last_day::date, today + 1) - :days::integer) AS first_day,
               coalesce(:last_day::date, greatest(today + 1, :first_day::date + 1)) AS last_day
          FROM (SELECT (business_now() AT TIME ZONE :zone)::date AS today) AS now) AS days;

-- name: entries_between
-- What one account received and gave from an instant to before another, in the order of time.
SELECT id, transaction_id, purpose, amount, currency, posted_at
  FROM ledger_entries
 WHERE account_id = :account_id AND posted_at >= :starts_at AND posted_at < :ends_at
 ORDER BY posted_at, id
 LIMIT :limit;

-- name: now
-- The database's clock.
SELECT business_now();

-- name: one_snapshot
-- Every statement of this transaction sees the same moment: a statement's balances and entries belong together.
SET TRANSACTION ISOLATION LEVEL REPEATABLE READ;
