"""Rules against fraud with a first set of them, the counters that they are judged by, reviews, and payments that demand 3-D Secure."""

from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

# Mild enough for honest people. What would count many people as one, or tells little without a gateway's own tokens, is off at first.
FIRST_RULES = (
    # kind, action, within, uses_max, amount_max, currency, priority, is_enabled
    ("FAILURES_PER_PERSON", "REFUSE", "1 hour", 20, None, None, 100, True),
    ("ATTEMPTS_PER_PERSON", "REFUSE", "1 hour", 60, None, None, 110, True),
    ("ATTEMPTS_PER_DEVICE", "3DS", "1 hour", 60, None, None, 120, True),
    ("ATTEMPTS_PER_CARD", "3DS", "1 hour", 20, None, None, 130, False),
    ("ATTEMPTS_PER_NETWORK", "3DS", "10 minutes", 1000, None, None, 140, False),
    ("AMOUNT_ABOVE", "3DS", None, None, 2_000_000, "EGP", 150, True),
    ("FIRST_OF_YOUNG_ACCOUNT", "3DS", "1 day", None, None, None, 160, False),
    ("TOTAL_PER_PERSON", "REVIEW", "1 day", None, 20_000_000, "EGP", 170, True),
    ("REFUNDS_PER_PERSON", "REVIEW", "7 days", 30, None, None, 180, True),
)


def upgrade() -> None:
    op.execute("""
        CREATE TABLE fraud_rules (
            id uuid NOT NULL,
            kind text NOT NULL,
            action text NOT NULL,
            within interval,
            uses_max integer,
            amount_max bigint,
            currency text,
            priority integer NOT NULL,
            is_enabled boolean NOT NULL,
            on_wallets boolean NOT NULL,
            version bigint NOT NULL DEFAULT 1,
            created_at timestamptz NOT NULL DEFAULT business_now(),
            CONSTRAINT fraud_rules_pkey PRIMARY KEY (id),
            CONSTRAINT fraud_rules_kind CHECK (kind IN (
                'ATTEMPTS_PER_PERSON', 'FAILURES_PER_PERSON', 'ATTEMPTS_PER_CARD', 'ATTEMPTS_PER_DEVICE', 'ATTEMPTS_PER_NETWORK',
                'AMOUNT_ABOVE', 'FIRST_OF_YOUNG_ACCOUNT', 'TOTAL_PER_PERSON', 'REFUNDS_PER_PERSON')),
            CONSTRAINT fraud_rules_action CHECK (action IN ('ALLOW', '3DS', 'REVIEW', 'REFUSE')),
            CONSTRAINT fraud_rules_within CHECK (
                (within IS NULL) = (kind = 'AMOUNT_ABOVE') AND within BETWEEN interval '1 second' AND interval '90 days'),
            CONSTRAINT fraud_rules_uses_max CHECK (
                (uses_max IS NULL) = (kind IN ('AMOUNT_ABOVE', 'TOTAL_PER_PERSON', 'FIRST_OF_YOUNG_ACCOUNT')) AND uses_max >= 0),
            CONSTRAINT fraud_rules_amount_max CHECK (
                (amount_max IS NULL) = (kind NOT IN ('AMOUNT_ABOVE', 'TOTAL_PER_PERSON')) AND amount_max >= 0),
            CONSTRAINT fraud_rules_currency CHECK ((currency IS NULL) = (amount_max IS NULL) AND currency ~ '^[A-Z]{3}$')
        )
    """)
    op.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON fraud_rules TO holdfast_app")
    for kind, action, within, uses_max, amount_max, currency, priority, is_enabled in FIRST_RULES:
        values = ", ".join(_literal(value) for value in (kind, action, within, uses_max, amount_max, currency, priority, is_enabled))
        op.execute(f"""
            INSERT INTO fraud_rules (id, kind, action, within, uses_max, amount_max, currency, priority, is_enabled, on_wallets)
            VALUES (gen_random_uuid(), {values}, false)
        """)

    # No foreign key to rules: a window ends by itself. Most updates only add, so they find room on their page.
    op.execute("""
        CREATE TABLE fraud_counters (
            rule_id uuid NOT NULL,
            subject bytea NOT NULL,
            started_at timestamptz NOT NULL,
            ends_at timestamptz NOT NULL,
            used bigint NOT NULL,
            CONSTRAINT fraud_counters_pkey PRIMARY KEY (rule_id, subject),
            CONSTRAINT fraud_counters_used CHECK (used >= 0)
        ) WITH (fillfactor = 70)
    """)
    op.execute("CREATE INDEX fraud_counters_ends_at_idx ON fraud_counters (ends_at)")
    op.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON fraud_counters TO holdfast_app")

    op.execute("""
        CREATE TABLE fraud_reviews (
            id uuid NOT NULL,
            user_id uuid NOT NULL,
            rule_id uuid NOT NULL,
            rule_kind text NOT NULL,
            payable_kind text NOT NULL,
            payable_id uuid NOT NULL,
            amount bigint NOT NULL,
            currency text NOT NULL,
            method text NOT NULL,
            state text NOT NULL DEFAULT 'OPEN',
            note text,
            decided_by uuid,
            decided_at timestamptz,
            stands_until timestamptz,
            version bigint NOT NULL DEFAULT 1,
            created_at timestamptz NOT NULL DEFAULT business_now(),
            CONSTRAINT fraud_reviews_pkey PRIMARY KEY (id),
            CONSTRAINT fraud_reviews_state CHECK (state IN ('OPEN', 'ALLOWED', 'DENIED')),
            CONSTRAINT fraud_reviews_amount CHECK (amount > 0),
            CONSTRAINT fraud_reviews_currency CHECK (currency ~ '^[A-Z]{3}$'),
            CONSTRAINT fraud_reviews_note CHECK (length(note) BETWEEN 1 AND 500),
            CONSTRAINT fraud_reviews_decided CHECK (
                (state = 'OPEN') = (decided_at IS NULL) AND (decided_at IS NULL) = (decided_by IS NULL)
                AND (decided_at IS NULL) = (stands_until IS NULL) AND (decided_at IS NULL) = (note IS NULL))
        )
    """)
    # However often somebody tries, there is one review to be done.
    op.execute("CREATE UNIQUE INDEX fraud_reviews_open_idx ON fraud_reviews (user_id, rule_id) WHERE state = 'OPEN'")
    op.execute("CREATE INDEX fraud_reviews_decided_idx ON fraud_reviews (user_id, rule_id, decided_at) WHERE state <> 'OPEN'")
    op.execute("CREATE INDEX fraud_reviews_state_idx ON fraud_reviews (state, id)")
    op.execute("GRANT SELECT, INSERT, UPDATE ON fraud_reviews TO holdfast_app")

    # A constant default is kept in the catalogue: no row is written.
    op.execute("ALTER TABLE payments ADD COLUMN authenticate boolean NOT NULL DEFAULT false")


def downgrade() -> None:
    op.execute("ALTER TABLE payments DROP COLUMN authenticate")
    op.execute("DROP TABLE fraud_reviews, fraud_counters, fraud_rules")


def _literal(value: str | int | bool | None) -> str:
    if value is None:
        return "NULL"
    return str(value).lower() if isinstance(value, bool | int) else f"'{value}'"
