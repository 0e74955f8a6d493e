-- name: insert
-- A first application. Nothing where the person has applied before, also where that is being written just now.
INSERT INTO driver_profiles (id, user_id, vehicle_number, vehicle_type, total_seats, license_number, verification_status)
VALUES (:id, :user_id, :vehicle_number, :vehicle_type, :total_seats, :license_number, :status)
    ON CONFLICT (user_id) DO NOTHING
RETURNING id, user_id, vehicle_number, vehicle_type, total_seats, verification_status, rejection_reason, decided_at, version, created_at;

-- name: lock
SELECT id, user_id, vehicle_number, vehicle_type, total_seats, verification_status, rejection_reason, decided_at, version, created_at
  FROM driver_profiles WHERE id = :id FOR NO KEY UPDATE;

-- name: lock_of_user
SELECT id, user_id, vehicle_number, vehicle_type, total_seats, verification_status, rejection_reason, decided_at, version, created_at
  FROM driver_profiles WHERE user_id = :user_id FOR NO KEY UPDATE;

-- name: get
SELECT id, user_id, vehicle_number, vehicle_type, total_seats, verification_status, rejection_reason, decided_at, version, created_at
  FROM driver_profiles WHERE id = :id;

-- name: get_of_user
SELECT id, user_id, vehicle_number, vehicle_type, total_seats, verification_status, rejection_reason, decided_at, version, created_at
  FROM driver_profiles WHERE user_id = :user_id;

-- name: sealed_license
SELECT license_number FROM driver_profiles WHERE id = :id;

-- name: apply_again
-- Other particulars, and the decision is open again. It is locked.
UPDATE driver_profiles
   SET vehicle_number = :vehicle_number, vehicle_type = :vehicle_type, total_seats = :total_seats, license_number = :license_number,
       verification_status = :status, rejection_reason = NULL, decided_by = NULL, decided_at = NULL,
       version = version + 1, updated_at = business_now()
 WHERE id = :id
RETURNING id, user_id, vehicle_number, vehicle_type, total_seats, verification_status, rejection_reason, decided_at, version, created_at;

-- name: decide
-- It is locked.
UPDATE driver_profiles
   SET verification_status = :status, rejection_reason = :reason, decided_by = :admin_id, decided_at = business_now(),
       version = version + 1, updated_at = business_now()
 WHERE id = :id
RETURNING id, user_id, vehicle_number, vehicle_type, total_seats, verification_status, rejection_reason, decided_at, version, created_at;

-- name: page
-- Oldest first, so that who waits longest is decided on first.
SELECT id, user_id, vehicle_number, vehicle_type, total_seats, verification_status, rejection_reason, decided_at, version, created_at
  FROM driver_profiles
 WHERE (:status::text IS NULL OR verification_status = :status)
   AND (:after::uuid IS NULL OR id > :after)
 ORDER BY id LIMIT :limit;
