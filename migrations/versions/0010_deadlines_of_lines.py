"""A line of a hold has the hold's deadline, so that what lapsed on a pool is found by the pool, however much lapsed elsewhere.

The version before writes lines without it, so it has to be stopped first.
"""

from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Readers of the view lock it before the table.
    op.execute("LOCK TABLE driver_session_seats")
    # Live holds only, so few rows: locking them for a moment is better than a migration in three parts.
    op.execute("ALTER TABLE hold_lines ADD COLUMN expires_at timestamptz")
    op.execute("UPDATE hold_lines l SET expires_at = h.expires_at FROM holds h WHERE h.id = l.hold_id")
    op.execute("""
        -- squawk-ignore adding-not-nullable-field
        ALTER TABLE hold_lines ALTER COLUMN expires_at SET NOT NULL
    """)
    op.execute("""
        -- squawk-ignore require-concurrent-index-creation
        CREATE INDEX hold_lines_pool_id_expires_at_idx ON hold_lines (pool_id, expires_at)
    """)
    op.execute("""
        -- squawk-ignore require-concurrent-index-deletion
        DROP INDEX hold_lines_pool_id_idx
    """)
    op.execute(_seats("(SELECT sum(l.quantity) FROM hold_lines l WHERE l.pool_id = p.id AND l.expires_at <= business_now())"))


def downgrade() -> None:
    op.execute(
        _seats(
            "(SELECT sum(l.quantity) FROM hold_lines l JOIN holds h ON h.id = l.hold_id"
            "  WHERE l.pool_id = p.id AND h.expires_at <= business_now())"
        )
    )
    op.execute("CREATE INDEX hold_lines_pool_id_idx ON hold_lines (pool_id)")
    op.execute("DROP INDEX hold_lines_pool_id_expires_at_idx")
    op.execute("ALTER TABLE hold_lines DROP COLUMN expires_at")


def _seats(lapsed: str) -> str:
    return f"""
        CREATE OR REPLACE VIEW driver_session_seats AS
        SELECT s.id, s.driver_id, s.route_id, s.station_id, p.capacity AS total_seats,
               CASE WHEN s.status IN ('ACTIVE', 'FULL') THEN p.capacity - p.sold - p.held + coalesce({lapsed}, 0)::integer
                    ELSE 0 END AS available_seats,
               s.status, s.started_at, s.ended_at
          FROM driver_sessions s JOIN pools p ON p.owner_kind = 'session' AND p.owner_id = s.id
    """
