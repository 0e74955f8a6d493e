"""Puts payouts together."""

from dataclasses import dataclass
from datetime import timedelta

from litestar import Router

from holdfast.database import Database
from holdfast.payouts.accounts.models import Destination
from holdfast.payouts.accounts.service import AccountService
from holdfast.payouts.batches.service import BatchService
from holdfast.payouts.controller import router
from holdfast.payouts.service import PayoutService, SessionMoney
from holdfast.payouts.statements.service import StatementService
from holdfast.vault import PersonalVault


@dataclass(frozen=True)
class PayoutsModule:
    service: PayoutService
    accounts: AccountService
    batches: BatchService
    statements: StatementService
    router: Router


def build(
    database: Database,
    sessions: SessionMoney,
    vault: PersonalVault,
    *,
    debtor: Destination | None,
    cooling: timedelta,
    zone: str,
) -> PayoutsModule:
    """``sessions`` knows the sessions and what their bookings brought in; ``debtor`` is our own bank account, where it is set;
    ``cooling`` is how long no money goes to an account that was named just now; ``zone`` is where payees do business.
    """
    service = PayoutService(database, sessions)
    accounts = AccountService(database, vault, cooling=cooling)
    batches = BatchService(database, vault, debtor=debtor, zone=zone)
    statements = StatementService(database, zone=zone)
    return PayoutsModule(service, accounts, batches, statements, router(service, accounts, batches, statements))
