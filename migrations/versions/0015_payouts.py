"""Where payouts go, the batches in which they go to the bank, what becomes of them there, and what is set off against them."""

from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

STATES_BEFORE = ("PENDING", "APPROVED", "PAID", "REJECTED")
STATES = ("PENDING", "APPROVED", "IN_BATCH", "PAID", "RETURNED", "REJECTED", "CANCELLED")
LIVE_BEFORE = "status <> 'REJECTED'"
LIVE = "status NOT IN ('REJECTED', 'CANCELLED', 'RETURNED')"
APPROVED_BEFORE = """(status IN ('APPROVED', 'PAID')) = (approved_by_admin IS NOT NULL)
    AND (approved_by_admin IS NOT NULL) = (approved_at IS NOT NULL)"""
APPROVED = """(status IN ('APPROVED', 'IN_BATCH', 'PAID', 'RETURNED')) = (approved_by_admin IS NOT NULL)
    AND (approved_by_admin IS NOT NULL) = (approved_at IS NOT NULL)"""
PAID_BEFORE = "(status = 'PAID') = (paid_at IS NOT NULL) AND (paid_at IS NOT NULL) = (paid_by_admin IS NOT NULL)"
PAID = """(status = 'PAID') <= (paid_at IS NOT NULL) AND (paid_at IS NULL OR status IN ('PAID', 'RETURNED'))
    AND (paid_at IS NOT NULL) = (paid_by_admin IS NOT NULL)"""


def upgrade() -> None:
    _create_payees_and_accounts()
    _create_batches()
    op.execute("""
        ALTER TABLE driver_payouts
            ADD COLUMN set_off_amount bigint NOT NULL DEFAULT 0,
            ADD COLUMN batch_id uuid,
            ADD COLUMN returned_by_admin uuid,
            ADD COLUMN returned_at timestamptz,
            ADD COLUMN return_reason text,
            ADD COLUMN cancelled_at timestamptz
    """)
    _replace("status", f"status IN ({_listed(STATES)})")
    _replace("approved", APPROVED)
    _replace("paid", PAID)
    _check("set_off", "set_off_amount BETWEEN 0 AND net_amount")
    _check("batch", "batch_id IS NULL OR status IN ('IN_BATCH', 'PAID', 'RETURNED')")
    _check("sent_in_a_batch", "status NOT IN ('IN_BATCH', 'RETURNED') OR batch_id IS NOT NULL")
    _check(
        "returned",
        """(status = 'RETURNED') = (returned_at IS NOT NULL) AND (returned_at IS NOT NULL) = (returned_by_admin IS NOT NULL)
           AND (returned_at IS NOT NULL) = (return_reason IS NOT NULL) AND length(return_reason) BETWEEN 1 AND 140""",
    )
    _check("cancelled", "(status = 'CANCELLED') = (cancelled_at IS NOT NULL)")
    # A row for each session that was asked to be paid for, and nobody sells by it: locking it for a moment is better than having no
    # wall against a second payout for a while.
    op.execute("""
        -- squawk-ignore require-concurrent-index-deletion
        DROP INDEX driver_payouts_one_live_idx
    """)
    op.execute(f"""
        -- squawk-ignore require-concurrent-index-creation
        CREATE UNIQUE INDEX driver_payouts_one_live_idx ON driver_payouts (session_id) WHERE {LIVE}
    """)
    op.execute("""
        -- squawk-ignore require-concurrent-index-creation
        CREATE INDEX driver_payouts_batch_id_idx ON driver_payouts (batch_id) WHERE batch_id IS NOT NULL
    """)


def _create_payees_and_accounts() -> None:
    op.execute("""
        CREATE TABLE payout_payees (
            payee_id uuid NOT NULL CONSTRAINT payout_payees_payee_id_fkey REFERENCES users (id),
            account_id uuid,
            CONSTRAINT payout_payees_pkey PRIMARY KEY (payee_id)
        )
    """)
    op.execute("GRANT SELECT, INSERT, UPDATE ON payout_payees TO holdfast_app")
    # Where money once went is never changed: whoever moves to another account adds one.
    op.execute("""
        CREATE TABLE payout_accounts (
            id uuid NOT NULL,
            payee_id uuid NOT NULL CONSTRAINT payout_accounts_payee_id_fkey REFERENCES users (id),
            sealed bytea NOT NULL,
            usable_at timestamptz NOT NULL,
            created_at timestamptz NOT NULL DEFAULT business_now(),
            CONSTRAINT payout_accounts_pkey PRIMARY KEY (id),
            CONSTRAINT payout_accounts_cooling CHECK (usable_at >= created_at)
        )
    """)
    op.execute("CREATE INDEX payout_accounts_payee_id_idx ON payout_accounts (payee_id)")
    op.execute("GRANT SELECT, INSERT ON payout_accounts TO holdfast_app")


def _create_batches() -> None:
    op.execute("""
        CREATE TABLE payout_batches (
            id uuid NOT NULL,
            status text NOT NULL,
            currency text NOT NULL,
            payouts integer NOT NULL,
            total_amount bigint NOT NULL,
            execute_on date NOT NULL,
            debtor_name text NOT NULL,
            debtor_iban text NOT NULL,
            debtor_bic text,
            csv_sha256 bytea NOT NULL,
            xml_sha256 bytea NOT NULL,
            made_by_admin uuid NOT NULL,
            approved_by_admin uuid,
            approved_at timestamptz,
            cancelled_by_admin uuid,
            cancelled_at timestamptz,
            version bigint NOT NULL DEFAULT 1,
            created_at timestamptz NOT NULL,
            CONSTRAINT payout_batches_pkey PRIMARY KEY (id),
            CONSTRAINT payout_batches_status CHECK (status IN ('MADE', 'APPROVED', 'CANCELLED')),
            CONSTRAINT payout_batches_currency CHECK (currency ~ '^[A-Z]{3}$'),
            CONSTRAINT payout_batches_amounts CHECK (payouts > 0 AND total_amount > 0),
            CONSTRAINT payout_batches_four_eyes CHECK (approved_by_admin <> made_by_admin),
            CONSTRAINT payout_batches_approved CHECK (
                (status = 'APPROVED') = (approved_at IS NOT NULL) AND (approved_at IS NOT NULL) = (approved_by_admin IS NOT NULL)),
            CONSTRAINT payout_batches_cancelled CHECK (
                (status = 'CANCELLED') = (cancelled_at IS NOT NULL) AND (cancelled_at IS NOT NULL) = (cancelled_by_admin IS NOT NULL)),
            CONSTRAINT payout_batches_sums CHECK (octet_length(csv_sha256) = 32 AND octet_length(xml_sha256) = 32)
        )
    """)
    op.execute("GRANT SELECT, INSERT, UPDATE ON payout_batches TO holdfast_app")
    op.execute("""
        CREATE TABLE payout_batch_items (
            batch_id uuid NOT NULL CONSTRAINT payout_batch_items_batch_id_fkey REFERENCES payout_batches (id),
            payout_id uuid NOT NULL CONSTRAINT payout_batch_items_payout_id_fkey REFERENCES driver_payouts (id),
            account_id uuid NOT NULL CONSTRAINT payout_batch_items_account_id_fkey REFERENCES payout_accounts (id),
            amount bigint NOT NULL,
            CONSTRAINT payout_batch_items_pkey PRIMARY KEY (batch_id, payout_id),
            CONSTRAINT payout_batch_items_amount CHECK (amount > 0)
        )
    """)
    op.execute("GRANT SELECT, INSERT ON payout_batch_items TO holdfast_app")


def downgrade() -> None:
    op.execute("DROP INDEX driver_payouts_batch_id_idx")
    op.execute("DROP INDEX driver_payouts_one_live_idx")
    op.execute(f"CREATE UNIQUE INDEX driver_payouts_one_live_idx ON driver_payouts (session_id) WHERE {LIVE_BEFORE}")
    for name in ("set_off", "batch", "sent_in_a_batch", "returned", "cancelled"):
        op.execute(f"ALTER TABLE driver_payouts DROP CONSTRAINT driver_payouts_{name}")
    _replace("status", f"status IN ({_listed(STATES_BEFORE)})")
    _replace("approved", APPROVED_BEFORE)
    _replace("paid", PAID_BEFORE)
    op.execute("""
        ALTER TABLE driver_payouts DROP COLUMN set_off_amount, DROP COLUMN batch_id, DROP COLUMN returned_by_admin,
            DROP COLUMN returned_at, DROP COLUMN return_reason, DROP COLUMN cancelled_at
    """)
    op.execute("DROP TABLE payout_batch_items, payout_batches, payout_accounts, payout_payees")


def _listed(values: tuple[str, ...]) -> str:
    return ", ".join(f"'{value}'" for value in values)


def _replace(name: str, condition: str) -> None:
    op.execute(f"""
        -- squawk-ignore ban-drop-constraint
        ALTER TABLE driver_payouts DROP CONSTRAINT driver_payouts_{name}
    """)
    _check(name, condition)


def _check(name: str, condition: str) -> None:
    op.execute(f"ALTER TABLE driver_payouts ADD CONSTRAINT driver_payouts_{name} CHECK ({condition}) NOT VALID")
    op.execute(f"""
        -- squawk-ignore constraint-missing-not-valid
        ALTER TABLE driver_payouts VALIDATE CONSTRAINT driver_payouts_{name}
    """)
