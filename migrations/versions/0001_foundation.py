"""The ground of the house: business time, the event log, audit, idempotency keys, limits, keys of the vault, jobs."""

from alembic import op
from procrastinate.schema import SchemaManager
from sqlalchemy import text

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("GRANT USAGE ON SCHEMA public TO holdfast_app")

    # The time of the statement, not of the transaction: now() grows stale in a wait for a lock.
    op.execute("CREATE FUNCTION business_now() RETURNS timestamptz LANGUAGE sql STABLE PARALLEL SAFE AS 'SELECT statement_timestamp()'")

    # A restored or copied cluster begins a new epoch, because its transaction ids start anew.
    op.execute(
        "CREATE TABLE log_epochs (epoch integer PRIMARY KEY CONSTRAINT log_epochs_epoch CHECK (epoch > 0),"
        " began_at timestamptz NOT NULL DEFAULT business_now())"
    )
    op.execute("INSERT INTO log_epochs (epoch) VALUES (1)")
    op.execute("GRANT SELECT ON log_epochs TO holdfast_app")
    op.execute("CREATE FUNCTION log_epoch() RETURNS integer LANGUAGE sql STABLE AS 'SELECT max(epoch) FROM log_epochs'")

    op.execute("CREATE SEQUENCE events_position AS bigint")
    op.execute("""
        CREATE TABLE events (
            id uuid NOT NULL,
            epoch integer NOT NULL DEFAULT log_epoch(),
            xid xid8 NOT NULL DEFAULT pg_current_xact_id(),
            position bigint NOT NULL DEFAULT nextval('events_position'),
            name text NOT NULL,
            subject_kind text NOT NULL,
            subject_id uuid NOT NULL,
            version bigint NOT NULL,
            body jsonb NOT NULL,
            occurred_at timestamptz NOT NULL DEFAULT business_now(),
            CONSTRAINT events_pkey PRIMARY KEY (id)
        ) PARTITION BY RANGE (id)
    """)
    op.execute("CREATE INDEX events_order_idx ON events (epoch, xid, position)")
    op.execute("CREATE TABLE events_default PARTITION OF events DEFAULT")
    op.execute("GRANT SELECT, INSERT ON events TO holdfast_app")
    op.execute("GRANT USAGE ON SEQUENCE events_position TO holdfast_app")

    op.execute("""
        CREATE TABLE event_cursors (
            consumer text PRIMARY KEY,
            epoch integer NOT NULL,
            xid xid8 NOT NULL,
            position bigint NOT NULL,
            updated_at timestamptz NOT NULL DEFAULT business_now()
        )
    """)
    op.execute("GRANT SELECT, INSERT, UPDATE ON event_cursors TO holdfast_app")

    op.execute("CREATE SEQUENCE audit_logs_position AS bigint")
    op.execute("""
        CREATE TABLE audit_logs (
            id uuid NOT NULL,
            epoch integer NOT NULL DEFAULT log_epoch(),
            xid xid8 NOT NULL DEFAULT pg_current_xact_id(),
            position bigint NOT NULL DEFAULT nextval('audit_logs_position'),
            actor_id uuid NOT NULL,
            actor_role text NOT NULL CONSTRAINT audit_logs_actor_role
                CHECK (actor_role IN ('PASSENGER', 'DRIVER', 'PROVIDER', 'ADMIN', 'SYSTEM')),
            action text NOT NULL,
            entity text NOT NULL,
            entity_id uuid NOT NULL,
            before jsonb,
            after jsonb,
            created_at timestamptz NOT NULL DEFAULT business_now(),
            CONSTRAINT audit_logs_pkey PRIMARY KEY (id)
        ) PARTITION BY RANGE (id)
    """)
    op.execute("CREATE INDEX audit_logs_order_idx ON audit_logs (epoch, xid, position)")
    op.execute("CREATE INDEX audit_logs_entity_id_idx ON audit_logs (entity_id, id)")
    op.execute("CREATE INDEX audit_logs_actor_id_idx ON audit_logs (actor_id, id)")
    op.execute("CREATE TABLE audit_logs_default PARTITION OF audit_logs DEFAULT")
    op.execute("GRANT SELECT, INSERT ON audit_logs TO holdfast_app")
    op.execute("GRANT USAGE ON SEQUENCE audit_logs_position TO holdfast_app")

    # Narrow on purpose: every hold writes a row here, once, and never updates it.
    op.execute("""
        CREATE TABLE idempotency_keys (
            actor_id uuid NOT NULL,
            key text NOT NULL CONSTRAINT idempotency_keys_key_length CHECK (length(key) BETWEEN 1 AND 255),
            fingerprint bytea NOT NULL,
            result_id uuid,
            answer text,
            created_at timestamptz NOT NULL DEFAULT business_now(),
            CONSTRAINT idempotency_keys_pkey PRIMARY KEY (actor_id, key)
        )
    """)
    op.execute("CREATE INDEX idempotency_keys_created_at_idx ON idempotency_keys USING brin (created_at)")
    op.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON idempotency_keys TO holdfast_app")

    op.execute("""
        CREATE TABLE limit_counters (
            name text NOT NULL,
            subject text NOT NULL,
            window_starts_at timestamptz NOT NULL,
            used integer NOT NULL CONSTRAINT limit_counters_used CHECK (used >= 0),
            CONSTRAINT limit_counters_pkey PRIMARY KEY (name, subject, window_starts_at)
        )
    """)
    op.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON limit_counters TO holdfast_app")

    # Destroying a person's row here makes all that is encrypted under it unreadable, wherever it is kept.
    op.execute("""
        CREATE TABLE vault_keys (
            person_id uuid PRIMARY KEY,
            key_id text NOT NULL,
            wrapped_key bytea NOT NULL,
            created_at timestamptz NOT NULL DEFAULT business_now()
        )
    """)
    op.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON vault_keys TO holdfast_app")

    _create_jobs()


def _create_jobs() -> None:
    """Procrastinate's own schema, in which no colon is a parameter."""
    op.execute(text(SchemaManager.get_schema().replace(":", r"\:")))
    for table in ("procrastinate_jobs", "procrastinate_periodic_defers", "procrastinate_events", "procrastinate_workers"):
        op.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON {table} TO holdfast_app")
    for sequence in (
        "procrastinate_jobs_id_seq",
        "procrastinate_periodic_defers_id_seq",
        "procrastinate_events_id_seq",
        "procrastinate_workers_id_seq",
    ):
        op.execute(f"GRANT USAGE ON SEQUENCE {sequence} TO holdfast_app")


def downgrade() -> None:
    raise NotImplementedError("There is nothing below the first migration: drop the database.")
