"""Microbus sessions, bookings and what was booked, and the views that show seats, holds and bookings as they were asked for."""

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("""
        CREATE TABLE driver_sessions (
            id uuid NOT NULL,
            driver_id uuid NOT NULL CONSTRAINT driver_sessions_driver_id_fkey REFERENCES users (id),
            route_id uuid NOT NULL CONSTRAINT driver_sessions_route_id_fkey REFERENCES routes (id),
            station_id uuid NOT NULL CONSTRAINT driver_sessions_station_id_fkey REFERENCES stations (id),
            vehicle_number text NOT NULL,
            fare bigint NOT NULL,
            currency text NOT NULL,
            status text NOT NULL,
            started_at timestamptz NOT NULL DEFAULT business_now(),
            ended_at timestamptz,
            cancel_note text,
            version bigint NOT NULL DEFAULT 1,
            CONSTRAINT driver_sessions_pkey PRIMARY KEY (id),
            CONSTRAINT driver_sessions_status CHECK (status IN ('ACTIVE', 'FULL', 'CLOSED', 'CANCELLED')),
            CONSTRAINT driver_sessions_fare CHECK (fare >= 0),
            CONSTRAINT driver_sessions_currency CHECK (currency ~ '^[A-Z]{3}$'),
            CONSTRAINT driver_sessions_ended CHECK ((ended_at IS NOT NULL) = (status IN ('CLOSED', 'CANCELLED')))
        ) WITH (fillfactor = 70)
    """)
    # One vehicle cannot wait at two stations.
    op.execute("CREATE UNIQUE INDEX driver_sessions_one_open_idx ON driver_sessions (driver_id) WHERE status IN ('ACTIVE', 'FULL')")
    op.execute("CREATE INDEX driver_sessions_driver_id_idx ON driver_sessions (driver_id, id)")
    op.execute("CREATE INDEX driver_sessions_open_route_idx ON driver_sessions (route_id, id) WHERE status IN ('ACTIVE', 'FULL')")
    op.execute("CREATE INDEX driver_sessions_open_station_idx ON driver_sessions (station_id, id) WHERE status IN ('ACTIVE', 'FULL')")
    op.execute("GRANT SELECT, INSERT, UPDATE ON driver_sessions TO holdfast_app")

    # No foreign keys to owners, customers and pools: they are never deleted, and checks for each row cost a fifth of the rate.
    op.execute("""
        CREATE TABLE bookings (
            id uuid NOT NULL,
            customer_id uuid NOT NULL,
            kind text NOT NULL,
            owner_id uuid NOT NULL,
            quantity integer NOT NULL,
            status text NOT NULL,
            fare bigint NOT NULL,
            service_fee bigint NOT NULL,
            currency text NOT NULL,
            payee_id uuid NOT NULL,
            held_until timestamptz NOT NULL,
            available_after integer NOT NULL,
            extended_at timestamptz,
            confirmed_at timestamptz,
            ended_at timestamptz,
            end_reason text,
            version bigint NOT NULL DEFAULT 1,
            created_at timestamptz NOT NULL DEFAULT business_now(),
            CONSTRAINT bookings_pkey PRIMARY KEY (id),
            CONSTRAINT bookings_quantity CHECK (quantity > 0),
            CONSTRAINT bookings_money CHECK (fare >= 0 AND service_fee >= 0),
            CONSTRAINT bookings_currency CHECK (currency ~ '^[A-Z]{3}$'),
            CONSTRAINT bookings_status CHECK (status IN ('PENDING', 'CONFIRMED', 'CANCELLED', 'EXPIRED')),
            CONSTRAINT bookings_ended CHECK ((ended_at IS NOT NULL) = (status IN ('CANCELLED', 'EXPIRED'))),
            CONSTRAINT bookings_reason CHECK ((end_reason IS NOT NULL) = (ended_at IS NOT NULL)),
            CONSTRAINT bookings_end_reason CHECK (end_reason IN
                ('RELEASED_BY_CUSTOMER', 'CANCELLED_BY_CUSTOMER', 'CALLED_OFF', 'LAPSED', 'SALES_CLOSED')),
            CONSTRAINT bookings_confirmed CHECK (status <> 'CONFIRMED' OR confirmed_at IS NOT NULL)
        ) WITH (fillfactor = 80)
    """)
    op.execute("CREATE INDEX bookings_customer_id_idx ON bookings (customer_id, id)")
    # Small, because bookings leave it as soon as they are paid for or lapse.
    op.execute("CREATE INDEX bookings_pending_idx ON bookings (customer_id) WHERE status = 'PENDING'")
    op.execute("CREATE INDEX bookings_owner_idx ON bookings (owner_id, id)")
    op.execute("GRANT SELECT, INSERT, UPDATE ON bookings TO holdfast_app")

    # What was asked for and at what price, from the hold on and for ever: late money retakes from it.
    op.execute("""
        CREATE TABLE booking_items (
            booking_id uuid NOT NULL,
            pool_id uuid NOT NULL,
            quantity integer NOT NULL,
            amount bigint NOT NULL,
            currency text NOT NULL,
            CONSTRAINT booking_items_pkey PRIMARY KEY (booking_id, pool_id),
            CONSTRAINT booking_items_quantity CHECK (quantity > 0),
            CONSTRAINT booking_items_amount CHECK (amount >= 0)
        )
    """)
    op.execute("GRANT SELECT, INSERT ON booking_items TO holdfast_app")

    op.execute("""
        CREATE VIEW driver_session_seats AS
        SELECT s.id, s.driver_id, s.route_id, s.station_id, p.capacity AS total_seats,
               CASE WHEN s.status IN ('ACTIVE', 'FULL') THEN
                    p.capacity - p.sold - p.held
                    + coalesce((SELECT sum(l.quantity) FROM hold_lines l JOIN holds h ON h.id = l.hold_id
                                 WHERE l.pool_id = p.id AND h.expires_at <= business_now()), 0)::integer
                    ELSE 0 END AS available_seats,
               s.status, s.started_at, s.ended_at
          FROM driver_sessions s JOIN pools p ON p.owner_kind = 'session' AND p.owner_id = s.id
    """)
    op.execute("""
        CREATE VIEW seat_holds AS
        SELECT h.id, b.owner_id AS session_id, b.customer_id AS passenger_id, l.quantity AS seats_count, h.expires_at, h.created_at
          FROM holds h JOIN hold_lines l ON l.hold_id = h.id JOIN bookings b ON b.id = h.id
         WHERE b.kind = 'session'
    """)
    op.execute("""
        CREATE VIEW session_bookings AS
        SELECT id, owner_id AS session_id, customer_id AS passenger_id, quantity AS seats_count, status, created_at
          FROM bookings WHERE kind = 'session'
    """)
    op.execute("GRANT SELECT ON driver_session_seats, seat_holds, session_bookings TO holdfast_app")


def downgrade() -> None:
    op.execute("DROP VIEW session_bookings, seat_holds, driver_session_seats")
    op.execute("DROP TABLE booking_items, bookings, driver_sessions")
