"""Array literals mean to PostgreSQL what psycopg's own arrays mean."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from uuid import UUID

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.clusters import Cluster

from holdfast.bookings.models import BookingId
from holdfast.database.arrays import array_literal, quickened

_TEXTS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=20)
_NUMBERS = st.integers(-(2**63), 2**63 - 1)
_ZONES = st.sampled_from([UTC, timezone(timedelta(hours=2))])
_INSTANTS = st.integers(-(10**10), 10**11).flatmap(lambda s: _ZONES.map(lambda zone: datetime.fromtimestamp(s, zone)))
LISTS = {
    "uuid": st.lists(st.uuids()),
    "text": st.lists(_TEXTS),
    "bigint": st.lists(_NUMBERS),
    "bytea": st.lists(st.binary(max_size=40)),
    "timestamptz": st.lists(_INSTANTS),
}


@pytest.fixture(scope="module")
def connection(cluster: Cluster) -> Iterator[psycopg.Connection[tuple[object, ...]]]:
    with psycopg.connect(cluster.postgres.superuser_url, autocommit=True) as opened:
        yield opened


@pytest.mark.parametrize("kind", LISTS)
def test_a_literal_is_read_as_the_list_that_it_was_made_of(connection: psycopg.Connection[tuple[object, ...]], kind: str) -> None:
    @given(LISTS[kind])
    def same(values: list[object]) -> None:
        literal = array_literal(values)
        assert isinstance(literal, str)
        (found,) = connection.execute(f"SELECT %s::{kind}[]".encode(), (literal,)).fetchone() or (None,)
        assert found == values

    same()


@pytest.mark.parametrize("text", ["", "NULL", "null", "{}", 'a"b', "a\\b", "a,b", " ", "\t\n", "مرحبا", "'; DROP TABLE pools; --"])
def test_awkward_texts(connection: psycopg.Connection[tuple[object, ...]], text: str) -> None:
    (found,) = connection.execute("SELECT %s::text[]", (array_literal([text, text]),)).fetchone() or (None,)
    assert found == [text, text]


def test_what_is_not_of_one_plain_type_is_left_to_psycopg() -> None:
    for values in ([1, None], ["a", 1], [True, False], [timedelta(1)], [1.5], [datetime(2026, 1, 1)], [[1]]):  # noqa: DTZ001
        assert array_literal(values) is values
    assert array_literal([BookingId.of(UUID(int=7))]) == "{00000000000000000000000000000007}"
    assert quickened({"ids": [1], "limit": 3, "nothing": None}) == {"ids": "{1}", "limit": 3, "nothing": None}


def test_a_null_character_is_refused_as_ever(connection: psycopg.Connection[tuple[object, ...]]) -> None:
    with pytest.raises(psycopg.DataError):
        connection.execute("SELECT %s::text[]", (array_literal(["\0"]),))
