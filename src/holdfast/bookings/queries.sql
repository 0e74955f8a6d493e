-- name: insert_held
-- Bookings of a batch, PENDING, with the deadline and the free units of their first answer, and what they asked of which pools.
WITH items AS (
    INSERT INTO booking_items (booking_id, pool_id, quantity, amount, currency)
    SELECT * FROM unnest(:item_booking_ids::uuid[], :item_pool_ids::uuid[], :item_quantities::integer[], :item_amounts::bigint[],
                         :item_currencies::text[])
)
INSERT INTO bookings (id, customer_id, kind, owner_id, quantity, status, fare, service_fee, currency, payee_id, held_until, available_after,
                      created_at)
SELECT id, customer_id, kind, owner_id, quantity, 'PENDING', fare, service_fee, currency, payee_id, held_until, available_after, created_at
  FROM unnest(:ids::uuid[], :customer_ids::uuid[], :kinds::text[], :owner_ids::uuid[], :quantities::integer[], :fares::bigint[],
              :service_fees::bigint[], :currencies::text[], :payee_ids::uuid[], :held_untils::timestamptz[], :available_afters::integer[],
              :created_ats::timestamptz[])
       AS b (id, customer_id, kind, owner_id, quantity, fare, service_fee, currency, payee_id, held_until, available_after, created_at);

-- name: insert_items
-- What a changed booking asks of which pools.
INSERT INTO booking_items (booking_id, pool_id, quantity, amount, currency)
SELECT :id, i.pool_id, i.quantity, i.amount, :currency
  FROM unnest(:pool_ids::uuid[], :quantities::integer[], :amounts::bigint[]) AS i (pool_id, quantity, amount);

-- name: count_holds
-- What limits holding, in one read. Without an owner: how many live holds each of these customers has, where it is :live_from or more.
-- With one: how often they held what it offers within a time, and neither have it any more nor paid for it, where that is :unpaid_from
-- or more, and when the first of these was; what was closed or called off is nobody's fault. :since_id is the smallest id of that
-- time, which is all that the index knows.
SELECT b.customer_id, NULL::uuid AS owner_id, count(*)::integer AS holds, min(b.created_at) AS first_at
  FROM bookings b JOIN holds h ON h.id = b.id
 WHERE b.customer_id = ANY(:customer_ids) AND b.status = 'PENDING' AND h.expires_at > business_now()
 GROUP BY b.customer_id HAVING count(*) >= :live_from
UNION ALL
SELECT b.customer_id, b.owner_id, count(*)::integer, min(b.created_at)
  FROM bookings b
 WHERE b.customer_id = ANY(:customer_ids) AND b.owner_id = ANY(:owner_ids) AND b.id >= :since_id
   AND b.end_reason IN ('RELEASED_BY_CUSTOMER', 'LAPSED') AND b.confirmed_at IS NULL AND b.created_at > business_now() - :within::interval
 GROUP BY b.customer_id, b.owner_id HAVING count(*) >= :unpaid_from;

-- name: get
-- Bookings by id, for showing; their deadline from the hold.
SELECT b.*, h.expires_at FROM bookings b LEFT JOIN holds h ON h.id = b.id WHERE b.id = ANY(:ids);

-- name: lock
-- Bookings by id, locked in that order, their holds before them (the caller's duty).
SELECT * FROM bookings WHERE id = ANY(:ids) ORDER BY id FOR NO KEY UPDATE;

-- name: history
-- A page of one customer's bookings, newest first.
SELECT b.*, h.expires_at FROM bookings b LEFT JOIN holds h ON h.id = b.id
 WHERE b.customer_id = :customer_id AND (:before::uuid IS NULL OR b.id < :before::uuid)
   AND (:status::text IS NULL OR b.status = :status)
 ORDER BY b.id DESC LIMIT :limit;

-- name: items
-- What bookings asked of which pools.
SELECT booking_id, pool_id, quantity FROM booking_items WHERE booking_id = ANY(:ids) ORDER BY booking_id, pool_id;

-- name: end
-- Bookings that ended. They are locked.
UPDATE bookings SET status = :status, ended_at = business_now(), end_reason = :reason, version = version + 1
 WHERE id = ANY(:ids) AND status = ANY(:sources)
RETURNING *;

-- name: confirm
-- Bookings that were paid for. They are locked.
UPDATE bookings SET status = 'CONFIRMED', confirmed_at = business_now(), ended_at = NULL, end_reason = NULL, version = version + 1
 WHERE id = ANY(:ids) AND status = ANY(:sources)
RETURNING *;

-- name: check_in
-- The customer of a confirmed booking is on board. It is locked.
UPDATE bookings SET checked_in_at = business_now(), version = version + 1
 WHERE id = :id AND status = 'CONFIRMED' AND checked_in_at IS NULL
RETURNING *;

-- name: change
-- What a confirmed booking is of now. It is locked.
UPDATE bookings SET owner_id = :owner_id, quantity = :quantity, fare = :fare, version = version + 1 WHERE id = :id RETURNING *;

-- name: delete_items
-- What a booking asked for before it was changed; the audit log keeps it. The booking is locked.
DELETE FROM booking_items WHERE booking_id = :id;

-- name: mark_extended
-- The deadline moves once per booking.
UPDATE bookings SET extended_at = business_now(), version = version + 1 WHERE id = :id AND extended_at IS NULL RETURNING version;

-- name: some_open_of
-- At most :limit bookings on these pools that are still PENDING or CONFIRMED: what calling off has yet to cancel.
SELECT b.id FROM bookings b
 WHERE b.status IN ('PENDING', 'CONFIRMED')
   AND b.id IN (SELECT hold_id FROM hold_lines WHERE pool_id = ANY(:pool_ids)
                UNION ALL SELECT hold_id FROM sold_lines WHERE pool_id = ANY(:pool_ids))
 ORDER BY b.id LIMIT :limit;

-- name: ids_of_owner
-- Every booking that was ever made of what an owner offers, by id.
SELECT id FROM bookings WHERE owner_id = :owner_id ORDER BY id;
