"""Tables of payouts, complaints and notifications."""

from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _create_complaints_and_notifications()


def downgrade() -> None:
    _drop_complaints_and_notifications()


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
