"""Wallets over HTTP."""

from litestar import Controller, Response, Router, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody

from holdfast.common.actor import Actor
from holdfast.common.errors import Invalid
from holdfast.common.guards import provided, refusals, requires, tagged
from holdfast.common.money import Amount, minor_units
from holdfast.common.paging import PageRequest, PageView
from holdfast.idempotency import IdempotencyKey
from holdfast.wallets.dto import TopUpRequest, TopUpView, WalletEntryView, WalletView
from holdfast.wallets.errors import TopUpUnknown
from holdfast.wallets.models import TopUpId
from holdfast.wallets.service import WalletService


class WalletController(Controller):
    path = "/wallet"
    tags = ("Wallet",)

    @get("/", guards=[requires()])
    async def read_wallet(self, service: NamedDependency[WalletService], actor: NamedDependency[Actor]) -> WalletView:
        """What is in your wallet."""
        return WalletView.of(await service.read(actor))

    @get("/entries", guards=[requires()])
    async def list_entries(
        self, service: NamedDependency[WalletService], actor: NamedDependency[Actor], page: NamedDependency[PageRequest]
    ) -> PageView[WalletEntryView]:
        """What came into your wallet and left it, newest first."""
        return PageView.of(await service.list_entries(actor, page), page, WalletEntryView.of)

    @post("/top-ups", guards=[requires()])
    async def open_top_up(
        self,
        data: JSONBody[TopUpRequest],
        service: NamedDependency[WalletService],
        actor: NamedDependency[Actor],
        key: NamedDependency[IdempotencyKey],
    ) -> Response[TopUpView]:
        """Fill your wallet: then pay for the top-up with POST /payments/pay and its topUpId. The money is there with the payment."""
        try:
            amount = Amount(service.currency, minor_units(data.amount, service.currency))
        except ValueError as error:
            raise Invalid(("amount", f"{error}.")) from error
        opened = await service.open_top_up(actor, key, amount)
        return tagged(TopUpView.of(opened), opened.version)

    @get("/top-ups/{top_up_id:str}", guards=[requires()], responses=refusals(TopUpUnknown))
    async def read_top_up(
        self, top_up_id: FromPath[str], service: NamedDependency[WalletService], actor: NamedDependency[Actor]
    ) -> Response[TopUpView]:
        """A top-up of yours."""
        found = await service.read_top_up(actor, TopUpId.parse(top_up_id))
        return tagged(TopUpView.of(found), found.version)


def router(service: WalletService) -> Router:
    return Router(path="/", route_handlers=[WalletController], dependencies={"service": provided(service)})
