"""Money: integers in minor units with an ISO 4217 currency beside them, never floats."""

from decimal import Decimal, InvalidOperation
from typing import Self

from msgspec import Raw, Struct

from holdfast.common.currencies import DIGITS


def currency_digits(currency: str) -> int:
    """How many digits the minor unit of a currency has: 2 for EGP, 0 for JPY, 3 for KWD."""
    return DIGITS.get(currency, 2)


class CurrencyMismatch(ValueError):
    """Two amounts of different currencies were added or compared."""


class Amount(Struct, frozen=True, order=True):
    """An amount of money. Adding two currencies is a mistake of the program and raises CurrencyMismatch."""

    currency: str
    minor: int

    def _same(self, other: Self) -> int:
        if other.currency != self.currency:
            raise CurrencyMismatch(f"{self.currency} and {other.currency}")
        return other.minor

    def __add__(self, other: Self) -> Self:
        return type(self)(self.currency, self.minor + self._same(other))

    def __sub__(self, other: Self) -> Self:
        return type(self)(self.currency, self.minor - self._same(other))

    def __mul__(self, times: int) -> Self:
        return type(self)(self.currency, self.minor * times)

    def __neg__(self) -> Self:
        return type(self)(self.currency, -self.minor)

    def __str__(self) -> str:
        return f"{major_text(self.minor, self.currency)} {self.currency}"


def egp(pounds: int, piastres: int = 0) -> Amount:
    return Amount("EGP", pounds * 100 + piastres)


def minor_units(major: float | str, currency: str) -> int:
    """A decimal number in major units, such as ``5.5`` or ``"5.50"``, in minor units.

    Raises ValueError where it is no number or has more digits than the currency: nothing is rounded away.
    """
    try:
        # The shortest decimal that is this float, which is what was written.
        exact = Decimal(repr(major) if isinstance(major, float) else major).scaleb(currency_digits(currency))
    except InvalidOperation:
        raise ValueError(f"{major} is no number") from None
    if not exact.is_finite() or exact != exact.to_integral_value():
        raise ValueError(f"An amount in {currency} has at most {currency_digits(currency)} digits after the point")
    return int(exact)


def major_text(minor: int, currency: str) -> str:
    """Minor units as a decimal number with exactly the digits of the currency: ``15000`` EGP is ``150.00``."""
    digits = currency_digits(currency)
    sign, units = ("-" if minor < 0 else ""), abs(minor)
    if digits == 0:
        return f"{sign}{units}"
    whole, rest = divmod(units, 10**digits)
    return f"{sign}{whole}.{rest:0{digits}}"


class JsonAmount:
    """An amount as views show it: a JSON number in major units, with the currency in a field beside it.

    Neither a Struct nor a dataclass, so that msgspec asks the encoder's hook (``common/wire.py``) how to write it.
    """

    __slots__ = ("amount",)

    def __init__(self, amount: Amount) -> None:
        self.amount = amount

    def raw(self) -> Raw:
        return Raw(major_text(self.amount.minor, self.amount.currency).encode())
