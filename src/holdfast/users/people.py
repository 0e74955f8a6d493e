"""What other modules may ask and change about people, inside their own transactions."""

from typing import Protocol

from holdfast import audit, events
from holdfast.audit import Deed
from holdfast.common.actor import Actor, Role, UserId
from holdfast.common.language import Language
from holdfast.database import Tx
from holdfast.users import repository
from holdfast.users.errors import UserUnknown
from holdfast.users.events import UserChanged, UserSignedUp
from holdfast.users.models import User


class SignIns(Protocol):
    """Whoever gives out tokens: told, inside the commit, when what they say is no longer true."""

    async def take_back(self, tx: Tx, user_id: UserId) -> None:
        """Access tokens of this person count no longer. They get new ones with their refresh tokens."""

    async def end(self, tx: Tx, user_id: UserId) -> None:
        """This person is signed out everywhere."""


class NobodyIsSignedIn:
    """Where no module gives out tokens."""

    async def take_back(self, tx: Tx, user_id: UserId) -> None:
        pass

    async def end(self, tx: Tx, user_id: UserId) -> None:
        pass


class People:
    """``sign_ins`` is named once, by the module that signs people in."""

    def __init__(self) -> None:
        self.sign_ins: SignIns = NobodyIsSignedIn()

    async def get(self, tx: Tx, user_id: UserId) -> User:
        """Raises UserUnknown."""
        found = await repository.find(tx, user_id)
        if found is None:
            raise UserUnknown
        return found

    async def with_phone(self, tx: Tx, phone: str) -> User | None:
        """``phone`` in E.164."""
        return await repository.find_by_phone(tx, phone)

    async def sign_in(self, tx: Tx, phone: str, language: Language) -> User:
        """The person who just showed that this phone is theirs, made now if there was none. Stays as read until the commit.

        Whether the person may sign in (``is_active``) is for the caller to look at.
        """
        found = await repository.find_by_phone(tx, phone)
        if found is None:
            found = await self._make(tx, phone, Role.PASSENGER, is_verified=True, language=language)
        if not found.is_verified and await repository.verify(tx, found.id):
            found = await self.get(tx, found.id)
            await self._announce(tx, found)
        return await self.hold_still(tx, found.id)

    async def hold_still(self, tx: Tx, user_id: UserId) -> User:
        """The person, whose role and right to sign in nobody changes until the commit. Raises UserUnknown."""
        found = await repository.share(tx, user_id)
        if found is None:
            raise UserUnknown
        return found

    async def make_admin(self, tx: Tx, actor: Actor, phone: str) -> User:
        """The person with this phone as an admin who may sign in, made now if there was none."""
        found = await repository.find_by_phone(tx, phone) or await self._make(tx, phone, Role.PASSENGER, is_verified=False, language=None)
        return await self.change_access(tx, actor, found.id, role=Role.ADMIN, is_active=True)

    async def change_access(
        self, tx: Tx, actor: Actor, user_id: UserId, *, role: Role | None = None, is_active: bool | None = None
    ) -> User:
        """What a person may do from now on; None leaves it as it is. Audited. Raises UserUnknown.

        Access tokens that say otherwise count no longer, and who may not sign in any more is signed out.
        """
        before = await repository.lock(tx, user_id)
        if before is None:
            raise UserUnknown
        role = before.role if role is None else role
        is_active = before.is_active if is_active is None else is_active
        if (role, is_active) == (before.role, before.is_active):
            return before
        after = await repository.save_access(tx, user_id, role, is_active=is_active)
        if not is_active or role is Role.ADMIN:
            # Who becomes an admin signs in anew: the old sign-in may rest on less, on a test phone even.
            await self.sign_ins.end(tx, user_id)
        elif role is not before.role:
            await self.sign_ins.take_back(tx, user_id)
        await audit.record(tx, [Deed(actor, "user.access_changed", user_id, before=_access(before), after=_access(after))])
        await self._announce(tx, after)
        return after

    async def _make(self, tx: Tx, phone: str, role: Role, *, is_verified: bool, language: Language | None) -> User:
        """Two who sign in with one phone for the first time become one person: the second waits for the first."""
        user_id = UserId.new()
        if await repository.insert(tx, user_id, phone, role, is_verified=is_verified, language=language):
            await events.publish(tx, [UserSignedUp(user_id=user_id, version=1)])
            return await self.get(tx, user_id)
        made = await repository.find_by_phone(tx, phone)
        if made is None:
            raise UserUnknown
        return made

    async def _announce(self, tx: Tx, user: User) -> None:
        await events.publish(tx, [UserChanged(user_id=user.id, version=user.version, role=user.role, is_active=user.is_active)])


def _access(user: User) -> dict[str, object]:
    return {"role": user.role, "is_active": user.is_active}
