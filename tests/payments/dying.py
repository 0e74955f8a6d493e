"""A process that pays or refunds, and is killed with ``kill -9`` at a named point: ``python -m tests.payments.dying POINT ...``."""

import asyncio
import os
import signal
import sys
from typing import Any
from uuid import UUID

from tests.payments.till import SECRET, SOLD, ThingPayable

from holdfast.common.actor import Actor, Role, UserId
from holdfast.database import Database
from holdfast.idempotency import IdempotencyKey
from holdfast.payments import Method, module
from holdfast.payments.gateway import Gateways
from holdfast.payments.gateways.sandbox import SandboxGateway
from holdfast.payments.payable import Payables

PAYING = ("before the call", "after the call", "in the last commit", "before the answer")
REFUNDING = ("before the refund call", "after the refund call")


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


class DyingGateway(SandboxGateway):
    """Dies around a call."""

    point = ""

    async def charge(self, *arguments: Any) -> Any:
        if self.point == "before the call":
            die()
        outcome = await super().charge(*arguments)
        if self.point == "after the call":
            die()
        return outcome

    async def refund(self, *arguments: Any) -> Any:
        if self.point == "before the refund call":
            die()
        outcome = await super().refund(*arguments)
        if self.point == "after the refund call":
            die()
        return outcome


async def run(point: str, database_url: str, sandbox_url: str, thing_id: str, payer_id: str, key: str) -> None:
    database = Database(database_url, name="dying")
    gateway = DyingGateway(sandbox_url, SECRET)
    gateway.point = point
    payable, payables = ThingPayable(), Payables()
    payables.add(SOLD, payable)
    payments = module.build(database, payables, Gateways(gateway))
    if point in REFUNDING:
        await payments.refunds.do_due()
        return

    async def in_the_last_commit() -> None:
        die()

    if point == "in the last commit":
        payable.before_effect = in_the_last_commit
    payer = Actor(UserId.of(UUID(payer_id)), Role.PASSENGER)
    await payments.service.pay(payer, IdempotencyKey(key, b"fingerprint"), (SOLD, UUID(thing_id)), Method.CARD, "tok_success")
    if point == "before the answer":
        die()


if __name__ == "__main__":
    asyncio.run(run(*sys.argv[1:]))
