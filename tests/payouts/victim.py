"""A process of an admin that is killed with SIGKILL before one of its statements, before COMMIT, or after it.

Reads a line of JSON for each death that is wanted, and writes a line when it has come to pass. It imports everything once and forks.
"""

import asyncio
import os
import signal
import sys

import msgspec
from msgspec import Struct
from tests.payments.market import DEBTOR, VAULT

from holdfast.common.actor import Actor, Role, UserId
from holdfast.common.wire import decode_hook
from holdfast.database import Database, Tx, engine
from holdfast.idempotency import IdempotencyKey
from holdfast.payouts.batches.answers import read_answer
from holdfast.payouts.batches.service import BatchService
from holdfast.payouts.models import PayoutBatchId, PayoutId


class Death(Struct):
    """What is being done when it happens, and at which step; ``answer`` is what the bank says of a batch."""

    url: str
    admin_id: UserId
    key: str
    at: int
    payout_ids: list[PayoutId] = []
    batch_id: PayoutBatchId | None = None
    answer: str = ""


class _Steps:
    def __init__(self, at: int) -> None:
        self._left = at

    def take(self) -> None:
        self._left -= 1
        if self._left == 0:
            os.kill(os.getpid(), signal.SIGKILL)


async def work(death: Death) -> None:
    database = Database(death.url, connections=2, name="victim")
    batches = BatchService(database, VAULT, debtor=DEBTOR, zone="Africa/Cairo")
    admin, key = Actor(death.admin_id, Role.ADMIN), IdempotencyKey(death.key, b"fingerprint")
    if death.batch_id is None:
        await batches.make(admin, key, death.payout_ids)
    elif death.answer:
        await batches.hear(admin, key, death.batch_id, read_answer(death.answer.encode()))
    else:
        await batches.approve(admin, key, death.batch_id)
    await database.close()


def die(death: Death) -> None:
    steps = _Steps(death.at)
    rows, run, commit = Tx.rows, Tx.run, engine._commit_shielded

    async def counted_rows(self: Tx, *arguments: object, **named: object) -> object:
        steps.take()
        return await rows(self, *arguments, **named)  # type: ignore[arg-type]

    async def counted_run(self: Tx, *arguments: object, **named: object) -> int:
        steps.take()
        return await run(self, *arguments, **named)  # type: ignore[arg-type]

    async def counted_commit(*arguments: object) -> None:
        steps.take()
        await commit(*arguments)  # type: ignore[arg-type]
        steps.take()

    Tx.rows, Tx.run = counted_rows, counted_run  # type: ignore[method-assign,assignment]
    engine._commit_shielded = counted_commit  # type: ignore[assignment]
    asyncio.run(work(death))


def main() -> None:
    print("ready", flush=True)
    for line in sys.stdin:
        death = msgspec.json.decode(line, type=Death, dec_hook=decode_hook)
        child = os.fork()
        if child == 0:
            try:
                die(death)
            except BaseException:
                os._exit(1)
            os._exit(0)
        _, status = os.waitpid(child, 0)
        print("killed" if os.WIFSIGNALED(status) else f"lived {os.WEXITSTATUS(status)}", flush=True)


if __name__ == "__main__":
    main()
