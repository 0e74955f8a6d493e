"""A town in good order, straight into the tables: what ``check`` must find nothing wrong with."""

from pathlib import Path

import psycopg

CONSUMER = "bookings.calling_off"


def build_town(owner_url: str, bookings: int = 400) -> None:
    """Fill a database with ``bookings`` bookings in every state."""
    source = Path(__file__).with_name("town.sql").read_text(encoding="utf-8")
    with psycopg.connect(owner_url) as owner:
        owner.execute(source.replace(":bookings", str(bookings)))
