"""Encrypts values that are personal or secret, some of them under a key of one person's own, which can be destroyed."""

from holdfast.vault.keyring import Unreadable, Vault, derived_key
from holdfast.vault.people import Forgotten, PersonalVault

__all__ = ["Forgotten", "PersonalVault", "Unreadable", "Vault", "derived_key"]
