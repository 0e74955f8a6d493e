"""Bank accounts over HTTP."""

from litestar import Controller, get, post
from litestar.di import NamedDependency
from litestar.params import JSONBody

from holdfast.auth.errors import SignInTooOld
from holdfast.common.actor import Actor, Role
from holdfast.common.guards import refusals, requires
from holdfast.idempotency import IdempotencyKey
from holdfast.payouts.accounts.dto import AccountRequest, AccountView
from holdfast.payouts.accounts.errors import NoPayoutAccount
from holdfast.payouts.accounts.service import AccountService


class AccountController(Controller):
    path = "/payouts/account"
    tags = ("Payouts",)

    @get("/", guards=[requires(Role.DRIVER)], responses=refusals(NoPayoutAccount))
    async def read_account(self, accounts: NamedDependency[AccountService], actor: NamedDependency[Actor]) -> AccountView:
        """Where your money goes."""
        return AccountView.of(await accounts.mine(actor))

    @post("/", guards=[requires(Role.DRIVER)], responses=refusals(SignInTooOld))
    async def change_account(
        self,
        data: JSONBody[AccountRequest],
        accounts: NamedDependency[AccountService],
        actor: NamedDependency[Actor],
        key: NamedDependency[IdempotencyKey],
    ) -> AccountView:
        """Say where your money is to go, soon after signing in. The first money goes there a day later, and you are told of the change."""
        return AccountView.of(await accounts.change(actor, key, data))
