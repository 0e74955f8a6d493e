"""Fields that are encrypted under the secret of the settings."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.vault import Unreadable, Vault, derived_key

SECRET = "a secret of at least thirty-two characters"
HERE = "driver_profiles/license_number/1"


@given(st.binary(max_size=500), st.text(max_size=50))
def test_what_is_sealed_can_be_opened(plaintext: bytes, context: str) -> None:
    vault = Vault(SECRET)
    assert vault.open(vault.seal(plaintext, context), context) == plaintext


def test_sealing_twice_looks_different() -> None:
    vault = Vault(SECRET)
    assert vault.seal_text("29001011234567", HERE) != vault.seal_text("29001011234567", HERE)


def test_a_value_moved_to_another_row_cannot_be_opened() -> None:
    vault = Vault(SECRET)
    with pytest.raises(Unreadable):
        vault.open(vault.seal(b"mine", HERE), "driver_profiles/license_number/2")


def test_every_altered_byte_is_noticed() -> None:
    vault = Vault(SECRET)
    sealed = vault.seal(b"29001011234567", HERE)
    for place in range(len(sealed)):
        altered = bytearray(sealed)
        altered[place] ^= 1
        with pytest.raises(Unreadable):
            vault.open(bytes(altered), HERE)
    for length in range(len(sealed)):
        with pytest.raises(Unreadable):
            vault.open(sealed[:length], HERE)


def test_rotation_reads_old_values_and_seals_under_the_new_secret() -> None:
    old, rotated, later = Vault("the old secret"), Vault("the new secret", "the old secret"), Vault("the new secret", "")
    sealed_before = old.seal_text("29001011234567", HERE)
    assert rotated.open_text(sealed_before, HERE) == "29001011234567"
    sealed_after = rotated.seal_text("29001011234567", HERE)
    assert later.open_text(sealed_after, HERE) == "29001011234567"
    with pytest.raises(Unreadable, match="no longer in the settings"):
        later.open_text(sealed_before, HERE)


def test_purposes_have_keys_of_their_own() -> None:
    assert derived_key(SECRET, "one") != derived_key(SECRET, "two")
    vault = Vault(SECRET)
    assert vault.hashed("+201000012345", "limit") == vault.hashed("+201000012345", "limit")
    assert len({vault.hashed("+201000012345", "limit"), vault.hashed("+201000012345", "code"), vault.hashed("+201000012346", "limit")}) == 3
