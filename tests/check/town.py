"""A town in good order, straight into the tables: what ``check`` must find nothing wrong with."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg

from holdfast.ledger.repository import SQL

CONSUMER = "bookings.calling_off"


def build_town(owner_url: str, bookings: int = 400) -> None:
    """Fill a database with ``bookings`` bookings in every state."""
    source = Path(__file__).with_name("town.sql").read_text(encoding="utf-8")
    with psycopg.connect(owner_url) as owner:
        owner.execute(source.replace(":bookings", str(bookings)))
    _keep_books(owner_url)


def _keep_books(owner_url: str) -> None:
    """Roll balances up, and close yesterday and today: nothing more is posted here."""
    today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    with psycopg.connect(owner_url) as owner:
        # What is posted is taken for yesterday's, but for some of it.
        owner.execute("UPDATE ledger_entries SET posted_at = posted_at - interval '1 day' WHERE purpose = 'CAPTURE'")
    added = 0
    while not added:
        # Whatever runs on the server may hold the horizon back for a moment.
        with psycopg.connect(owner_url) as owner:
            ((added,),) = owner.execute(SQL.roll_up.text, {"epoch": -1, "xid": "0", "limit": 100_000}).fetchall()
    with psycopg.connect(owner_url) as owner:
        for starts_at in (today - timedelta(days=1), today):
            span = {"starts_at": starts_at, "ends_at": starts_at + timedelta(days=1)}
            owner.execute(SQL.announce_closing.text, {"ends_at": span["ends_at"]})
            owner.execute(SQL.seal_day.text, {"day": starts_at.date(), "zone": "UTC", **span})
