"""People over HTTP."""

from typing import Annotated

from litestar import Controller, Response, Router, get, patch
from litestar.di import NamedDependency
from litestar.params import JSONBody, QueryParameter
from msgspec import UNSET

from holdfast.common.actor import Actor, Role, UserId
from holdfast.common.errors import Outdated
from holdfast.common.guards import provided, refusals, requires, tagged
from holdfast.common.paging import PageRequest, PageView
from holdfast.idempotency import IdempotencyKey
from holdfast.idempotency.errors import KeyUsedForAnother, StillRunning
from holdfast.users.dto import AccessChanges, ProfileChanges, UserView
from holdfast.users.errors import OwnAccess, UserUnknown
from holdfast.users.models import PersonRole
from holdfast.users.service import UserService


class UserController(Controller):
    path = "/users"
    tags = ("People",)

    @get("/me", guards=[requires()])
    async def me(self, service: NamedDependency[UserService], actor: NamedDependency[Actor]) -> Response[UserView]:
        """Who you are."""
        user = await service.me(actor)
        return tagged(UserView.of(user), user.version)

    @patch("/me", guards=[requires()], responses=refusals(Outdated, KeyUsedForAnother, StillRunning))
    async def change_me(
        self,
        data: JSONBody[ProfileChanges],
        service: NamedDependency[UserService],
        actor: NamedDependency[Actor],
        version: NamedDependency[int],
        optional_key: NamedDependency[IdempotencyKey | None],
    ) -> Response[UserView]:
        """Change your name or language."""
        user = await service.change_me(actor, optional_key, version, name=data.name, language=data.language)
        return tagged(UserView.of(user), user.version)

    @get("/", guards=[requires(Role.ADMIN)])
    async def list_users(
        self,
        service: NamedDependency[UserService],
        actor: NamedDependency[Actor],
        page: NamedDependency[PageRequest],
        role: PersonRole | None = None,
        is_active: Annotated[bool | None, QueryParameter(name="isActive")] = None,
        phone: str | None = None,
    ) -> PageView[UserView]:
        """Everybody, newest first."""
        found = await service.list_users(actor, page, role=None if role is None else Role(role), is_active=is_active, phone=phone)
        return PageView.of(found, page, UserView.of)

    @get("/{user_id:str}", guards=[requires(Role.ADMIN)], responses=refusals(UserUnknown))
    async def show_user(self, user_id: str, service: NamedDependency[UserService], actor: NamedDependency[Actor]) -> Response[UserView]:
        """One person."""
        user = await service.show_user(actor, UserId.parse(user_id))
        return tagged(UserView.of(user), user.version)

    @patch(
        "/{user_id:str}",
        guards=[requires(Role.ADMIN)],
        responses=refusals(UserUnknown, Outdated, OwnAccess, KeyUsedForAnother, StillRunning),
    )
    async def change_access(
        self,
        user_id: str,
        data: JSONBody[AccessChanges],
        service: NamedDependency[UserService],
        actor: NamedDependency[Actor],
        version: NamedDependency[int],
        optional_key: NamedDependency[IdempotencyKey | None],
    ) -> Response[UserView]:
        """Give a person a role, or stop and allow their signing in. It takes effect at once."""
        user = await service.change_access(
            actor,
            optional_key,
            UserId.parse(user_id),
            version,
            role=None if data.role is UNSET else Role(data.role),
            is_active=None if data.is_active is UNSET else data.is_active,
        )
        return tagged(UserView.of(user), user.version)


def router(service: UserService) -> Router:
    return Router(path="/", route_handlers=[UserController], dependencies={"service": provided(service)})
