"""Tables of payouts, complaints and notifications."""

from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _create_payouts()
    _create_complaints_and_notifications()


def downgrade() -> None:
    _drop_complaints_and_notifications()
    op.execute("DROP TABLE driver_payouts")


def _create_complaints_and_notifications() -> None:
    op.execute("""
        CREATE TABLE complaints (
            id uuid NOT NULL,
            user_id uuid NOT NULL CONSTRAINT complaints_user_id_fkey REFERENCES users (id),
            booking_id uuid NOT NULL CONSTRAINT complaints_booking_id_fkey REFERENCES bookings (id),
            place smallint NOT NULL,
            message text NOT NULL,
            status text NOT NULL DEFAULT 'OPEN',
            admin_note text,
            version bigint NOT NULL DEFAULT 1,
            created_at timestamptz NOT NULL DEFAULT business_now(),
            updated_at timestamptz NOT NULL DEFAULT business_now(),
            CONSTRAINT complaints_pkey PRIMARY KEY (id),
            CONSTRAINT complaints_place CHECK (place BETWEEN 1 AND 3),
            CONSTRAINT complaints_message CHECK (length(message) BETWEEN 1 AND 2000),
            CONSTRAINT complaints_admin_note CHECK (length(admin_note) BETWEEN 1 AND 2000),
            CONSTRAINT complaints_status CHECK (status IN ('OPEN', 'IN_REVIEW', 'CLOSED')),
            CONSTRAINT complaints_closed_with_a_note CHECK (status <> 'CLOSED' OR admin_note IS NOT NULL)
        )
    """)
    # Three places for each booking: two taps at once cannot make a fourth open complaint.
    op.execute("CREATE UNIQUE INDEX complaints_open_idx ON complaints (booking_id, place) WHERE status <> 'CLOSED'")
    op.execute("CREATE INDEX complaints_user_id_idx ON complaints (user_id, id)")
    op.execute("CREATE INDEX complaints_booking_id_idx ON complaints (booking_id, id)")
    op.execute("CREATE INDEX complaints_status_idx ON complaints (status, id)")
    op.execute("GRANT SELECT, INSERT, UPDATE ON complaints TO holdfast_app")

    # No foreign key to users: rows are written from the event log, which must not stop at a person.
    op.execute("""
        CREATE TABLE notifications (
            id uuid NOT NULL,
            user_id uuid NOT NULL,
            event_id uuid NOT NULL,
            type text NOT NULL,
            payload jsonb NOT NULL,
            is_read boolean NOT NULL DEFAULT false,
            created_at timestamptz NOT NULL DEFAULT business_now(),
            CONSTRAINT notifications_pkey PRIMARY KEY (id),
            CONSTRAINT notifications_once UNIQUE (event_id, user_id, type),
            CONSTRAINT notifications_type CHECK (type ~ '^[A-Z_]{3,40}$'),
            CONSTRAINT notifications_payload CHECK (jsonb_typeof(payload) = 'object')
        )
    """)
    op.execute("CREATE INDEX notifications_user_id_idx ON notifications (user_id, id)")
    op.execute("CREATE INDEX notifications_unread_idx ON notifications (user_id, id) WHERE NOT is_read")
    op.execute("GRANT SELECT, INSERT, UPDATE ON notifications TO holdfast_app")


def _drop_complaints_and_notifications() -> None:
    op.execute("DROP TABLE notifications, complaints")


def _create_payouts() -> None:
    op.execute("""
        CREATE TABLE driver_payouts (
            id uuid NOT NULL,
            driver_id uuid NOT NULL CONSTRAINT driver_payouts_driver_id_fkey REFERENCES users (id),
            session_id uuid NOT NULL CONSTRAINT driver_payouts_session_id_fkey REFERENCES driver_sessions (id),
            gross_amount bigint NOT NULL,
            service_fees bigint NOT NULL,
            net_amount bigint NOT NULL,
            currency text NOT NULL,
            status text NOT NULL,
            requested_by uuid NOT NULL,
            approved_by_admin uuid,
            approved_at timestamptz,
            paid_by_admin uuid,
            paid_at timestamptz,
            rejected_by_admin uuid,
            rejected_at timestamptz,
            reject_reason text,
            version bigint NOT NULL DEFAULT 1,
            created_at timestamptz NOT NULL DEFAULT business_now(),
            CONSTRAINT driver_payouts_pkey PRIMARY KEY (id),
            CONSTRAINT driver_payouts_net CHECK (net_amount = gross_amount - service_fees AND net_amount >= 0),
            CONSTRAINT driver_payouts_currency CHECK (currency ~ '^[A-Z]{3}$'),
            CONSTRAINT driver_payouts_status CHECK (status IN ('PENDING', 'APPROVED', 'PAID', 'REJECTED')),
            CONSTRAINT driver_payouts_four_eyes CHECK (approved_by_admin <> requested_by AND approved_by_admin <> driver_id),
            CONSTRAINT driver_payouts_approved CHECK (
                (status IN ('APPROVED', 'PAID')) = (approved_by_admin IS NOT NULL)
                AND (approved_by_admin IS NOT NULL) = (approved_at IS NOT NULL)),
            CONSTRAINT driver_payouts_paid CHECK (
                (status = 'PAID') = (paid_at IS NOT NULL) AND (paid_at IS NOT NULL) = (paid_by_admin IS NOT NULL)),
            CONSTRAINT driver_payouts_rejected CHECK (
                (status = 'REJECTED') = (rejected_at IS NOT NULL) AND (rejected_at IS NOT NULL) = (rejected_by_admin IS NOT NULL)),
            CONSTRAINT driver_payouts_reject_reason CHECK (
                (reject_reason IS NOT NULL) = (status = 'REJECTED') AND length(reject_reason) BETWEEN 1 AND 500)
        )
    """)
    # A session is paid out once: until the first one is rejected there is no second.
    op.execute("CREATE UNIQUE INDEX driver_payouts_one_live_idx ON driver_payouts (session_id) WHERE status <> 'REJECTED'")
    op.execute("CREATE INDEX driver_payouts_driver_id_idx ON driver_payouts (driver_id, id)")
    op.execute("CREATE INDEX driver_payouts_status_idx ON driver_payouts (status, id)")
    op.execute("GRANT SELECT, INSERT, UPDATE ON driver_payouts TO holdfast_app")
