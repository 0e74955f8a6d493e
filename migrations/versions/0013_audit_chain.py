"""The chain of the audit log: a seal for each of its rows, and where the chain ends."""

from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Narrow: one row for each row of the audit log, and never an update.
    op.execute("""
        CREATE TABLE audit_seals (
            number bigint NOT NULL,
            log_id uuid NOT NULL,
            epoch integer NOT NULL,
            xid xid8 NOT NULL,
            position bigint NOT NULL,
            hash bytea NOT NULL,
            CONSTRAINT audit_seals_pkey PRIMARY KEY (number),
            CONSTRAINT audit_seals_number CHECK (number > 0),
            CONSTRAINT audit_seals_hash CHECK (length(hash) = 32)
        )
    """)
    op.execute("GRANT SELECT, INSERT ON audit_seals TO holdfast_app")
    # One row. Whoever has its lock seals.
    op.execute("""
        CREATE TABLE audit_chain_head (
            one boolean NOT NULL DEFAULT true,
            number bigint NOT NULL,
            hash bytea NOT NULL,
            epoch integer NOT NULL,
            xid xid8 NOT NULL,
            position bigint NOT NULL,
            sealed_at timestamptz NOT NULL DEFAULT business_now(),
            CONSTRAINT audit_chain_head_pkey PRIMARY KEY (one),
            CONSTRAINT audit_chain_head_one CHECK (one),
            CONSTRAINT audit_chain_head_hash CHECK (length(hash) = 32)
        ) WITH (fillfactor = 50)
    """)
    op.execute("INSERT INTO audit_chain_head (number, hash, epoch, xid, position) VALUES (0, decode(repeat('00', 32), 'hex'), 0, '0', 0)")
    op.execute("GRANT SELECT, UPDATE ON audit_chain_head TO holdfast_app")


def downgrade() -> None:
    op.execute("DROP TABLE audit_seals, audit_chain_head")
