-- name: rules
-- Every rule, in the order in which they are looked at.
SELECT id, kind, action, within, uses_max, amount_max, currency, priority, is_enabled, on_wallets, version
  FROM fraud_rules ORDER BY priority, id;

-- name: lock_rule
-- One rule, locked for a change.
SELECT id, kind, action, within, uses_max, amount_max, currency, priority, is_enabled, on_wallets, version
  FROM fraud_rules WHERE id = :id FOR NO KEY UPDATE;

-- name: insert_rule
-- A new rule.
INSERT INTO fraud_rules (id, kind, action, within, uses_max, amount_max, currency, priority, is_enabled, on_wallets)
VALUES (:id, :kind, :action, :within, :uses_max, :amount_max, :currency, :priority, :is_enabled, :on_wallets);

-- name: update_rule
-- What a rule says from now on. Windows that run go on to their end.
UPDATE fraud_rules
   SET action = :action, within = :within, uses_max = :uses_max, amount_max = :amount_max, currency = :currency, priority = :priority,
       is_enabled = :is_enabled, on_wallets = :on_wallets, version = version + 1
 WHERE id = :id
RETURNING id, kind, action, within, uses_max, amount_max, currency, priority, is_enabled, on_wallets, version;

-- name: delete_rule
-- Takes a rule away. Its counters end by themselves.
DELETE FROM fraud_rules WHERE id = :id;

-- name: count_attempts
-- Counts attempts in the windows of their subjects, in the order of the key, so that two callers cannot wait for each other in a circle.
-- The rows stay locked until the commit: whoever counts after another has that one in it. What adds nothing is only read, as are how
-- an admin decided about a person and a rule, and whether the account is younger than the window.
WITH looks AS (
     SELECT * FROM unnest(:rule_ids::uuid[], :subjects::bytea[], :withins::interval[], :adds::bigint[], :payer_ids::uuid[])
                   AS l (rule_id, subject, within, adds, payer_id)),
counted AS (
     INSERT INTO fraud_counters AS c (rule_id, subject, started_at, ends_at, used)
     SELECT rule_id, subject, business_now(), business_now() + max(within), sum(adds) FROM looks WHERE adds > 0
      GROUP BY rule_id, subject ORDER BY rule_id, subject
         ON CONFLICT (rule_id, subject) DO UPDATE
        SET used = excluded.used + CASE WHEN c.ends_at > excluded.started_at THEN c.used ELSE 0 END,
            started_at = CASE WHEN c.ends_at > excluded.started_at THEN c.started_at ELSE excluded.started_at END,
            ends_at = CASE WHEN c.ends_at > excluded.started_at THEN c.ends_at ELSE excluded.ends_at END
     RETURNING rule_id, subject, used)
SELECT l.rule_id, l.subject, l.payer_id, coalesce(c.used, f.used, 0) AS used,
       coalesce(u.created_at > business_now() - l.within, false) AS is_young, d.state AS decided
  FROM looks l
  LEFT JOIN counted c ON c.rule_id = l.rule_id AND c.subject = l.subject
  LEFT JOIN fraud_counters f ON l.adds = 0 AND f.rule_id = l.rule_id AND f.subject = l.subject AND f.ends_at > business_now()
  LEFT JOIN users u ON u.id = l.payer_id
  LEFT JOIN LATERAL (SELECT r.state FROM fraud_reviews r
                      WHERE r.user_id = l.payer_id AND r.rule_id = l.rule_id AND r.state <> 'OPEN' AND r.stands_until > business_now()
                      ORDER BY r.decided_at DESC LIMIT 1) d ON true;

-- name: take_back
-- What counters have too much. They are locked.
UPDATE fraud_counters c SET used = greatest(0, c.used - t.amount)
  FROM unnest(:rule_ids::uuid[], :subjects::bytea[], :amounts::bigint[]) AS t (rule_id, subject, amount)
 WHERE c.rule_id = t.rule_id AND c.subject = t.subject;

-- name: lock_decided
-- The counters that took payments for failed which succeeded, or for spent which failed, locked in the order of the key: by how much.
-- A payment from before a window, or one that the rule did not concern, is not in it.
SELECT c.rule_id, c.subject, CASE r.kind WHEN 'TOTAL_PER_PERSON' THEN p.total_amount ELSE 1 END AS amount
  FROM payments p
  JOIN fraud_rules r ON r.is_enabled AND (r.on_wallets OR p.method <> 'WALLET')
   AND (r.kind = 'FAILURES_PER_PERSON' AND p.id = ANY(:succeeded) OR r.kind = 'TOTAL_PER_PERSON' AND p.id = ANY(:failed) AND r.currency = p.currency)
  JOIN fraud_counters c ON c.rule_id = r.id AND c.subject = uuid_send(p.payer_id) AND c.started_at <= p.created_at
 WHERE p.id = ANY(:succeeded) OR p.id = ANY(:failed)
 ORDER BY c.rule_id, c.subject
   FOR NO KEY UPDATE OF c;

-- name: count_people
-- Adds to the counters of people under every rule of a kind. No payment locks these, it only reads them.
INSERT INTO fraud_counters AS c (rule_id, subject, started_at, ends_at, used)
SELECT r.id, uuid_send(t.user_id), business_now(), business_now() + r.within, t.times
  FROM fraud_rules r CROSS JOIN unnest(:user_ids::uuid[], :times::bigint[]) AS t (user_id, times)
 WHERE r.kind = :kind AND r.is_enabled
 ORDER BY 1, 2
    ON CONFLICT (rule_id, subject) DO UPDATE
   SET used = excluded.used + CASE WHEN c.ends_at > excluded.started_at THEN c.used ELSE 0 END,
       started_at = CASE WHEN c.ends_at > excluded.started_at THEN c.started_at ELSE excluded.started_at END,
       ends_at = CASE WHEN c.ends_at > excluded.started_at THEN c.ends_at ELSE excluded.ends_at END;

-- name: delete_old_counters
-- Some counters whose window ended more than :age ago. One that somebody counts in is left. The limit stands here, so that a plan for
-- any values knows that it is small.
DELETE FROM fraud_counters
 WHERE (rule_id, subject) IN (SELECT rule_id, subject FROM fraud_counters WHERE ends_at < business_now() - :age::interval
                               ORDER BY ends_at LIMIT 1000 FOR UPDATE SKIP LOCKED);

-- name: open_reviews
-- Reviews to be done, in the order of person and rule. No row where that person has an open one under that rule.
INSERT INTO fraud_reviews (id, user_id, rule_id, rule_kind, payable_kind, payable_id, amount, currency, method)
SELECT * FROM unnest(:ids::uuid[], :user_ids::uuid[], :rule_ids::uuid[], :rule_kinds::text[], :payable_kinds::text[], :payable_ids::uuid[],
                     :amounts::bigint[], :currencies::text[], :methods::text[]) AS r (id, user_id, rule_id)
 ORDER BY user_id, rule_id
    ON CONFLICT (user_id, rule_id) WHERE state = 'OPEN' DO NOTHING
RETURNING *;

-- name: list_reviews
-- Reviews, newest first, in one state where asked for.
SELECT * FROM fraud_reviews
 WHERE (:state::text IS NULL OR state = :state::text) AND (:before::uuid IS NULL OR id < :before::uuid)
 ORDER BY id DESC LIMIT :limit;

-- name: lock_review
-- One review, locked for a decision.
SELECT * FROM fraud_reviews WHERE id = :id FOR NO KEY UPDATE;

-- name: decide_review
-- What an admin decided, from this statement on.
UPDATE fraud_reviews
   SET state = :state, note = :note, decided_by = :decided_by, decided_at = business_now(), stands_until = business_now() + :stands::interval,
       version = version + 1
 WHERE id = :id
RETURNING *;
