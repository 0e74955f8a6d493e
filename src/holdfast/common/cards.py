"""Numbers of payment cards, which have no business here: found, so that they are refused and never written down.

What counts is the length and the first digit that a scheme gives its cards, and the check digit (ISO/IEC 7812, Luhn). One number in
ten would have it by chance: a key or an id that is refused for it is made anew.
"""

import re

# A run of digits that stands by itself. Grouped as people write it, too: other groups are ids and dates.
_RUN = re.compile(
    r"""(?x)
    (?:(?<=%[0-9A-Fa-f]{2})|(?<![0-9A-Za-z%]))
    (?:[0-9]{13,19} | [0-9]{4}([ -])[0-9]{4}\1[0-9]{4}\1[0-9]{1,7} | 3[0-9]{3}([ -])[0-9]{6}\2[0-9]{5})
    (?![0-9A-Za-z])"""
)
_LENGTHS = {"2": {16}, "3": {14, 15, 16}, "4": {13, 16, 19}, "5": {16}, "6": {16, 17, 18, 19}}


def holds_card_number(text: str) -> bool:
    """Whether the number of a card is written in a text."""
    return any(is_card_number(run.group()) for run in _RUN.finditer(text))


def is_card_number(text: str) -> bool:
    """Whether digits, with or without blanks between them, may be the number of a card."""
    digits = re.sub("[ -]", "", text)
    return len(digits) in _LENGTHS.get(digits[:1], ()) and has_check_digit(digits)


def has_check_digit(digits: str) -> bool:
    doubled = [int(digit) if index % 2 == 0 else sum(divmod(2 * int(digit), 10)) for index, digit in enumerate(reversed(digits))]
    return sum(doubled) % 10 == 0
