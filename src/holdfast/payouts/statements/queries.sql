-- name: week
-- A week from its Monday on, or the present one, as days of :zone: such a week can have 167 or 169 hours.
SELECT first_day::timestamp AT TIME ZONE :zone AS starts_at, (first_day + 7)::timestamp AT TIME ZONE :zone AS ends_at,
       to_char(first_day, 'IYYY-"W"IW') AS week, NULL::uuid AS session_id
  FROM (SELECT coalesce(:first_day::date, date_trunc('week', business_now() AT TIME ZONE :zone)::date) AS first_day) AS w;

-- name: session
-- From when on something can have happened to a session's money, until now. No row for another's session.
SELECT started_at AS starts_at, business_now() + interval '1 second' AS ends_at, NULL::text AS week, id AS session_id
  FROM driver_sessions WHERE id = :session_id AND driver_id = :payee_id;

-- name: opening
-- What a payee was owed before an instant, by currency.
SELECT e.currency, sum(e.amount)::bigint AS minor
  FROM ledger_accounts a JOIN ledger_entries e ON e.account_id = a.id
 WHERE a.kind = ANY(:kinds) AND a.owner = :owner AND e.posted_at < :starts_at
 GROUP BY e.currency ORDER BY e.currency;

-- name: lines
-- Every transaction that touched a payee's accounts within a period, in the order of time, with what the platform received of it and
-- the session that it was about; those of one session, or all. At most :limit.
SELECT m.entry_id, m.transaction_id, m.purpose, m.currency, m.at, m.earned, m.cash, coalesce(f.amount, 0)::bigint AS platform_fees,
       coalesce(o.session_id, b.owner_id) AS session_id
  FROM (SELECT min(e.id::text)::uuid AS entry_id, e.transaction_id, e.purpose, e.currency, min(e.posted_at) AS at,
               coalesce(sum(e.amount) FILTER (WHERE a.kind <> 'CASH'), 0)::bigint AS earned,
               coalesce(sum(e.amount) FILTER (WHERE a.kind = 'CASH'), 0)::bigint AS cash
          FROM ledger_accounts a JOIN ledger_entries e ON e.account_id = a.id
         WHERE a.kind = ANY(:kinds) AND a.owner = :owner AND e.posted_at >= :starts_at AND e.posted_at < :ends_at
         GROUP BY e.transaction_id, e.purpose, e.currency) AS m
  LEFT JOIN LATERAL (SELECT sum(e.amount) AS amount
                       FROM ledger_entries e JOIN ledger_accounts a ON a.id = e.account_id AND a.kind = 'FEES'
                      WHERE e.transaction_id = m.transaction_id AND e.purpose = m.purpose AND e.currency = m.currency) AS f ON true
  LEFT JOIN refunds r ON r.id = m.transaction_id
  LEFT JOIN payment_disputes d ON d.id = m.transaction_id
  LEFT JOIN payments p ON p.id = coalesce(r.payment_id, d.payment_id, m.transaction_id)
  LEFT JOIN bookings b ON p.payable_kind = 'booking' AND b.id = p.payable_id AND b.kind = 'session'
  LEFT JOIN driver_payouts o ON o.id = m.transaction_id
 WHERE :session_id::uuid IS NULL OR coalesce(o.session_id, b.owner_id) = :session_id::uuid
 ORDER BY m.at, m.transaction_id, m.purpose
 LIMIT :limit;
