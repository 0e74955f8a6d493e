"""The ledger in full: the order of its log, exchanges, pending transactions, balances rolled up, days that are closed and sealed."""

from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _order_entries()
    _carry_exchanges()
    _create_pending()
    _create_balances()
    _create_days()


def _order_entries() -> None:
    # What was posted before has no place in the log but its start: constants are not written into the rows that are there.
    op.execute("ALTER TABLE ledger_entries ADD COLUMN epoch integer NOT NULL DEFAULT 0, ADD COLUMN xid xid8 NOT NULL DEFAULT '0'")
    op.execute("ALTER TABLE ledger_entries ALTER COLUMN epoch SET DEFAULT log_epoch(), ALTER COLUMN xid SET DEFAULT pg_current_xact_id()")
    # An index of a partitioned table cannot be built concurrently.
    op.execute("""
        -- squawk-ignore require-concurrent-index-creation
        CREATE INDEX ledger_entries_order_idx ON ledger_entries (epoch, xid)
    """)


def _carry_exchanges() -> None:
    op.execute("""
        ALTER TABLE ledger_transactions ADD COLUMN currencies smallint NOT NULL DEFAULT 1, ADD COLUMN exchanged bigint NOT NULL DEFAULT 0
    """)
    op.execute("""
        ALTER TABLE ledger_transactions ADD CONSTRAINT ledger_transactions_exchanged
            CHECK (currencies = 1 OR (currencies = 2 AND exchanged <> 0)) NOT VALID
    """)
    # The column has just been added to a locked table, so reading it through blocks nobody who is not blocked already.
    op.execute("""
        -- squawk-ignore constraint-missing-not-valid
        ALTER TABLE ledger_transactions VALIDATE CONSTRAINT ledger_transactions_exchanged
    """)


def _create_pending() -> None:
    op.execute("""
        CREATE TABLE ledger_pending_transactions (
            id uuid NOT NULL,
            purpose text NOT NULL,
            currency text NOT NULL,
            received bigint NOT NULL,
            given bigint NOT NULL,
            opened_at timestamptz NOT NULL,
            CONSTRAINT ledger_pending_transactions_pkey PRIMARY KEY (id, purpose),
            CONSTRAINT ledger_pending_transactions_sums_to_zero CHECK (received = given AND received > 0)
        )
    """)
    op.execute("GRANT SELECT, INSERT ON ledger_pending_transactions TO holdfast_app")

    # An entry that is pending has a row of sign 1; where its transaction was posted or voided, a second one of sign -1.
    op.execute("""
        CREATE TABLE ledger_pending_entries (
            id uuid NOT NULL,
            sign smallint NOT NULL,
            transaction_id uuid NOT NULL,
            purpose text NOT NULL,
            account_id uuid NOT NULL,
            amount bigint NOT NULL,
            epoch integer NOT NULL DEFAULT log_epoch(),
            xid xid8 NOT NULL DEFAULT pg_current_xact_id(),
            CONSTRAINT ledger_pending_entries_pkey PRIMARY KEY (id, sign),
            CONSTRAINT ledger_pending_entries_sign CHECK (sign = 1 OR sign = -1),
            CONSTRAINT ledger_pending_entries_amount CHECK (amount <> 0)
        )
    """)
    op.execute("CREATE INDEX ledger_pending_entries_order_idx ON ledger_pending_entries (epoch, xid)")
    op.execute("CREATE INDEX ledger_pending_entries_transaction_id_idx ON ledger_pending_entries (transaction_id)")
    op.execute("GRANT SELECT, INSERT ON ledger_pending_entries TO holdfast_app")

    op.execute("""
        CREATE TABLE ledger_pending_ends (
            id uuid NOT NULL,
            purpose text NOT NULL,
            outcome text NOT NULL,
            ended_at timestamptz NOT NULL,
            CONSTRAINT ledger_pending_ends_pkey PRIMARY KEY (id, purpose),
            CONSTRAINT ledger_pending_ends_outcome CHECK (outcome IN ('POSTED', 'VOIDED'))
        )
    """)
    op.execute("GRANT SELECT, INSERT ON ledger_pending_ends TO holdfast_app")

    op.execute("ALTER TABLE ledger_guarded_balances ADD COLUMN pending bigint NOT NULL DEFAULT 0")
    op.execute("""
        ALTER TABLE ledger_guarded_balances ADD CONSTRAINT ledger_guarded_balances_pending
            CHECK (pending >= 0 AND pending <= balance) NOT VALID
    """)
    op.execute("""
        -- squawk-ignore constraint-missing-not-valid
        ALTER TABLE ledger_guarded_balances VALIDATE CONSTRAINT ledger_guarded_balances_pending
    """)


def _create_balances() -> None:
    op.execute("""
        CREATE TABLE ledger_balances (
            account_id uuid NOT NULL,
            balance bigint NOT NULL,
            pending bigint NOT NULL,
            CONSTRAINT ledger_balances_pkey PRIMARY KEY (account_id)
        ) WITH (fillfactor = 60)
    """)
    op.execute("GRANT SELECT, INSERT, UPDATE ON ledger_balances TO holdfast_app")
    op.execute("""
        CREATE TABLE ledger_roll_up (
            is_one boolean NOT NULL DEFAULT true,
            epoch integer NOT NULL,
            xid xid8 NOT NULL,
            rolled_at timestamptz NOT NULL DEFAULT business_now(),
            CONSTRAINT ledger_roll_up_pkey PRIMARY KEY (is_one),
            CONSTRAINT ledger_roll_up_is_one CHECK (is_one)
        )
    """)
    op.execute("INSERT INTO ledger_roll_up (epoch, xid) VALUES (-1, '0')")
    op.execute("GRANT SELECT, UPDATE ON ledger_roll_up TO holdfast_app")


def _create_days() -> None:
    op.execute("""
        CREATE TABLE ledger_closings (
            ends_at timestamptz NOT NULL,
            announced_at timestamptz NOT NULL DEFAULT business_now(),
            CONSTRAINT ledger_closings_pkey PRIMARY KEY (ends_at)
        )
    """)
    op.execute("GRANT SELECT, INSERT ON ledger_closings TO holdfast_app")
    op.execute("""
        CREATE TABLE ledger_days (
            day date NOT NULL,
            zone text NOT NULL,
            starts_at timestamptz NOT NULL,
            ends_at timestamptz NOT NULL,
            entries bigint NOT NULL,
            given jsonb NOT NULL,
            previous_seal bytea NOT NULL,
            seal bytea NOT NULL,
            sealed_at timestamptz NOT NULL DEFAULT business_now(),
            CONSTRAINT ledger_days_pkey PRIMARY KEY (day),
            CONSTRAINT ledger_days_span CHECK (starts_at < ends_at)
        )
    """)
    op.execute("CREATE UNIQUE INDEX ledger_days_starts_at_idx ON ledger_days (starts_at)")
    op.execute("CREATE UNIQUE INDEX ledger_days_ends_at_idx ON ledger_days (ends_at)")
    op.execute("GRANT SELECT, INSERT ON ledger_days TO holdfast_app")
    op.execute("""
        CREATE TABLE ledger_day_balances (
            account_id uuid NOT NULL,
            day date NOT NULL,
            balance bigint NOT NULL,
            CONSTRAINT ledger_day_balances_pkey PRIMARY KEY (account_id, day)
        )
    """)
    op.execute("GRANT SELECT, INSERT ON ledger_day_balances TO holdfast_app")


def downgrade() -> None:
    op.execute("DROP TABLE ledger_day_balances, ledger_days, ledger_closings, ledger_roll_up, ledger_balances")
    op.execute("ALTER TABLE ledger_guarded_balances DROP COLUMN pending")
    op.execute("DROP TABLE ledger_pending_ends, ledger_pending_entries, ledger_pending_transactions")
    op.execute("ALTER TABLE ledger_transactions DROP COLUMN currencies, DROP COLUMN exchanged")
    op.execute("ALTER TABLE ledger_entries DROP COLUMN epoch, DROP COLUMN xid")
