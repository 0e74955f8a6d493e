-- name: insert_account
-- Where money is to go, from :cooling on.
INSERT INTO payout_accounts (id, payee_id, sealed, usable_at) VALUES (:id, :payee_id, :sealed, business_now() + :cooling::interval)
RETURNING id, payee_id, sealed, usable_at, created_at, usable_at <= business_now() AS is_usable, true AS is_present;

-- name: name_present
-- The account that a payee's money goes to from now on. The payee is locked.
UPDATE payout_payees SET account_id = :account_id WHERE payee_id = :payee_id;

-- name: present_of
-- The present accounts of payees; those who have named none are not in the answer.
SELECT a.id, a.payee_id, a.sealed, a.usable_at, a.created_at, a.usable_at <= business_now() AS is_usable, true AS is_present
  FROM payout_payees p JOIN payout_accounts a ON a.id = p.account_id
 WHERE p.payee_id = ANY(:payee_ids);

-- name: lock_payees
-- Payees in the order of their ids: none of them names another account until the commit.
SELECT payee_id FROM payout_payees WHERE payee_id = ANY(:payee_ids) ORDER BY payee_id FOR NO KEY UPDATE;

-- name: get_accounts
-- Accounts by id.
SELECT a.id, a.payee_id, a.sealed, a.usable_at, a.created_at, a.usable_at <= business_now() AS is_usable,
       a.id IS NOT DISTINCT FROM p.account_id AS is_present
  FROM payout_accounts a JOIN payout_payees p ON p.payee_id = a.payee_id
 WHERE a.id = ANY(:ids);
