"""A little program with one route for each manner of the edge. Nothing of it is part of Holdfast."""

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Any

import psycopg
from litestar import Controller, Litestar, Request, Response, Router, delete, get, patch, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, JSONBody, QueryParameter
from msgspec import Meta, Struct
from psycopg import errors as pg

from holdfast.app.edge.asgi import App
from holdfast.common.actor import Actor, Role, UserId
from holdfast.common.errors import NotFound, NotSignedIn, Outdated, Overloaded, Refusal
from holdfast.common.guards import PUBLIC, provided, refusals, requires, tagged
from holdfast.common.ids import Id
from holdfast.common.language import Language
from holdfast.common.money import Amount, JsonAmount, egp
from holdfast.common.paging import Page, PageRequest, PageView, decode_cursor, encode_cursor
from holdfast.config import Settings
from holdfast.database.retries import ConnectionLost
from holdfast.idempotency import IdempotencyKey

PERSON = UserId(int=7)
OTHER = UserId(int=8)
TOKENS = {"passenger": Actor(PERSON, Role.PASSENGER), "admin": Actor(OTHER, Role.ADMIN)}


class ShopId(Id, prefix="shp"):
    __slots__ = ()


class Colour(StrEnum):
    RED = "RED"
    BLUE = "BLUE"


class SoldOutHere(Refusal):
    """There are {available} left at {price}, until {until:time}."""

    code = "sold_out"
    status = 409


class Line(Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    item_name: Annotated[str, Meta(min_length=1, max_length=40)]
    quantity: Annotated[int, Meta(ge=1, le=8)]


class OrderRequest(Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """An order."""

    shop_id: ShopId
    lines: Annotated[list[Line], Meta(min_length=1, max_length=10)]
    colour: Colour | None = None
    wanted_on: date | None = None
    at: Annotated[datetime, Meta(tz=True)] | None = None
    tip: Decimal | None = None
    note: Annotated[str, Meta(max_length=200)] = ""


class OrderView(Struct, frozen=True, rename="camel"):
    shop_id: str
    quantity: int
    total: JsonAmount
    currency: str
    at: datetime

    @classmethod
    def of(cls, shop: ShopId, quantity: int) -> "OrderView":
        total = egp(75) * quantity
        return cls(str(shop), quantity, JsonAmount(total), total.currency, datetime(2026, 5, 1, 12, tzinfo=UTC))


class ShopView(Struct, frozen=True, rename="camel"):
    id: str
    name: str


class NameRequest(Struct, frozen=True, forbid_unknown_fields=True):
    name: Annotated[str, Meta(max_length=40)]


class Shops:
    """What would be a service."""

    def __init__(self) -> None:
        self.ids = [ShopId(int=number) for number in range(1, 26)]
        self.orders = 0
        self.kept: dict[str, OrderView] = {}


class ShopController(Controller):
    path = "/shops"
    tags = ("Shops",)

    @get("/", opt=PUBLIC)
    async def list_shops(
        self, service: NamedDependency[Shops], page: NamedDependency[PageRequest], language: NamedDependency[Language]
    ) -> PageView[ShopView]:
        """List shops."""
        start = int(decode_cursor(page.cursor, parts=1)[0]) if page.cursor else 0
        found = [shop for shop in service.ids if shop.int > start][: page.limit + 1]
        name = "دكان" if language is Language.AR else "Shop"
        cut: Page[ShopId] = Page.cut(found, page, lambda shop: encode_cursor(str(shop.int)))
        return PageView.of(cut, page, lambda shop: ShopView(str(shop), name))

    @get("/search", opt=PUBLIC)
    async def search(
        self,
        text: Annotated[str, QueryParameter(min_length=2, max_length=20)],
        colour: FromQuery[Colour | None] = None,
        seats: Annotated[int | None, QueryParameter(ge=1, le=8)] = None,
        shop: FromQuery[ShopId | None] = None,
        tag: FromQuery[list[str] | None] = None,
    ) -> list[str]:
        """Find shops."""
        return [text, str(colour), str(seats), str(shop), *(tag or [])]

    @get("/{shop_id:str}", opt=PUBLIC, responses=refusals(NotFound))
    async def one(self, shop_id: FromPath[str], service: NamedDependency[Shops]) -> Response[ShopView]:
        """Look at a shop."""
        shop = ShopId.parse(shop_id)
        if shop not in service.ids:
            raise NotFound
        return tagged(ShopView(str(shop), "Shop"), 3)

    @patch("/{shop_id:str}", guards=[requires(Role.ADMIN)], responses=refusals(Outdated))
    async def rename(self, shop_id: FromPath[str], data: JSONBody[NameRequest], version: NamedDependency[int]) -> Response[ShopView]:
        """Rename a shop."""
        shop = ShopId.parse(shop_id)
        if version != 3:
            raise Outdated
        return tagged(ShopView(str(shop), data.name), version + 1)

    @delete("/{shop_id:str}", guards=[requires(Role.ADMIN)])
    async def close(self, shop_id: FromPath[str]) -> None:
        """Close a shop."""
        ShopId.parse(shop_id)


class OrderController(Controller):
    path = "/orders"
    tags = ("Orders",)

    @post("/", guards=[requires()], responses=refusals(SoldOutHere, NotFound))
    async def order(
        self,
        data: JSONBody[OrderRequest],
        service: NamedDependency[Shops],
        actor: NamedDependency[Actor],
        key: NamedDependency[IdempotencyKey],
    ) -> OrderView:
        """Order something."""
        quantity = sum(line.quantity for line in data.lines)
        if quantity > 20:
            raise SoldOutHere(available=20, price=egp(75), until=datetime(2026, 5, 1, 12, 30, tzinfo=UTC), shop_id=data.shop_id)
        if key.text in service.kept:
            key.replayed = True
            return service.kept[key.text]
        service.orders += 1
        service.kept[key.text] = OrderView.of(data.shop_id, quantity)
        return service.kept[key.text]

    @post("/quick", guards=[requires()])
    async def quick(
        self, data: JSONBody[Line], actor: NamedDependency[Actor], optional_key: NamedDependency[IdempotencyKey | None]
    ) -> OrderView:
        """Order quickly."""
        return OrderView.of(ShopId(int=1), data.quantity)

    @post("/optional", opt=PUBLIC)
    async def optional(self, data: JSONBody[Line | None] = None) -> list[str]:
        """Order whatever."""
        return [] if data is None else [data.item_name]


class MannersController(Controller):
    path = "/manners"

    @get("/me", opt=PUBLIC)
    async def me(self, maybe_actor: NamedDependency[Actor | None], address: NamedDependency[str]) -> list[str | None]:
        """Who am I?"""
        return [str(maybe_actor.id) if maybe_actor else None, address]

    @get("/fail/{how:str}", opt=PUBLIC)
    async def fail(self, how: FromPath[str]) -> list[str]:
        """Fail in many ways."""
        raise FAILURES[how]()

    @post("/raw", opt=PUBLIC, status_code=200)
    async def raw(self, request: Request[Any, Any, Any]) -> int:
        """Count bytes."""
        return len(await request.body())


FAILURES: dict[str, Callable[[], Exception]] = {
    "internal": lambda: RuntimeError("the secret is 42"),
    "lock": lambda: pg.LockNotAvailable("canceling statement due to lock timeout"),
    "cancelled": lambda: pg.QueryCanceled("canceling statement due to statement timeout"),
    "lost": lambda: ConnectionLost("server closed the connection"),
    "gone": lambda: psycopg.OperationalError("connection refused"),
    "overloaded": Overloaded,
}


class Town:
    """The program of the tests."""

    def __init__(self, settings: Settings | None = None, routers: Sequence[Router] | None = None) -> None:
        self.settings = settings or Settings(_env_file=None)  # type: ignore[call-arg]
        self.shops = Shops()
        services = {"service": provided(self.shops)}
        self.routers = routers or [Router("/", route_handlers=[ShopController, OrderController, MannersController], dependencies=services)]
        self.root_routers: Sequence[Router] = ()
        self.lifespan: Sequence[Callable[[Litestar], AbstractAsyncContextManager[None]]] = ()
        self.sockets: App | None = None
        self.verified = 0

    async def verify(self, token: str) -> Actor:
        self.verified += 1
        if token not in TOKENS:
            raise NotSignedIn
        return TOKENS[token]


PRICE: Amount = egp(75)
