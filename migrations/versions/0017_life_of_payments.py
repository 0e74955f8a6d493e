"""What happens to a payment after its charge: disputes, refunds that admins order, gateways that are off or broken, and what gateways
say that they settled.
"""

from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _also_allow("refunds", "reason", "DECIDED_BY_ADMIN")
    _also_allow("ledger_transactions", "purpose", "GATEWAY_FEE", "GATEWAY_PAYOUT")
    _also_allow("ledger_accounts", "kind", "GATEWAY_COSTS")
    _create_disputes()
    _create_refund_orders()
    _create_availability()
    _create_settlements()


def _create_disputes() -> None:
    op.execute("ALTER TABLE payments ADD COLUMN charged_back_amount bigint NOT NULL DEFAULT 0")
    op.execute("""
        ALTER TABLE payments ADD CONSTRAINT payments_charged_back CHECK (
            0 <= charged_back_amount AND refund_amount + charged_back_amount <= coalesce(captured_amount, 0)) NOT VALID
    """)
    # The column is new: there is nothing in it that could not be valid, and the table is read once.
    op.execute("""
        -- squawk-ignore constraint-missing-not-valid
        ALTER TABLE payments VALIDATE CONSTRAINT payments_charged_back
    """)
    # Some gateways name a disputed payment by their own reference only.
    op.execute("""
        -- squawk-ignore require-concurrent-index-creation
        CREATE INDEX payments_gateway_reference_idx ON payments (gateway_reference) WHERE gateway_reference IS NOT NULL
    """)
    op.execute("""
        CREATE TABLE payment_disputes (
            id uuid NOT NULL,
            payment_id uuid NOT NULL CONSTRAINT payment_disputes_payment_id_fkey REFERENCES payments (id),
            gateway text NOT NULL,
            reference text NOT NULL,
            amount bigint NOT NULL,
            currency text NOT NULL,
            fare_amount bigint NOT NULL,
            service_fee bigint NOT NULL,
            reason text NOT NULL,
            status text NOT NULL,
            version bigint NOT NULL DEFAULT 1,
            opened_at timestamptz NOT NULL DEFAULT business_now(),
            decided_at timestamptz,
            CONSTRAINT payment_disputes_pkey PRIMARY KEY (id),
            CONSTRAINT payment_disputes_amount CHECK (amount > 0),
            CONSTRAINT payment_disputes_booked CHECK (fare_amount >= 0 AND service_fee >= 0 AND fare_amount + service_fee <= amount),
            CONSTRAINT payment_disputes_currency CHECK (currency ~ '^[A-Z]{3}$'),
            CONSTRAINT payment_disputes_status CHECK (status IN ('OPENED', 'WON', 'LOST')),
            CONSTRAINT payment_disputes_decided CHECK ((status = 'OPENED') = (decided_at IS NULL))
        )
    """)
    op.execute("CREATE UNIQUE INDEX payment_disputes_reference_idx ON payment_disputes (gateway, reference)")
    op.execute("CREATE INDEX payment_disputes_payment_id_idx ON payment_disputes (payment_id)")
    op.execute("CREATE INDEX payment_disputes_status_idx ON payment_disputes (status, id)")
    op.execute("GRANT SELECT, INSERT, UPDATE ON payment_disputes TO holdfast_app")


def _create_refund_orders() -> None:
    op.execute("""
        CREATE TABLE refund_orders (
            id uuid NOT NULL,
            payment_id uuid NOT NULL CONSTRAINT refund_orders_payment_id_fkey REFERENCES payments (id),
            amount bigint NOT NULL,
            currency text NOT NULL,
            note text NOT NULL,
            needs_another_admin boolean NOT NULL,
            status text NOT NULL,
            ordered_by uuid NOT NULL,
            decided_by uuid,
            decided_at timestamptz,
            version bigint NOT NULL DEFAULT 1,
            created_at timestamptz NOT NULL DEFAULT business_now(),
            CONSTRAINT refund_orders_pkey PRIMARY KEY (id),
            CONSTRAINT refund_orders_amount CHECK (amount > 0),
            CONSTRAINT refund_orders_currency CHECK (currency ~ '^[A-Z]{3}$'),
            CONSTRAINT refund_orders_note CHECK (length(note) BETWEEN 1 AND 500),
            CONSTRAINT refund_orders_status CHECK (status IN ('PROPOSED', 'DONE', 'REJECTED')),
            CONSTRAINT refund_orders_decided CHECK (
                (status = 'PROPOSED') = (decided_by IS NULL) AND (decided_by IS NULL) = (decided_at IS NULL)),
            CONSTRAINT refund_orders_four_eyes CHECK (NOT needs_another_admin OR decided_by <> ordered_by)
        )
    """)
    op.execute("CREATE INDEX refund_orders_payment_id_idx ON refund_orders (payment_id)")
    op.execute("CREATE INDEX refund_orders_status_idx ON refund_orders (status, id)")
    op.execute("GRANT SELECT, INSERT, UPDATE ON refund_orders TO holdfast_app")


def _create_availability() -> None:
    op.execute("""
        CREATE TABLE payment_switches (
            kind text NOT NULL,
            name text NOT NULL,
            id uuid NOT NULL,
            is_off boolean NOT NULL,
            note text NOT NULL,
            version bigint NOT NULL DEFAULT 1,
            changed_at timestamptz NOT NULL DEFAULT business_now(),
            CONSTRAINT payment_switches_pkey PRIMARY KEY (kind, name),
            CONSTRAINT payment_switches_kind CHECK (kind IN ('GATEWAY', 'METHOD')),
            CONSTRAINT payment_switches_note CHECK (length(note) <= 500)
        )
    """)
    op.execute("GRANT SELECT, INSERT, UPDATE ON payment_switches TO holdfast_app")
    op.execute("""
        CREATE TABLE gateway_breakers (
            gateway text NOT NULL,
            failures integer NOT NULL DEFAULT 0,
            open_until timestamptz,
            CONSTRAINT gateway_breakers_pkey PRIMARY KEY (gateway),
            CONSTRAINT gateway_breakers_failures CHECK (failures >= 0)
        )
    """)
    op.execute("GRANT SELECT, INSERT, UPDATE ON gateway_breakers TO holdfast_app")


def _create_settlements() -> None:
    op.execute("""
        CREATE TABLE settlement_lines (
            id uuid NOT NULL,
            gateway text NOT NULL,
            kind text NOT NULL,
            reference text NOT NULL,
            subject_id uuid,
            gross bigint NOT NULL,
            fee bigint NOT NULL,
            net bigint NOT NULL,
            currency text NOT NULL,
            settled_on date NOT NULL,
            created_at timestamptz NOT NULL DEFAULT business_now(),
            CONSTRAINT settlement_lines_pkey PRIMARY KEY (id),
            CONSTRAINT settlement_lines_kind CHECK (kind IN ('CAPTURE', 'REFUND', 'DISPUTE', 'FEE', 'PAYOUT')),
            CONSTRAINT settlement_lines_currency CHECK (currency ~ '^[A-Z]{3}$')
        )
    """)
    op.execute("CREATE UNIQUE INDEX settlement_lines_reference_idx ON settlement_lines (gateway, kind, reference)")
    op.execute("CREATE INDEX settlement_lines_subject_id_idx ON settlement_lines (subject_id)")
    op.execute("GRANT SELECT, INSERT ON settlement_lines TO holdfast_app")
    op.execute("""
        CREATE TABLE settlement_differences (
            id uuid NOT NULL,
            gateway text NOT NULL,
            source text NOT NULL,
            kind text NOT NULL,
            movement text NOT NULL,
            subject text NOT NULL,
            ours bigint,
            theirs bigint,
            currency text NOT NULL,
            first_seen_at timestamptz NOT NULL DEFAULT business_now(),
            last_seen_at timestamptz NOT NULL DEFAULT business_now(),
            announced_at timestamptz,
            resolved_at timestamptz,
            resolved_by uuid,
            note text,
            version bigint NOT NULL DEFAULT 1,
            CONSTRAINT settlement_differences_pkey PRIMARY KEY (id),
            CONSTRAINT settlement_differences_source CHECK (source IN ('LIST', 'FILE')),
            CONSTRAINT settlement_differences_kind CHECK (
                kind IN ('MISSING_HERE', 'MISSING_THERE', 'OTHER_AMOUNT', 'OTHER_CURRENCY', 'FEE', 'DUPLICATE', 'LATE')),
            CONSTRAINT settlement_differences_movement CHECK (movement IN ('CAPTURE', 'REFUND', 'DISPUTE', 'FEE', 'PAYOUT')),
            CONSTRAINT settlement_differences_currency CHECK (currency ~ '^[A-Z]{3}$'),
            CONSTRAINT settlement_differences_resolved CHECK (
                (resolved_by IS NULL OR resolved_at IS NOT NULL) AND (resolved_by IS NULL) = (note IS NULL)),
            CONSTRAINT settlement_differences_note CHECK (length(note) BETWEEN 1 AND 500)
        )
    """)
    op.execute("CREATE UNIQUE INDEX settlement_differences_once_idx ON settlement_differences (gateway, source, kind, movement, subject)")
    op.execute("CREATE INDEX settlement_differences_open_idx ON settlement_differences (first_seen_at) WHERE resolved_at IS NULL")
    op.execute("GRANT SELECT, INSERT, UPDATE ON settlement_differences TO holdfast_app")


def downgrade() -> None:
    op.execute("DROP TABLE settlement_differences, settlement_lines, gateway_breakers, payment_switches, refund_orders, payment_disputes")
    op.execute("ALTER TABLE payments DROP CONSTRAINT payments_charged_back")
    op.execute("""
        -- squawk-ignore require-concurrent-index-deletion
        DROP INDEX payments_gateway_reference_idx
    """)
    op.execute("ALTER TABLE payments DROP COLUMN charged_back_amount")
    _no_longer_allow("ledger_accounts", "kind", "GATEWAY_COSTS")
    _no_longer_allow("ledger_transactions", "purpose", "GATEWAY_FEE", "GATEWAY_PAYOUT")
    _no_longer_allow("refunds", "reason", "DECIDED_BY_ADMIN")


def _also_allow(table: str, column: str, *values: str) -> None:
    """Add to the values of a column whatever others were allowed before: migrations that add to the same list must not undo each other."""
    _name(table, column, f"UNION SELECT unnest(ARRAY[{_quoted(values)}])")


def _no_longer_allow(table: str, column: str, *values: str) -> None:
    _name(table, column, f"EXCEPT SELECT unnest(ARRAY[{_quoted(values)}])")


def _quoted(values: tuple[str, ...]) -> str:
    return ", ".join(f"'{value}'" for value in values)


def _name(table: str, column: str, change: str) -> None:
    constraint = f"{table}_{column}"
    op.execute(f"""
        DO $change$
        DECLARE listed text;
        BEGIN
            SELECT string_agg(quote_literal(value), ', ' ORDER BY value) INTO listed
              FROM (SELECT listed_before[1] AS value
                      FROM pg_constraint, regexp_matches(pg_get_constraintdef(oid), '''([A-Z_]+)''', 'g') AS listed_before
                     WHERE conname = '{constraint}' AND conrelid = '{table}'::regclass
                    {change}) AS values;
            EXECUTE 'ALTER TABLE {table} DROP CONSTRAINT {constraint}';
            EXECUTE format('ALTER TABLE {table} ADD CONSTRAINT {constraint} CHECK ({column} IN (%s)) NOT VALID', listed);
            EXECUTE 'ALTER TABLE {table} VALIDATE CONSTRAINT {constraint}';
        END
        $change$
    """)
