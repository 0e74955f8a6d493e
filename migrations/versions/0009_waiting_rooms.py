"""Waiting rooms, the counters that number their places, and the places."""

from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("""
        CREATE TABLE waiting_rooms (
            owner_id uuid NOT NULL,
            owner_kind text NOT NULL,
            state text NOT NULL,
            per_second double precision NOT NULL,
            inside_max integer NOT NULL,
            admitted_up_to bigint NOT NULL DEFAULT 0,
            credit_from timestamptz NOT NULL DEFAULT business_now(),
            moved_at timestamptz NOT NULL DEFAULT business_now(),
            version bigint NOT NULL DEFAULT 1,
            created_at timestamptz NOT NULL DEFAULT business_now(),
            CONSTRAINT waiting_rooms_pkey PRIMARY KEY (owner_id),
            CONSTRAINT waiting_rooms_state CHECK (state IN ('OPEN', 'SOLD_OUT', 'ENDED', 'OFF')),
            CONSTRAINT waiting_rooms_per_second CHECK (per_second BETWEEN 0.01 AND 1000),
            CONSTRAINT waiting_rooms_inside_max CHECK (inside_max > 0),
            CONSTRAINT waiting_rooms_admitted_up_to CHECK (admitted_up_to >= 0)
        ) WITH (fillfactor = 50)
    """)
    # Each process looks at the open ones all the time.
    op.execute("CREATE INDEX waiting_rooms_open_idx ON waiting_rooms (owner_id) WHERE state IN ('OPEN', 'SOLD_OUT')")
    op.execute("GRANT SELECT, INSERT, UPDATE ON waiting_rooms TO holdfast_app")

    # Apart from the room: in a crowd its lock is always taken, and whoever admits must not stand in that line.
    op.execute("""
        CREATE TABLE waiting_counters (
            owner_id uuid NOT NULL,
            last_number bigint NOT NULL DEFAULT 0,
            CONSTRAINT waiting_counters_pkey PRIMARY KEY (owner_id),
            CONSTRAINT waiting_counters_last_number CHECK (last_number >= 0)
        ) WITH (fillfactor = 50)
    """)
    op.execute("GRANT SELECT, INSERT, UPDATE ON waiting_counters TO holdfast_app")

    # No foreign keys: neither owners nor people are ever deleted, and ten thousand join at once.
    op.execute("""
        CREATE TABLE waiting_places (
            owner_id uuid NOT NULL,
            user_id uuid NOT NULL,
            number bigint NOT NULL,
            joined_at timestamptz NOT NULL DEFAULT business_now(),
            admitted_at timestamptz,
            admitted_until timestamptz,
            booking_id uuid,
            joins integer NOT NULL DEFAULT 1,
            CONSTRAINT waiting_places_pkey PRIMARY KEY (owner_id, user_id),
            CONSTRAINT waiting_places_number_key UNIQUE (owner_id, number),
            CONSTRAINT waiting_places_number CHECK (number > 0),
            CONSTRAINT waiting_places_joins CHECK (joins > 0),
            CONSTRAINT waiting_places_window CHECK ((admitted_at IS NULL) = (admitted_until IS NULL) AND admitted_until > admitted_at),
            CONSTRAINT waiting_places_used_when_admitted CHECK (booking_id IS NULL OR admitted_at IS NOT NULL)
        ) WITH (fillfactor = 70)
    """)
    # Who is inside: small, because places leave it with their hold.
    op.execute("""
        CREATE INDEX waiting_places_inside_idx ON waiting_places (owner_id, admitted_until)
         WHERE admitted_at IS NOT NULL AND booking_id IS NULL
    """)
    op.execute("GRANT SELECT, INSERT, UPDATE ON waiting_places TO holdfast_app")


def downgrade() -> None:
    op.execute("DROP TABLE waiting_places, waiting_counters, waiting_rooms")
