"""Looks at the rows that were there before the checks of 0011, while everybody goes on reading and writing."""

from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

CHECKS = (
    ("ledger_accounts", "kind"),
    ("ledger_transactions", "purpose"),
    ("payments", "earner"),
    ("payments", "wallet"),
    ("payments", "cash"),
    ("payments", "wallet_amount"),
    ("refunds", "destination"),
)


def upgrade() -> None:
    for table, name in CHECKS:
        op.execute(f"ALTER TABLE {table} VALIDATE CONSTRAINT {table}_{name}")


def downgrade() -> None:
    """What is valid may stay so."""
