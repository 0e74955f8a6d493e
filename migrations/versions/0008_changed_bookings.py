"""A confirmed booking can be changed: what it asked for is then replaced; the audit log keeps what it was."""

from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("GRANT DELETE ON booking_items TO holdfast_app")


def downgrade() -> None:
    op.execute("REVOKE DELETE ON booking_items FROM holdfast_app")
