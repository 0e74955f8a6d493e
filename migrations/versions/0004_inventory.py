"""The core: pools, holds, the lines of each, and a view that shows holds as they were asked for."""

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Pages keep room for the next version of a row beside it, and no counter is indexed: counting stays a HOT update.
    op.execute("""
        CREATE TABLE pools (
            id uuid NOT NULL,
            owner_kind text NOT NULL,
            owner_id uuid NOT NULL,
            starts_at timestamptz NOT NULL,
            ends_at timestamptz,
            capacity integer NOT NULL,
            held integer NOT NULL DEFAULT 0,
            sold integer NOT NULL DEFAULT 0,
            version bigint NOT NULL DEFAULT 1,
            closed_at timestamptz,
            CONSTRAINT pools_pkey PRIMARY KEY (id),
            CONSTRAINT pools_counters CHECK (held >= 0 AND sold >= 0 AND held + sold <= capacity),
            CONSTRAINT pools_period CHECK (ends_at IS NULL OR ends_at > starts_at)
        ) WITH (fillfactor = 60)
    """)
    op.execute("CREATE UNIQUE INDEX pools_owner_idx ON pools (owner_kind, owner_id, starts_at)")
    op.execute("GRANT SELECT, INSERT, UPDATE ON pools TO holdfast_app")

    op.execute("""
        CREATE TABLE holds (
            id uuid NOT NULL,
            expires_at timestamptz NOT NULL,
            created_at timestamptz NOT NULL DEFAULT business_now(),
            CONSTRAINT holds_pkey PRIMARY KEY (id),
            CONSTRAINT holds_lifetime CHECK (expires_at > created_at)
        )
    """)
    op.execute("CREATE INDEX holds_expires_at_idx ON holds (expires_at)")
    op.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON holds TO holdfast_app")

    # No foreign keys: whoever holds the hold's row owns its lines, and a check for each line costs a fifth of the rate.
    op.execute("""
        CREATE TABLE hold_lines (
            hold_id uuid NOT NULL,
            pool_id uuid NOT NULL,
            quantity integer NOT NULL,
            CONSTRAINT hold_lines_pkey PRIMARY KEY (hold_id, pool_id),
            CONSTRAINT hold_lines_quantity CHECK (quantity > 0)
        )
    """)
    op.execute("CREATE INDEX hold_lines_pool_id_idx ON hold_lines (pool_id)")
    op.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON hold_lines TO holdfast_app")

    op.execute("""
        CREATE TABLE sold_lines (
            hold_id uuid NOT NULL,
            pool_id uuid NOT NULL,
            quantity integer NOT NULL,
            CONSTRAINT sold_lines_pkey PRIMARY KEY (hold_id, pool_id),
            CONSTRAINT sold_lines_quantity CHECK (quantity > 0)
        )
    """)
    op.execute("CREATE INDEX sold_lines_pool_id_idx ON sold_lines (pool_id)")
    op.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON sold_lines TO holdfast_app")


def downgrade() -> None:
    op.execute("DROP TABLE sold_lines, hold_lines, holds, pools")
