"""The rules of codes: what they look like, how long they live, how often they may be asked for."""

import re
import secrets
import unicodedata
from collections.abc import Sequence
from datetime import timedelta

from holdfast.auth.models import ChallengeId
from holdfast.common.errors import Invalid
from holdfast.limits import Limit, Use, network_of
from holdfast.vault import Vault

DIGITS = 6
TRIES = 5
LIFETIME = timedelta(minutes=5)

# Ten challenges a day of five tries each: even across two days nobody guesses at one phone more than 100 times in a row.
BY_PHONE = Limit("otp-phone", 5, timedelta(minutes=10))
BY_PHONE_DAILY = Limit("otp-phone-day", 10, timedelta(days=1))
# Mobile carriers put thousands of people behind one IPv4 address.
BY_NETWORK = Limit("otp-network", 60, timedelta(minutes=10))
# Whoever is paid for messages that arrive asks for them from number after number of one block of ten thousand.
BY_PREFIX = Limit("otp-prefix", 100, timedelta(hours=1))
OVERALL = Limit("otp-overall", 600, timedelta(minutes=1))
_PREFIX_LEAVES_OUT = 4

TEST_CODE = "000000"
_TEST_PHONE = re.compile(r"\+2010000\d{5}")


def new_code() -> str:
    return f"{secrets.randbelow(10**DIGITS):0{DIGITS}}"


def read_code(typed: str) -> str:
    """The six digits that a person typed, in whatever script. Raises Invalid."""
    digits = "".join(str(unicodedata.digit(character)) if character.isdigit() else character for character in typed)
    if len(digits) != DIGITS or not (digits.isascii() and digits.isdigit()):
        raise Invalid(("code", f"Expected the {DIGITS} digits of the code."))
    return digits


def code_hash(vault: Vault, challenge_id: ChallengeId, code: str) -> bytes:
    """What is kept of a code. It is good for its own challenge only."""
    return vault.hashed(f"{challenge_id}:{code}", "otp")


def is_test_phone(phone: str) -> bool:
    """Whether a phone is of the range that is signed in with 000000, where the settings allow that."""
    return _TEST_PHONE.fullmatch(phone) is not None


def uses(vault: Vault, phone: str, address: str) -> Sequence[Use]:
    """What one more code for this phone, asked for from this address, counts as."""
    person = vault.hashed(phone, "limit").hex()[:32]
    prefix = vault.hashed(phone[:-_PREFIX_LEAVES_OUT], "limit").hex()[:32]
    return [
        Use(BY_PHONE, person),
        Use(BY_PHONE_DAILY, person),
        Use(BY_NETWORK, network_of(address)),
        Use(BY_PREFIX, prefix),
        Use(OVERALL, "all"),
    ]
