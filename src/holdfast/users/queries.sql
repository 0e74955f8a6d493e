-- name: find
SELECT id, phone, role, is_active, is_verified, name, language, version, created_at, updated_at FROM users WHERE id = :id;

-- name: find_by_phone
SELECT id, phone, role, is_active, is_verified, name, language, version, created_at, updated_at FROM users WHERE phone = :phone;

-- name: lock
-- The person, to change what they may do. Waits for whoever is just signing in as them (see share).
SELECT id, phone, role, is_active, is_verified, name, language, version, created_at, updated_at
  FROM users WHERE id = :id FOR NO KEY UPDATE;

-- name: share
-- The person, whose role and right to sign in stay as they are until this transaction ends: what a token says of them is
-- true when it commits.
SELECT id, phone, role, is_active, is_verified, name, language, version, created_at, updated_at
  FROM users WHERE id = :id FOR SHARE;

-- name: insert
-- Nothing where the phone has a person already.
INSERT INTO users (id, phone, role, is_verified, language) VALUES (:id, :phone, :role, :is_verified, :language)
    ON CONFLICT (phone) DO NOTHING;

-- name: verify
UPDATE users SET is_verified = true, version = version + 1, updated_at = business_now() WHERE id = :id AND NOT is_verified;

-- name: save_profile
UPDATE users SET name = :name, language = :language, version = version + 1, updated_at = business_now()
 WHERE id = :id
RETURNING id, phone, role, is_active, is_verified, name, language, version, created_at, updated_at;

-- name: save_access
UPDATE users SET role = :role, is_active = :is_active, version = version + 1, updated_at = business_now()
 WHERE id = :id
RETURNING id, phone, role, is_active, is_verified, name, language, version, created_at, updated_at;

-- name: page
-- Newest first, below an id.
SELECT id, phone, role, is_active, is_verified, name, language, version, created_at, updated_at
  FROM users
 WHERE (:before::uuid IS NULL OR id < :before)
   AND (:role::text IS NULL OR role = :role)
   AND (:is_active::boolean IS NULL OR is_active = :is_active)
   AND (:phone::text IS NULL OR phone = :phone)
 ORDER BY id DESC
 LIMIT :limit;
