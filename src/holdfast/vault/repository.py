"""The statements of the vault."""

from typing import cast
from uuid import UUID

from holdfast.database import Tx, queries

SQL = queries(__file__)


async def read_key(tx: Tx, person_id: UUID) -> bytes | None:
    return cast("bytes | None", await tx.value(SQL.read_key, person_id=person_id))


async def insert_key(tx: Tx, person_id: UUID, key_id: str, wrapped_key: bytes) -> bool:
    """Whether it was this transaction that made the key."""
    return await tx.run(SQL.insert_key, person_id=person_id, key_id=key_id, wrapped_key=wrapped_key) == 1


async def delete_key(tx: Tx, person_id: UUID) -> None:
    await tx.run(SQL.delete_key, person_id=person_id)
