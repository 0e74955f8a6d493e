"""Wallets put together."""

from dataclasses import dataclass

from litestar import Router

from holdfast.database import Database
from holdfast.wallets.controller import router
from holdfast.wallets.payable import TopUpPayable
from holdfast.wallets.service import WalletService


@dataclass(frozen=True)
class WalletsModule:
    service: WalletService
    payable: TopUpPayable
    router: Router


def build(database: Database, *, currency: str) -> WalletsModule:
    """``currency``: in which there are wallets here."""
    service = WalletService(database, currency=currency)
    return WalletsModule(service, TopUpPayable(), router(service))
