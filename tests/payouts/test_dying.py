"""F-17: whoever makes a batch, approves one or reads the bank's answer is killed before every statement, before COMMIT and after it.

Each time nothing is half done, and asking again with the same key does it once.
"""

import os
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path

import msgspec
import pytest
from sqlalchemy import text
from tests.payments.market import Market
from tests.payouts.office import read, ready, sent
from tests.payouts.victim import Death
from tests.shop import FARE

from holdfast.app.check import examine
from holdfast.common.actor import Role
from holdfast.idempotency import IdempotencyKey
from holdfast.ledger import PAYOUTS_DUE, Account
from holdfast.payouts.batches.answers import read_answer
from holdfast.payouts.batches.service import Heard
from holdfast.payouts.batches.states import BatchState
from holdfast.payouts.models import Payout
from holdfast.payouts.states import PayoutState

ROOT = Path(__file__).parents[2]
STEPS_MAX = 60


class Victims:
    """Processes that die at the step that is asked for."""

    def __init__(self, process: "subprocess.Popen[str]", url: str) -> None:
        self._process = process
        self._url = url

    def dies(self, death: Death) -> bool:
        """Whether it came to that step; if not, it did all of its work."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(msgspec.json.encode(death, enc_hook=str).decode() + "\n")
        self._process.stdin.flush()
        said = self._process.stdout.readline().strip()
        assert said in ("killed", "lived 0"), said
        return said == "killed"


@pytest.fixture
def victims(database_url: str) -> Iterator[Victims]:
    environment = {**os.environ, "PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}"}
    with subprocess.Popen(
        [sys.executable, "-m", "tests.payouts.victim"], cwd=ROOT, env=environment, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline().strip() == "ready"
        yield Victims(process, database_url)
        assert process.stdin is not None
        process.stdin.close()


@pytest.fixture(autouse=True)
async def _all_invariants_hold(market: Market, database_url: str) -> AsyncIterator[None]:
    yield
    broken = (await examine(database_url, consumers=(), test_clock=True)).broken
    assert not [name for name in broken if name.startswith(("i3", "i4", "i5", "i13"))], broken


async def at_every_step(once: Callable[[int], Awaitable[bool]]) -> int:
    """Die at the first step, at the second, and so on, until one lives through it. Returns how many deaths that were."""
    for at in range(1, STEPS_MAX):
        if not await once(at):
            return at - 1
    raise AssertionError("it never comes to an end")


async def test_f17_making_a_batch(market: Market, victims: Victims, database_url: str) -> None:
    admin = await market.shop.person(Role.ADMIN)
    committed = 0

    async def once(at: int) -> bool:
        nonlocal committed
        payouts = [await ready(market, 1) for _ in range(2)]
        ids = [payout.id for payout in payouts]
        key = f"make-{at}"
        died = victims.dies(Death(database_url, admin.id, key, at, payout_ids=ids))
        states = {(await read(market, payout_id)).status for payout_id in ids}
        assert states in ({PayoutState.APPROVED}, {PayoutState.IN_BATCH})
        committed += died and states == {PayoutState.IN_BATCH}
        made = await market.payouts.batches.make(admin, IdempotencyKey(key, b"fingerprint"), ids)
        assert [(await read(market, payout_id)).batch_id for payout_id in ids] == [made.id] * 2
        async with market.database.reading() as tx:
            batches = await tx.value(
                text("SELECT count(DISTINCT batch_id) FROM payout_batch_items WHERE payout_id = ANY(CAST(:ids AS uuid[]))"),
                ids=[payout_id.hex for payout_id in ids],
            )
        assert batches == 1
        return died

    assert await at_every_step(once) > 10
    # Only the death after COMMIT leaves something behind.
    assert committed == 1


async def test_f17_approving_a_batch(market: Market, victims: Victims, database_url: str) -> None:
    maker, approver = await market.shop.person(Role.ADMIN), await market.shop.person(Role.ADMIN)

    async def once(at: int) -> bool:
        key = IdempotencyKey(f"approve-{at}", b"fingerprint")
        payout = await ready(market, 1)
        made = await market.payouts.batches.make(maker, IdempotencyKey(f"made-{at}", b"fingerprint"), [payout.id])
        died = victims.dies(Death(database_url, approver.id, key.text, at, batch_id=made.id))
        allowed = await market.payouts.batches.approve(approver, key, made.id)
        assert (allowed.status, allowed.version) == (BatchState.APPROVED, made.version + 1)
        return died

    assert await at_every_step(once) > 5


async def test_f17_reading_the_banks_answer(market: Market, victims: Victims, database_url: str) -> None:
    admin = await market.shop.person(Role.ADMIN)
    left = 0

    async def once(at: int) -> bool:
        nonlocal left
        paid, returned = await ready(market, 2), await ready(market, 1)
        batch = await sent(market, paid, returned)
        said = f"end_to_end_id,status,reason\n{paid.id},PAID,\n{returned.id},RETURNED,AC04\n"
        died = victims.dies(Death(database_url, admin.id, f"hear-{at}", at, batch_id=batch.id, answer=said))
        states = await states_of(market, paid, returned)
        assert states in ([PayoutState.IN_BATCH, PayoutState.IN_BATCH], [PayoutState.PAID, PayoutState.RETURNED])
        key = IdempotencyKey(f"hear-{at}", b"fingerprint")
        assert await market.payouts.batches.hear(admin, key, batch.id, read_answer(said.encode())) == Heard(1, 1, 0, 0)
        assert await states_of(market, paid, returned) == [PayoutState.PAID, PayoutState.RETURNED]
        left += 2 * FARE
        assert (await market.has(Account.bank()), await market.has(PAYOUTS_DUE)) == (left, 0)
        assert await market.has(Account.payee(returned.driver_id)) == FARE
        return died

    assert await at_every_step(once) > 10


async def states_of(market: Market, *payouts: Payout) -> list[PayoutState]:
    return [(await read(market, payout.id)).status for payout in payouts]
