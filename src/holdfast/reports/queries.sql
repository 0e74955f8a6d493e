-- name: one_snapshot
-- Every statement of this transaction sees the same moment: figures of two statements can be compared.
SET TRANSACTION ISOLATION LEVEL REPEATABLE READ;

-- name: window
-- The days asked for, or the last :days days with today, and the instants at which they begin in :zone.
SELECT first_day, last_day, first_day::timestamp AT TIME ZONE :zone AS starts_at, last_day::timestamp AT TIME ZONE :zone AS ends_at
  FROM (SELECT coalesce(:first_day::date, coalesce(:last_day::date, today + 1) - :days::integer) AS first_day,
               coalesce(:last_day::date, greatest(today + 1, :first_day::date + 1)) AS last_day
          FROM (SELECT (business_now() AT TIME ZONE :zone)::date AS today) AS now) AS days;

-- name: finance
-- A page of figures by day, route or driver, in the order of their keys. Money that could not be kept counts as refunded from
-- its capture on, as in the ledger.
WITH moved AS (
    SELECT captured_at AS at, payable_kind, payable_id, NULL::uuid AS session_id, captured_currency AS currency, 1 AS payments,
           captured_amount AS captured,
           CASE WHEN settlement = 'KEPT' THEN 0 ELSE captured_amount END AS refunded,
           CASE WHEN settlement = 'KEPT' THEN service_fee ELSE 0 END AS fees,
           0 AS paid_out
      FROM payments WHERE captured_at >= :starts_at AND captured_at < :ends_at
    UNION ALL
    SELECT r.created_at, p.payable_kind, p.payable_id, NULL, r.currency, 0, 0, r.amount, -r.service_fee, 0
      FROM refunds r JOIN payments p ON p.id = r.payment_id
     WHERE r.created_at >= :starts_at AND r.created_at < :ends_at AND p.settlement = 'KEPT'
    UNION ALL
    SELECT paid_at, NULL, NULL, session_id, currency, 0, 0, 0, 0, net_amount - set_off_amount
      FROM driver_payouts WHERE paid_at >= :starts_at AND paid_at < :ends_at
    UNION ALL
    SELECT returned_at, NULL, NULL, session_id, currency, 0, 0, 0, 0, set_off_amount - net_amount
      FROM driver_payouts WHERE returned_at >= :starts_at AND returned_at < :ends_at AND paid_at IS NOT NULL
), keyed AS (
    SELECT CASE :grouping::text WHEN 'day' THEN (m.at AT TIME ZONE :zone)::date::text
                                WHEN 'route' THEN s.route_id::text
                                ELSE s.driver_id::text END AS key,
           m.currency, m.payments, m.captured, m.refunded, m.fees, m.paid_out
      FROM moved m
      LEFT JOIN bookings b ON m.payable_kind = 'booking' AND b.id = m.payable_id AND b.kind = 'session'
      LEFT JOIN driver_sessions s ON s.id = coalesce(m.session_id, b.owner_id)
)
SELECT coalesce(k.key, '') AS key, r.name_ar, r.name_en, k.currency, sum(k.payments)::bigint AS payments,
       sum(k.captured)::bigint AS captured, sum(k.refunded)::bigint AS refunded, sum(k.fees)::bigint AS fees,
       sum(k.paid_out)::bigint AS paid_out
  FROM keyed k
  LEFT JOIN routes r ON :grouping::text = 'route' AND r.id::text = k.key
 WHERE (coalesce(k.key, ''), k.currency) > (:after_key::text, :after_currency::text)
 GROUP BY 1, 2, 3, 4
 ORDER BY 1, 4
 LIMIT :limit;

-- name: totals
-- The figures of each currency from both sides, in one statement: payments, refunds and payouts on one, entries on the other.
WITH booked AS (
    SELECT currency, sum(captured)::bigint AS captured, sum(refunded)::bigint AS refunded, sum(fees)::bigint AS fees,
           sum(paid_out)::bigint AS paid_out
      FROM (SELECT captured_currency AS currency, captured_amount AS captured,
                   CASE WHEN settlement = 'KEPT' THEN 0 ELSE captured_amount END AS refunded,
                   CASE WHEN settlement = 'KEPT' THEN service_fee ELSE 0 END AS fees, 0 AS paid_out
              FROM payments WHERE captured_at >= :starts_at AND captured_at < :ends_at
            UNION ALL
            SELECT r.currency, 0, r.amount, -r.service_fee, 0
              FROM refunds r JOIN payments p ON p.id = r.payment_id
             WHERE r.created_at >= :starts_at AND r.created_at < :ends_at AND p.settlement = 'KEPT'
            UNION ALL
            SELECT currency, 0, 0, 0, net_amount - set_off_amount
              FROM driver_payouts WHERE paid_at >= :starts_at AND paid_at < :ends_at
            UNION ALL
            SELECT currency, 0, 0, 0, set_off_amount - net_amount
              FROM driver_payouts WHERE returned_at >= :starts_at AND returned_at < :ends_at AND paid_at IS NOT NULL) AS m
     GROUP BY currency
), entered AS (
    SELECT e.currency,
           coalesce(-sum(e.amount) FILTER (WHERE a.kind = 'GATEWAY' AND e.purpose = 'CAPTURE'), 0)::bigint AS captured,
           coalesce(sum(e.amount) FILTER (WHERE a.kind = 'REFUNDS_DUE' AND e.amount > 0), 0)::bigint AS refunded,
           coalesce(sum(e.amount) FILTER (WHERE a.kind = 'FEES' AND e.purpose NOT IN ('CHARGEBACK', 'CHARGEBACK_WON')), 0)::bigint AS fees,
           coalesce(sum(e.amount) FILTER (WHERE a.kind = 'BANK' AND e.purpose <> 'GATEWAY_PAYOUT'), 0)::bigint AS paid_out,
           coalesce(sum(e.amount) FILTER (WHERE a.kind = 'PAYEE' AND e.purpose IN ('CAPTURE', 'REFUND_OWED')), 0)::bigint AS earned
      FROM ledger_entries e JOIN ledger_accounts a ON a.id = e.account_id
     WHERE e.posted_at >= :starts_at AND e.posted_at < :ends_at
     GROUP BY e.currency
)
SELECT currency, coalesce(b.captured, 0) AS captured, coalesce(b.refunded, 0) AS refunded, coalesce(b.fees, 0) AS fees,
       coalesce(b.paid_out, 0) AS paid_out, coalesce(e.captured, 0) AS ledger_captured, coalesce(e.refunded, 0) AS ledger_refunded,
       coalesce(e.fees, 0) AS ledger_fees, coalesce(e.paid_out, 0) AS ledger_paid_out, coalesce(e.earned, 0) AS ledger_earned
  FROM booked b FULL JOIN entered e USING (currency)
 ORDER BY currency;
