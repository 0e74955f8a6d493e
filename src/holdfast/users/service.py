"""What people see and change of themselves, and admins of everybody."""

from msgspec import UNSET, UnsetType

from holdfast import audit, events, idempotency
from holdfast.audit import Deed, Personal
from holdfast.common.actor import Actor, Role, UserId
from holdfast.common.errors import Outdated
from holdfast.common.language import Language
from holdfast.common.paging import Page, PageRequest, encode_cursor
from holdfast.database import Database, Tx, retried
from holdfast.idempotency import IdempotencyKey
from holdfast.users import repository
from holdfast.users.errors import OwnAccess, UserUnknown
from holdfast.users.events import UserChanged
from holdfast.users.models import User
from holdfast.users.people import People
from holdfast.users.phones import e164
from holdfast.vault import PersonalVault


class UserService:
    def __init__(self, database: Database, people: People, vault: PersonalVault, *, default_region: str) -> None:
        """``default_region``: ISO 3166, of phones written without a country code."""
        self._database = database
        self._people = people
        self._vault = vault
        self._default_region = default_region

    async def me(self, actor: Actor) -> User:
        """The caller."""
        async with self._database.reading() as tx:
            return await self._people.get(tx, actor.id)

    @retried
    async def change_me(
        self,
        actor: Actor,
        key: IdempotencyKey | None,
        version: int,
        *,
        name: str | UnsetType | None = UNSET,
        language: Language | UnsetType | None = UNSET,
    ) -> User:
        """Change the caller's profile; what is UNSET stays. Audited. Raises Outdated where ``version`` is no longer the present one."""
        async with self._database.transaction() as tx, idempotency.once(tx, actor, key, User) as once:
            if once.replay:
                return once.replay
            if name is not UNSET:
                # Before the person's row: whoever applies to drive takes the two in this order.
                await self._vault.ensure_key(tx, actor.id)
            before = await self._locked(tx, actor.id, version)
            after = await repository.save_profile(
                tx,
                actor.id,
                before.name if name is UNSET else name,
                before.language if language is UNSET else language,
            )
            await audit.record(tx, [_profile_changed(actor, before, after)], self._vault)
            await events.publish(tx, [UserChanged(user_id=after.id, version=after.version, role=after.role, is_active=after.is_active)])
            return once.keep(after)

    @retried
    async def list_users(
        self, actor: Actor, request: PageRequest, *, role: Role | None = None, is_active: bool | None = None, phone: str | None = None
    ) -> Page[User]:
        """Everybody, newest first. Whom the admin saw is audited. Raises Invalid where ``phone`` is none."""
        number = None if phone is None else e164(phone, self._default_region)
        before = request.after(UserId)
        async with self._database.transaction() as tx:
            found = await repository.page(tx, before, role, is_active, number, request.limit + 1)
            page = Page.cut(found, request, lambda user: encode_cursor(str(user.id)))
            await audit.record(tx, [Deed(actor, "user.viewed", user.id) for user in page.rows])
            return page

    @retried
    async def show_user(self, actor: Actor, user_id: UserId) -> User:
        """One person, for an admin, which is audited. Raises UserUnknown."""
        async with self._database.transaction() as tx:
            found = await self._people.get(tx, user_id)
            await audit.record(tx, [Deed(actor, "user.viewed", user_id)])
            return found

    @retried
    async def change_access(
        self, actor: Actor, key: IdempotencyKey | None, user_id: UserId, version: int, *, role: Role | None, is_active: bool | None
    ) -> User:
        """An admin says what a person may do. Raises UserUnknown, Outdated, OwnAccess."""
        async with self._database.transaction() as tx, idempotency.once(tx, actor, key, User) as once:
            if once.replay:
                return once.replay
            await self._locked(tx, user_id, version)
            if user_id == actor.id and (role not in (None, Role.ADMIN) or is_active is False):
                raise OwnAccess
            return once.keep(await self._people.change_access(tx, actor, user_id, role=role, is_active=is_active))

    async def _locked(self, tx: Tx, user_id: UserId, version: int) -> User:
        found = await repository.lock(tx, user_id)
        if found is None:
            raise UserUnknown
        if found.version != version:
            raise Outdated
        return found


def _profile_changed(actor: Actor, before: User, after: User) -> Deed:
    names = None if before.name == after.name else Personal(after.id, {"name": before.name}, {"name": after.name})
    return Deed(actor, "user.profile_changed", after.id, {"language": before.language}, {"language": after.language}, names)
