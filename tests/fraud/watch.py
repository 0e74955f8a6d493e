"""A till that is watched: no rule but those that a test adds, and what happened counted when the test says so."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from sqlalchemy import text
from tests.payments.till import Thing, Till, open_till, somebody

from holdfast.common.actor import Actor, Role
from holdfast.common.errors import Refusal
from holdfast.common.money import Amount, egp
from holdfast.database import Database
from holdfast.events.consumers import consume_next
from holdfast.fraud import module
from holdfast.fraud.models import Rule, RuleAction, RuleKind
from holdfast.fraud.module import FraudModule
from holdfast.fraud.service import RuleTerms
from holdfast.payments import PaymentState
from holdfast.payments.screening import UNKNOWN_ORIGIN, Origin
from holdfast.payments.settling import PaymentAnswer
from holdfast.vault import Vault

ADMIN = somebody(Role.ADMIN)
VAULT = Vault("a secret that makes cards unreadable")
HOUR = timedelta(hours=1)


@dataclass
class Watch:
    """The world."""

    till: Till
    fraud: FraudModule

    async def rule(
        self,
        kind: RuleKind,
        action: RuleAction = RuleAction.REFUSE,
        *,
        within: timedelta | None = HOUR,
        uses: int | None = None,
        amount: Amount | None = None,
        priority: int | None = None,
        on_wallets: bool = False,
    ) -> Rule:
        terms = RuleTerms(within=within, uses_max=uses, amount_max=amount, priority=priority, on_wallets=on_wallets)
        return await self.fraud.service.add_rule(ADMIN, None, kind, action, terms)

    async def try_to_pay(
        self, payer: Actor, token: str = "tok_success", *, pounds: int = 31, origin: Origin = UNKNOWN_ORIGIN
    ) -> PaymentAnswer | Refusal:
        """Pay for something new; what it was refused with, where it was."""
        thing = await self.till.thing(payer, fare=egp(pounds), fee=egp(0))
        return await self.again(thing, token, origin)

    async def again(self, thing: Thing, token: str = "tok_success", origin: Origin = UNKNOWN_ORIGIN) -> PaymentAnswer | Refusal:
        try:
            return await self.till.pay(thing, token, origin=origin)
        except Refusal as refused:
            return refused

    async def count(self) -> None:
        """Let the consumer read the log to its end."""
        while await consume_next(self.till.database, self.fraud.consumer):
            pass

    async def sign_up(self, person: Actor, ago: timedelta) -> None:
        """Give somebody an account of some age."""
        async with self.till.database.transaction() as tx:
            await tx.run(
                text("INSERT INTO users (id, role, created_at) VALUES (:id, 'PASSENGER', business_now() - CAST(:ago AS interval))"),
                id=person.id,
                ago=ago,
            )


def paid(answer: PaymentAnswer | Refusal) -> bool:
    return isinstance(answer, PaymentAnswer) and answer.payment.status is PaymentState.SUCCESS


async def without_rules(database: Database) -> None:
    """Take the first set of rules away."""
    async with database.transaction() as tx:
        await tx.run(text("DELETE FROM fraud_rules"))


@asynccontextmanager
async def open_watch(database: Database, owner: Database, directory: Path) -> AsyncIterator[Watch]:
    await without_rules(database)
    fraud = module.build(database, VAULT)
    async with open_till(database, owner, directory, screening=fraud.screening, routers=[fraud.router]) as till:
        yield Watch(till, fraud)
