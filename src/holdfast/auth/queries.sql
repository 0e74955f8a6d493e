-- name: insert_challenge
INSERT INTO otp_challenges (id, phone, code_hash, is_test, tries_left, expires_at)
VALUES (:id, :phone, :code_hash, :is_test, :tries, business_now() + :lifetime)
RETURNING id, expires_at;

-- name: try_code
-- One try, counted whatever comes of it, and the code used up if it is right: however many try at once, one is right and
-- no more than were left are judged. Nothing where there is no try left, or the challenge is not for this phone.
UPDATE otp_challenges
   SET tries_left = tries_left - 1,
       used_at = CASE WHEN code_hash = :code_hash THEN business_now() END
 WHERE id = :id AND used_at IS NULL AND tries_left > 0 AND expires_at > business_now()
   AND (:phone::text IS NULL OR phone = :phone)
RETURNING phone, is_test, used_at IS NOT NULL AS is_right, tries_left;

-- name: insert_login
INSERT INTO logins (id, user_id) VALUES (:id, :user_id) RETURNING id, user_id, generation, ended_at;

-- name: insert_refresh_token
INSERT INTO refresh_tokens (token_hash, login_id, expires_at) VALUES (:token_hash, :login_id, business_now() + :lifetime);

-- name: use_refresh_token
-- Use a token up. Of many who try, one gets it; the others wait for that one and get nothing.
UPDATE refresh_tokens SET used_at = business_now()
 WHERE token_hash = :token_hash AND used_at IS NULL AND expires_at > business_now()
RETURNING login_id;

-- name: read_used_token
SELECT login_id, used_at IS NOT NULL AS was_used, coalesce(used_at > business_now() - :grace::interval, false) AS was_used_just_now
  FROM refresh_tokens WHERE token_hash = :token_hash;

-- name: known_tokens
-- Those of the hashes that are tokens of the sign-in.
SELECT token_hash FROM refresh_tokens WHERE login_id = :login_id AND token_hash = ANY(:token_hashes);

-- name: login_of_token
SELECT login_id FROM refresh_tokens WHERE token_hash = :token_hash;

-- name: user_of
SELECT user_id FROM logins WHERE id = :id;

-- name: read_login
-- None where it is too old to go on, whatever its tokens say.
SELECT id, user_id, generation, ended_at FROM logins WHERE id = :id AND created_at > business_now() - :lifetime_max::interval;

-- name: is_fresh
-- Whether a sign-in that goes on began within a time. Refreshing its tokens does not make it younger.
SELECT ended_at IS NULL AND created_at > business_now() - :within::interval FROM logins WHERE id = :id;

-- name: end_login
UPDATE logins SET generation = generation + 1, changed_at = business_now(), ended_at = business_now(), end_reason = :reason
 WHERE id = :id AND ended_at IS NULL
RETURNING id, user_id, generation, ended_at;

-- name: end_logins_of
-- All of a person's, whose row the caller has locked.
UPDATE logins SET generation = generation + 1, changed_at = business_now(), ended_at = business_now(), end_reason = :reason
 WHERE user_id = :user_id AND ended_at IS NULL
RETURNING id, user_id, generation, ended_at;

-- name: take_back_tokens_of
-- Access tokens of all of a person's sign-ins, whose row the caller has locked. The sign-ins go on.
UPDATE logins SET generation = generation + 1, changed_at = business_now()
 WHERE user_id = :user_id AND ended_at IS NULL
RETURNING id, user_id, generation, ended_at;

-- name: changed_since
-- Sign-ins that changed since a moment, or within :window where there is none, and the moment of this reading. One row with
-- nulls says that there are none.
SELECT business_now() AS read_at, l.id, l.generation
  FROM (VALUES (true)) AS always
  LEFT JOIN logins l ON l.changed_at > coalesce(:since::timestamptz - :overlap::interval, business_now() - :window::interval);

-- name: delete_old_challenges
DELETE FROM otp_challenges
 WHERE id IN (SELECT id FROM otp_challenges WHERE expires_at < business_now() - interval '1 day' LIMIT :limit);

-- name: delete_old_tokens
DELETE FROM refresh_tokens
 WHERE token_hash IN (SELECT token_hash FROM refresh_tokens WHERE expires_at < business_now() - interval '1 day' LIMIT :limit);

-- name: delete_old_logins
-- Those without any token, which nobody can go on with.
DELETE FROM logins
 WHERE id IN (SELECT l.id FROM logins l
               WHERE l.created_at < business_now() - interval '1 day'
                 AND (l.changed_at IS NULL OR l.changed_at < business_now() - interval '1 day')
                 AND NOT EXISTS (SELECT FROM refresh_tokens t WHERE t.login_id = l.id)
               LIMIT :limit);
