"""International bank account numbers (ISO 13616)."""

import re

_SHAPE = re.compile(r"[A-Z]{2}[0-9]{2}[A-Z0-9]{11,30}")
_EGYPTIAN = re.compile(r"EG[0-9]{27}")
_SHOWN_DIGITS = 4


def normalized(text: str) -> str:
    """An IBAN without the spaces that people write it with, in capitals. Raises ValueError where it is none.

    The check digits find every single wrong digit and every two neighbours that were swapped (ISO 7064, mod 97-10).
    """
    iban = "".join(text.split()).upper()
    if not _SHAPE.fullmatch(iban):
        raise ValueError("This is no IBAN: it begins with a country and two digits, such as EG38")
    if iban.startswith("EG") and not _EGYPTIAN.fullmatch(iban):
        raise ValueError("An Egyptian IBAN is EG and 27 digits")
    digits = "".join(str(int(character, 36)) for character in iban[4:] + iban[:4])
    if int(digits) % 97 != 1:
        raise ValueError("The check digits of this IBAN are wrong: compare it with your bank's paper")
    return iban


def masked(iban: str) -> str:
    """The country and the last four digits."""
    return f"{iban[:2]}•• •••• {iban[-_SHOWN_DIGITS:]}"
