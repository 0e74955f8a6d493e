"""Personal values in the audit log: encrypted under the key of their person, so that destroying the key erases them and changes no row."""

from base64 import b64decode, b64encode
from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from holdfast.common.actor import UserId
from holdfast.database import Tx
from holdfast.vault import Forgotten, PersonalVault, Unreadable

ERASED = "erased"
UNREADABLE = "unreadable"
_MEMBER = "personal"
_PERSON = "person"

Texts = Mapping[str, str | None]


class Personal(Struct, frozen=True):
    """Values of one person that a deed keeps, as they were before and after it. None is a value that is not there."""

    person_id: UserId
    before: Texts | None = None
    after: Texts | None = None


async def encrypted(tx: Tx, vault: PersonalVault, person_id: UserId, texts: Texts | None) -> dict[str, object]:
    """The member of before or of after that keeps these values; none where there are none."""
    if texts is None:
        return {}
    kept: dict[str, object] = {_PERSON: str(person_id)}
    for name, text in texts.items():
        kept[name] = None if text is None else b64encode(await vault.seal_for(tx, person_id, text)).decode()
    return {_MEMBER: kept}


async def readable(tx: Tx, vault: PersonalVault, facts: dict[str, Any] | None) -> dict[str, Any] | None:
    """Facts as an auditor may read them: personal values decrypted, those of somebody whose key was destroyed ``ERASED``."""
    if facts is None or _MEMBER not in facts:
        return facts
    kept = dict(facts[_MEMBER])
    person_id = UserId.parse(kept.pop(_PERSON))
    opened = {name: None if text is None else await _opened(tx, vault, person_id, text) for name, text in kept.items()}
    return facts | {_MEMBER: {_PERSON: str(person_id), **opened}}


async def _opened(tx: Tx, vault: PersonalVault, person_id: UserId, text: str) -> str:
    try:
        return await vault.open_for(tx, person_id, b64decode(text))
    except Forgotten:
        return ERASED
    except Unreadable:
        # The secret of the vault is another one, or somebody changed the row, which the chain will tell.
        return UNREADABLE
