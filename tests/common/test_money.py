"""Money: minor units inside, exactly the digits of the currency outside."""

import iso4217
import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.common.currencies import DIGITS
from holdfast.common.money import Amount, CurrencyMismatch, egp, major_text, minor_units


@pytest.mark.parametrize(
    ("minor", "currency", "text"),
    [(15000, "EGP", "150.00"), (5, "EGP", "0.05"), (-105, "EGP", "-1.05"), (150, "JPY", "150"), (1500, "KWD", "1.500"), (0, "JPY", "0")],
)
def test_amounts_are_written_with_the_digits_of_their_currency(minor: int, currency: str, text: str) -> None:
    assert major_text(minor, currency) == text


def test_the_currencies_are_those_of_iso_4217() -> None:
    assert {each.code: each.exponent for each in iso4217.Currency if each.exponent is not None} == DIGITS


@given(st.integers(-(10**12), 10**12), st.sampled_from(sorted(DIGITS)))
def test_what_is_written_is_read_as_the_same_amount(minor: int, currency: str) -> None:
    assert minor_units(major_text(minor, currency), currency) == minor


def test_currencies_do_not_mix() -> None:
    with pytest.raises(CurrencyMismatch):
        egp(1) + Amount("JPY", 100)
    assert egp(1) + egp(0, 50) == egp(1, 50)
    assert egp(10) * 3 - egp(1) == egp(29)
