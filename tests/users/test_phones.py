"""Phone numbers as people type them."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.common.errors import Invalid
from holdfast.users import e164


@pytest.mark.parametrize(
    "typed",
    ["+201001234567", "01001234567", "0100 123 4567", "+20 100-123-4567", "00201001234567", "٠١٠٠١٢٣٤٥٦٧", " 01001234567 "],
)
def test_every_way_to_write_a_number_is_one_number(typed: str) -> None:
    assert e164(typed, "EG") == "+201001234567"


def test_a_country_code_wins_over_the_region() -> None:
    assert e164("+49 1512 3456789", "EG") == "+4915123456789"


@pytest.mark.parametrize(
    "typed",
    [
        "",
        "+",
        "hello",
        "123",
        "+201001234",
        "+2010012345678",
        "0223456789",
        "+20900123456",
        "01001234567 ext. 5",
        "+201001234567;ext=5",
        "1" * 300,
        "+20100123456\x00",
        "+999123456789",
        "https://example.com/+201001234567" * 5,
    ],
)
def test_what_takes_no_messages_is_refused(typed: str) -> None:
    with pytest.raises(Invalid) as refusal:
        e164(typed, "EG")
    assert refusal.value.facts["errors"] == [
        {"path": "phone", "message": "Expected a mobile number with its country code, such as +201001234567."}
    ]


def test_the_whole_test_range_are_mobile_numbers() -> None:
    assert [e164(f"+2010000{number:05}", "EG") for number in range(0, 100_000, 997)]


@given(st.text(max_size=60))
def test_nothing_typed_is_an_error_of_ours(typed: str) -> None:
    with suppress(Invalid):
        assert e164(typed, "EG").startswith("+")
