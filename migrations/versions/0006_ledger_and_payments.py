"""The ledger, payments and refunds, the messages of gateways, and a view that shows payments as they were asked for."""

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _create_ledger()
    _create_payments()
    _create_refunds()
    _create_inbox()


def _create_ledger() -> None:
    op.execute("""
        CREATE TABLE ledger_accounts (
            id uuid NOT NULL,
            kind text NOT NULL,
            owner text NOT NULL,
            currency text NOT NULL,
            created_at timestamptz NOT NULL DEFAULT business_now(),
            CONSTRAINT ledger_accounts_pkey PRIMARY KEY (id),
            CONSTRAINT ledger_accounts_kind CHECK (kind IN ('GATEWAY', 'PAYEE', 'FEES', 'REFUNDS_DUE', 'PAYOUTS_DUE', 'BANK')),
            CONSTRAINT ledger_accounts_currency CHECK (currency ~ '^[A-Z]{3}$')
        )
    """)
    op.execute("CREATE UNIQUE INDEX ledger_accounts_owner_idx ON ledger_accounts (kind, owner, currency)")
    op.execute("GRANT SELECT, INSERT ON ledger_accounts TO holdfast_app")

    # The sums are made by the database from the entries of the same statement: an unbalanced transaction cannot be written.
    op.execute("""
        CREATE TABLE ledger_transactions (
            id uuid NOT NULL,
            purpose text NOT NULL,
            currency text NOT NULL,
            received bigint NOT NULL,
            given bigint NOT NULL,
            posted_at timestamptz NOT NULL,
            CONSTRAINT ledger_transactions_pkey PRIMARY KEY (id, purpose, currency),
            CONSTRAINT ledger_transactions_sums_to_zero CHECK (received = given AND received > 0),
            CONSTRAINT ledger_transactions_purpose
                CHECK (purpose IN ('CAPTURE', 'REFUND_OWED', 'REFUND_PAID', 'PAYOUT_APPROVED', 'PAYOUT_PAID'))
        )
    """)
    op.execute("GRANT SELECT, INSERT ON ledger_transactions TO holdfast_app")

    # No foreign keys: every payment would lock the row of the gateway's account, and `holdfast check` compares anyway.
    op.execute("""
        CREATE TABLE ledger_entries (
            id uuid NOT NULL,
            transaction_id uuid NOT NULL,
            purpose text NOT NULL,
            account_id uuid NOT NULL,
            amount bigint NOT NULL,
            currency text NOT NULL,
            posted_at timestamptz NOT NULL,
            CONSTRAINT ledger_entries_pkey PRIMARY KEY (id),
            CONSTRAINT ledger_entries_amount CHECK (amount <> 0)
        ) PARTITION BY RANGE (id)
    """)
    op.execute("CREATE INDEX ledger_entries_account_id_idx ON ledger_entries (account_id, posted_at)")
    op.execute("CREATE INDEX ledger_entries_transaction_id_idx ON ledger_entries (transaction_id)")
    # Entries come in the order of time: a report over some days reads only the pages of those days.
    op.execute("CREATE INDEX ledger_entries_posted_at_idx ON ledger_entries USING brin (posted_at)")
    op.execute("CREATE TABLE ledger_entries_default PARTITION OF ledger_entries DEFAULT")
    op.execute("GRANT SELECT, INSERT ON ledger_entries TO holdfast_app")


def _create_payments() -> None:
    op.execute("""
        CREATE TABLE payments (
            id uuid NOT NULL,
            payable_kind text NOT NULL,
            payable_id uuid NOT NULL,
            payer_id uuid NOT NULL,
            payee_id uuid NOT NULL,
            fare_amount bigint NOT NULL,
            service_fee bigint NOT NULL,
            total_amount bigint NOT NULL,
            currency text NOT NULL,
            method text NOT NULL,
            gateway text NOT NULL,
            status text NOT NULL,
            gateway_reference text,
            decline_reason text,
            next_action text,
            unknown_since timestamptz,
            settlement text,
            captured_amount bigint,
            captured_currency text,
            captured_at timestamptz,
            refund_amount bigint NOT NULL DEFAULT 0,
            refunded_amount bigint NOT NULL DEFAULT 0,
            idempotency_key text,
            asks integer NOT NULL DEFAULT 0,
            ask_after timestamptz NOT NULL,
            version bigint NOT NULL DEFAULT 1,
            created_at timestamptz NOT NULL DEFAULT business_now(),
            CONSTRAINT payments_pkey PRIMARY KEY (id),
            CONSTRAINT payments_amounts CHECK (fare_amount >= 0 AND service_fee >= 0 AND total_amount > 0),
            CONSTRAINT payments_total CHECK (total_amount = fare_amount + service_fee),
            CONSTRAINT payments_currency CHECK (currency ~ '^[A-Z]{3}$' AND captured_currency ~ '^[A-Z]{3}$'),
            CONSTRAINT payments_method CHECK (method IN ('WALLET', 'CARD', 'PAYPAL', 'MOBILE_WALLET', 'CASH')),
            CONSTRAINT payments_status CHECK (status IN ('INITIATED', 'SUCCESS', 'FAILED', 'REFUNDED')),
            CONSTRAINT payments_settlement CHECK (settlement IN ('KEPT', 'TOO_LATE', 'MISMATCH', 'ALREADY_PAID')),
            CONSTRAINT payments_captured_is_settled CHECK ((status IN ('SUCCESS', 'REFUNDED')) = (settlement IS NOT NULL)),
            CONSTRAINT payments_captured CHECK (
                (settlement IS NOT NULL) = (captured_amount IS NOT NULL) AND (captured_amount IS NOT NULL) = (captured_currency IS NOT NULL)
                AND (captured_amount IS NOT NULL) = (captured_at IS NOT NULL) AND captured_amount > 0),
            CONSTRAINT payments_refunded CHECK (
                0 <= refunded_amount AND refunded_amount <= refund_amount AND refund_amount <= coalesce(captured_amount, 0)),
            CONSTRAINT payments_refunded_in_full CHECK (
                (status = 'REFUNDED') = (settlement IS NOT NULL AND refunded_amount = captured_amount)),
            CONSTRAINT payments_undecided CHECK (status = 'INITIATED' OR (next_action IS NULL AND unknown_since IS NULL))
        ) WITH (fillfactor = 80)
    """)
    # Two taps on "pay" must not make two charges, and of two that were captured all the same only one is kept.
    op.execute("CREATE UNIQUE INDEX payments_one_live_idx ON payments (payable_kind, payable_id) WHERE status = 'INITIATED'")
    op.execute("CREATE UNIQUE INDEX payments_one_kept_idx ON payments (payable_kind, payable_id) WHERE settlement = 'KEPT'")
    op.execute("CREATE INDEX payments_payable_idx ON payments (payable_kind, payable_id, id)")
    op.execute("CREATE INDEX payments_ask_after_idx ON payments (ask_after) WHERE status = 'INITIATED'")
    op.execute("CREATE INDEX payments_captured_at_idx ON payments (captured_at) WHERE captured_at IS NOT NULL")
    op.execute("GRANT SELECT, INSERT, UPDATE ON payments TO holdfast_app")

    op.execute("""
        CREATE VIEW booking_payments AS
        SELECT id, payable_id AS booking_id, fare_amount, service_fee, total_amount, currency, method, status, gateway_reference, created_at
          FROM payments WHERE payable_kind = 'booking'
    """)
    op.execute("GRANT SELECT ON booking_payments TO holdfast_app")


def _create_refunds() -> None:
    op.execute("""
        CREATE TABLE refunds (
            id uuid NOT NULL,
            payment_id uuid NOT NULL CONSTRAINT refunds_payment_id_fkey REFERENCES payments (id),
            fare_amount bigint NOT NULL,
            service_fee bigint NOT NULL,
            amount bigint NOT NULL,
            currency text NOT NULL,
            reason text NOT NULL,
            status text NOT NULL,
            requested_by uuid NOT NULL,
            gateway_reference text,
            decline_reason text,
            asks integer NOT NULL DEFAULT 0,
            ask_after timestamptz NOT NULL DEFAULT business_now(),
            version bigint NOT NULL DEFAULT 1,
            created_at timestamptz NOT NULL DEFAULT business_now(),
            refunded_at timestamptz,
            CONSTRAINT refunds_pkey PRIMARY KEY (id),
            CONSTRAINT refunds_amounts CHECK (fare_amount >= 0 AND service_fee >= 0 AND amount > 0 AND amount = fare_amount + service_fee),
            CONSTRAINT refunds_currency CHECK (currency ~ '^[A-Z]{3}$'),
            CONSTRAINT refunds_reason CHECK (reason IN
                ('CANCELLED_BY_CUSTOMER', 'CALLED_OFF', 'TOO_LATE', 'MISMATCH', 'ALREADY_PAID')),
            CONSTRAINT refunds_status CHECK (status IN ('REQUESTED', 'SUCCESS', 'FAILED')),
            CONSTRAINT refunds_refunded CHECK ((status = 'SUCCESS') = (refunded_at IS NOT NULL))
        ) WITH (fillfactor = 80)
    """)
    op.execute("CREATE INDEX refunds_payment_id_idx ON refunds (payment_id)")
    op.execute("CREATE INDEX refunds_created_at_idx ON refunds (created_at)")
    op.execute("CREATE INDEX refunds_ask_after_idx ON refunds (ask_after) WHERE status = 'REQUESTED'")
    op.execute("GRANT SELECT, INSERT, UPDATE ON refunds TO holdfast_app")


def _create_inbox() -> None:
    op.execute("""
        CREATE TABLE gateway_webhooks (
            id uuid NOT NULL,
            gateway text NOT NULL,
            event_id text NOT NULL,
            facts jsonb NOT NULL,
            body bytea NOT NULL,
            tries integer NOT NULL DEFAULT 0,
            apply_after timestamptz NOT NULL DEFAULT business_now(),
            received_at timestamptz NOT NULL DEFAULT business_now(),
            applied_at timestamptz,
            CONSTRAINT gateway_webhooks_pkey PRIMARY KEY (id)
        )
    """)
    op.execute("CREATE UNIQUE INDEX gateway_webhooks_event_id_idx ON gateway_webhooks (gateway, event_id)")
    op.execute("CREATE INDEX gateway_webhooks_apply_after_idx ON gateway_webhooks (apply_after) WHERE applied_at IS NULL")
    op.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON gateway_webhooks TO holdfast_app")


def downgrade() -> None:
    op.execute("DROP VIEW booking_payments")
    op.execute("DROP TABLE gateway_webhooks, refunds, payments, ledger_entries, ledger_transactions, ledger_accounts")
