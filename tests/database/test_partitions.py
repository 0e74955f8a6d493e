"""Partitions are made ahead, each month once."""

from datetime import UTC, datetime

import psycopg

from holdfast.common.ids import first_id_of
from holdfast.database.partitions import MONTHS_AHEAD, ensure_partitions


def test_months_are_made_ahead_and_only_once(owner_url: str) -> None:
    with psycopg.connect(owner_url) as connection:
        made = ensure_partitions(connection, datetime(2031, 5, 17, tzinfo=UTC))
        assert "events_2031_05" in made
        assert "events_2033_05" in made
        assert len(made) == (MONTHS_AHEAD + 1) * 3
        assert ensure_partitions(connection, datetime(2031, 5, 1, tzinfo=UTC)) == []


def test_rows_fall_into_the_month_that_their_id_carries(owner_url: str) -> None:
    moment = datetime(2031, 12, 31, 23, 59, 59, 999000, tzinfo=UTC)
    with psycopg.connect(owner_url) as connection:
        ensure_partitions(connection, datetime(2031, 12, 1, tzinfo=UTC))
        for at in (moment, datetime(2032, 1, 1, tzinfo=UTC)):
            connection.execute(
                "INSERT INTO events (id, name, subject_kind, subject_id, version, body) VALUES (%s, 'x', 'x', gen_random_uuid(), 1, '{}')",
                (first_id_of(int(at.timestamp() * 1000)),),
            )
        rows = connection.execute("SELECT tableoid::regclass::text FROM events ORDER BY id").fetchall()
    assert rows == [("events_2031_12",), ("events_2032_01",)]
