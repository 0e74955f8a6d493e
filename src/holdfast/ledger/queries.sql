-- name: open_accounts
-- Accounts that are not there yet, in one order, because two transactions that open the same ones wait for each other.
INSERT INTO ledger_accounts (id, kind, owner, currency)
SELECT id, kind, owner, currency
  FROM unnest(:ids::uuid[], :kinds::text[], :owners::text[], :currencies::text[]) AS a (id, kind, owner, currency)
 ORDER BY kind, owner, currency
    ON CONFLICT DO NOTHING;

-- name: post
-- Transactions with their entries; what is booked already is left alone. The sums come from the very entries that are
-- written, so the CHECK on them refuses a transaction out of balance. Returns how many entries were written.
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
    RETURNING id
)
SELECT count(*) FROM written;

-- name: balance
-- What an account has in each currency, by sum.
SELECT a.currency, coalesce(sum(e.amount), 0)::bigint AS minor
  FROM ledger_accounts a LEFT JOIN ledger_entries e ON e.account_id = a.id
 WHERE a.kind = :kind AND a.owner = :owner
 GROUP BY a.currency ORDER BY a.currency;
