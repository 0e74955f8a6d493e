-- name: open_accounts
-- Accounts that are not there yet, in one order, because two transactions that open the same ones wait for each other.
-- Those that are guarded begin with nothing.
WITH opened AS (
    INSERT INTO ledger_accounts (id, kind, owner, currency)
    SELECT id, kind, owner, currency
      FROM unnest(:ids::uuid[], :kinds::text[], :owners::text[], :currencies::text[]) AS a (id, kind, owner, currency)
     ORDER BY kind, owner, currency
        ON CONFLICT DO NOTHING
    RETURNING id, kind
)
INSERT INTO ledger_guarded_balances (account_id, balance) SELECT id, 0 FROM opened WHERE kind = ANY(:guarded);

-- name: guarded_balances
-- The balances of guarded accounts, as a look: whoever decides on them posts afterwards, and is refused what is no longer there.
SELECT a.kind, a.owner, a.currency, g.balance AS minor
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
-- written, so the CHECK on them refuses a transaction out of balance, and the CHECK on guarded balances one that takes more
-- than is there. Returns how many entries were written.
WITH lines AS (
    SELECT * FROM unnest(:ids::uuid[], :transaction_ids::uuid[], :purposes::text[], :posted_ats::timestamptz[], :kinds::text[],
                         :owners::text[], :amounts::bigint[], :currencies::text[])
                  AS l (id, transaction_id, purpose, posted_at, kind, owner, amount, currency)
), booked AS (
    INSERT INTO ledger_transactions (id, purpose, currency, received, given, posted_at)
    SELECT transaction_id, purpose, currency, coalesce(sum(amount) FILTER (WHERE amount > 0), 0),
           coalesce(-sum(amount) FILTER (WHERE amount < 0), 0), min(posted_at)
      FROM lines GROUP BY transaction_id, purpose, currency
     ORDER BY transaction_id, purpose, currency
        ON CONFLICT DO NOTHING
    RETURNING id, purpose, currency
), written AS (
    -- An account that is missing makes account_id null, which the column refuses: no entry is ever dropped in silence.
    INSERT INTO ledger_entries (id, transaction_id, purpose, account_id, amount, currency, posted_at)
    SELECT l.id, l.transaction_id, l.purpose, a.id, l.amount, l.currency, l.posted_at
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

-- name: balance
-- What an account has in each currency, by sum.
SELECT a.currency, coalesce(sum(e.amount), 0)::bigint AS minor
  FROM ledger_accounts a LEFT JOIN ledger_entries e ON e.account_id = a.id
 WHERE a.kind = :kind AND a.owner = :owner
 GROUP BY a.currency ORDER BY a.currency;

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
