"""The statements of people."""

from typing import cast

from holdfast.common.actor import Role, UserId
from holdfast.common.language import Language
from holdfast.database import Tx, queries
from holdfast.users.models import User

SQL = queries(__file__)


async def find(tx: Tx, user_id: UserId) -> User | None:
    return await tx.first(SQL.find, User, id=user_id)


async def find_by_phone(tx: Tx, phone: str) -> User | None:
    return await tx.first(SQL.find_by_phone, User, phone=phone)


async def lock(tx: Tx, user_id: UserId) -> User | None:
    return await tx.first(SQL.lock, User, id=user_id)


async def share(tx: Tx, user_id: UserId) -> User | None:
    return await tx.first(SQL.share, User, id=user_id)


async def insert(tx: Tx, user_id: UserId, phone: str, role: Role, *, is_verified: bool, language: Language | None) -> bool:
    """False where the phone has a person already."""
    return await tx.run(SQL.insert, id=user_id, phone=phone, role=role, is_verified=is_verified, language=language) == 1


async def verify(tx: Tx, user_id: UserId) -> bool:
    """False where the person was verified already."""
    return await tx.run(SQL.verify, id=user_id) == 1


async def save_profile(tx: Tx, user_id: UserId, name: str | None, language: Language | None) -> User:
    return cast(User, await tx.first(SQL.save_profile, User, id=user_id, name=name, language=language))


async def save_access(tx: Tx, user_id: UserId, role: Role, *, is_active: bool) -> User:
    return cast(User, await tx.first(SQL.save_access, User, id=user_id, role=role, is_active=is_active))


async def page(tx: Tx, before: UserId | None, role: Role | None, is_active: bool | None, phone: str | None, limit: int) -> list[User]:
    return await tx.all(SQL.page, User, before=before, role=role, is_active=is_active, phone=phone, limit=limit)
