"""Random transactions, legal and illegal, on the ledger and on a model in plain Python that knows neither SQL nor sums rolled up."""

import asyncio
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TypeAlias
from uuid import UUID, uuid4

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from sqlalchemy import text
from tests.clusters import Cluster
from tests.controls import Control, taken_away
from tests.ledger.books import SANDBOX, ZONE, now, wrongly_sealed

from holdfast.app.check import examine
from holdfast.common.money import Amount
from holdfast.database import Database
from holdfast.ledger import (
    EXCHANGE,
    FEES,
    Account,
    Entry,
    Exchange,
    NoExchange,
    Overdrawn,
    PendingEnd,
    PendingEnded,
    PendingOutcome,
    PendingUnknown,
    Purpose,
    Transaction,
    Unbalanced,
    UnknownCurrency,
    available,
    balance,
    end_pending,
    open_pending,
    post,
    repository,
)
from holdfast.ledger.days import Days
from holdfast.ledger.roll_up import RollUp

DAYS = 4
WALLETS = [Account.wallet(UUID(int=number)) for number in (1, 2)]
ACCOUNTS = [SANDBOX, FEES, *WALLETS]
REFUSALS = (Unbalanced, NoExchange, UnknownCurrency, Overdrawn, PendingUnknown, PendingEnded)


@dataclass
class Model:
    """What the books must say: every entry that counts, what is pending, and until when days are closed."""

    entries: list[tuple[Account, str, int, datetime | None]] = field(default_factory=list)
    booked: set[UUID] = field(default_factory=set)
    pending: dict[UUID, Transaction] = field(default_factory=dict)
    ends: dict[UUID, PendingOutcome] = field(default_factory=dict)
    closed_until: datetime | None = None

    def balance(self, account: Account, currency: str, at: datetime | None = None) -> int:
        """Entries without a time were posted late: after every instant that is asked about."""
        return sum(
            minor
            for whose, code, minor, when in self.entries
            if (whose, code) == (account, currency) and (at is None or (when is not None and when < at))
        )

    def available(self, account: Account, currency: str) -> int:
        open_ones = [entry for id_, pending in self.pending.items() if id_ not in self.ends for entry in pending.entries]
        taken = sum(min(e.amount.minor, 0) for e in open_ones if (e.account, e.amount.currency) == (account, currency))
        return self.balance(account, currency) + taken

    def refuses(self, transaction: Transaction) -> type[Exception] | None:
        sums, bridged = Counter[str](), Counter[str]()
        for entry in transaction.entries:
            sums[entry.amount.currency] += entry.amount.minor
            bridged[entry.amount.currency] += entry.amount.minor if entry.account == EXCHANGE else 0
        if any(sums.values()):
            return Unbalanced
        if "XAU" in sums:
            return UnknownCurrency
        rate = transaction.exchange
        at_rate = {rate.given.currency: rate.given.minor, rate.received.currency: -rate.received.minor} if rate else None
        return NoExchange if len(sums) > 1 and bridged != at_rate else None

    def overdraws(self, transaction: Transaction) -> bool:
        moved = Counter[tuple[Account, str]]()
        for entry in transaction.entries:
            moved[entry.account, entry.amount.currency] += entry.amount.minor
        return any(account in WALLETS and self.available(account, code) + minor < 0 for (account, code), minor in moved.items())

    def would_take_too_much(self, transaction: Transaction) -> bool:
        taken = Counter[tuple[Account, str]]()
        for entry in transaction.entries:
            taken[entry.account, entry.amount.currency] += min(entry.amount.minor, 0)
        return any(account in WALLETS and self.available(account, code) + minor < 0 for (account, code), minor in taken.items())

    def post(self, transaction: Transaction) -> type[Exception] | None:
        if refused := self.refuses(transaction):
            return refused
        if transaction.id in self.booked:
            return None
        if self.overdraws(transaction):
            return Overdrawn
        self.booked.add(transaction.id)
        is_late = self.closed_until is not None and transaction.at < self.closed_until
        at = None if is_late else transaction.at
        self.entries += [(entry.account, entry.amount.currency, entry.amount.minor, at) for entry in transaction.entries]
        return None

    def open(self, transaction: Transaction) -> type[Exception] | None:
        if refused := self.refuses(transaction):
            return refused
        if transaction.exchange:
            return NoExchange
        if transaction.id in self.pending:
            return None
        if self.would_take_too_much(transaction):
            return Overdrawn
        self.pending[transaction.id] = transaction
        return None

    def end(self, end: PendingEnd) -> type[Exception] | None:
        if end.id not in self.pending:
            return PendingUnknown
        if end.id in self.ends:
            return None if self.ends[end.id] is end.outcome else PendingEnded
        self.ends[end.id] = end.outcome
        if end.outcome is PendingOutcome.POSTED:
            opened = self.pending[end.id]
            # What it set aside is there, whatever else happened meanwhile.
            assert self.post(Transaction(opened.id, opened.purpose, end.at, opened.entries)) is None
        return None


@dataclass(frozen=True)
class Post:
    transaction: int
    source: int
    to: int
    minor: int
    hours_ago: int
    fault: str


@dataclass(frozen=True)
class OpenPending(Post):
    pass


@dataclass(frozen=True)
class End:
    transaction: int
    outcome: PendingOutcome


@dataclass(frozen=True)
class Work:
    what: str
    limit: int


Step: TypeAlias = Post | End | Work

movement = {
    "transaction": st.integers(0, 30),
    "source": st.integers(0, 3),
    "to": st.integers(0, 3),
    "minor": st.integers(1, 500),
    "hours_ago": st.integers(0, 24 * DAYS),
    "fault": st.sampled_from(["", "", "", "", "EXCHANGE", "Unbalanced", "NoExchange", "wrong rate", "UnknownCurrency"]),
}
steps = st.lists(
    st.one_of(
        st.builds(Post, **movement),
        st.builds(OpenPending, **movement),
        st.builds(End, st.integers(0, 30), st.sampled_from(PendingOutcome)),
        st.builds(Work, st.sampled_from(["roll up", "roll up", "close a day"]), st.integers(1, 20)),
    ),
    min_size=5,
    max_size=60,
)


def made(step: Post, id_: UUID, present: datetime) -> Transaction:
    currency = "XAU" if step.fault == "UnknownCurrency" else "EGP"
    amount = Amount(currency, step.minor)
    at = present - timedelta(hours=step.hours_ago)
    entries: tuple[Entry, ...] = (Entry(ACCOUNTS[step.source], -amount), Entry(ACCOUNTS[step.to], amount))
    dollars = Amount("USD", step.minor * 2)
    match step.fault:
        case "Unbalanced":
            entries = entries[:1]
        case "NoExchange":
            entries += (Entry(ACCOUNTS[step.to], -dollars), Entry(ACCOUNTS[step.source], dollars))
        case "EXCHANGE" | "wrong rate":
            bridge = (Entry(EXCHANGE, amount), Entry(EXCHANGE, -dollars))
            entries = (entries[0], *bridge, Entry(ACCOUNTS[step.to], dollars))
            paid = amount if step.fault == "EXCHANGE" else amount + Amount(currency, 1)
            return Transaction(id_, Purpose.CAPTURE, at, entries, Exchange(paid, dollars))
    return Transaction(id_, Purpose.CAPTURE, at, entries)


async def took(database: Database, model: Model, step: Step, ids: list[UUID], present: datetime) -> None:
    """Take a step in both worlds, and compare how it was answered."""
    if isinstance(step, Work):
        if step.what == "roll up":
            await RollUp(database).roll_up_some(limit=step.limit)
        elif await Days(database, zone=ZONE).close_next():
            async with database.reading() as tx:
                model.closed_until = await tx.value(text("SELECT max(ends_at) FROM ledger_days"))
        return
    answered: type[Exception] | None = None
    expected: type[Exception] | None
    try:
        async with database.transaction() as tx:
            match step:
                case End():
                    end = PendingEnd(ids[step.transaction], Purpose.CAPTURE, step.outcome, present)
                    expected = model.end(end)
                    await end_pending(tx, [end])
                case OpenPending():
                    # Pending and posted transactions of their own ids: what is pending is booked by its end.
                    expected = model.open(made(step, ids[step.transaction], present))
                    await open_pending(tx, [made(step, ids[step.transaction], present)])
                case Post():
                    own = UUID(int=ids[step.transaction].int ^ 1)
                    expected = model.post(made(step, own, present))
                    await post(tx, [made(step, own, present)])
    except REFUSALS as refusal:
        answered = type(refusal)
    assert answered is expected, step


async def compare(database: Database, model: Model, instants: list[datetime]) -> None:
    async with database.reading() as tx:
        for account in (*ACCOUNTS, EXCHANGE):
            had = {amount.currency: amount.minor for amount in await balance(tx, account)}
            free = {amount.currency: amount.minor for amount in await available(tx, account)}
            for currency in ("EGP", "USD"):
                assert had.get(currency, 0) == model.balance(account, currency)
                assert free.get(currency, 0) == model.available(account, currency)
            for at in instants:
                before = {amount.currency: amount.minor for amount in await balance(tx, account, at=at)}
                assert {code: minor for code, minor in before.items() if minor} == {
                    code: minor for code in ("EGP", "USD") if (minor := model.balance(account, code, at))
                }


instants = st.lists(st.integers(1, 60 * 24 * (DAYS + 1)), min_size=2, max_size=4)


async def agree(cluster: Cluster, taken: list[Step], minutes_ago: list[int]) -> None:
    """Take all steps in a new database, and compare everything that can be asked of it."""
    name = cluster.create_database()
    database = Database(cluster.postgres.url("holdfast_app", name), name="test")
    try:
        # An hour ago, so that what happens "now" is later than every instant that is asked about.
        present = await now(database) - timedelta(hours=1)
        model, ids = Model(), [uuid4() for _ in range(31)]
        for step in taken:
            await took(database, model, step, ids, present)
        await compare(database, model, [present - timedelta(minutes=each) for each in minutes_ago])
        assert await wrongly_sealed(database) == []
        found = await examine(cluster.postgres.url("holdfast_app", name), test_clock=True)
        # These two compare with payments, of which there are none.
        assert {each for each in found.broken if each.startswith("i3_")} <= {"i3_posted", "i3_balances"}
    finally:
        await database.close()
        cluster.drop_database(name)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(steps, instants)
async def test_the_books_agree_with_a_model(cluster: Cluster, taken: list[Step], minutes_ago: list[int]) -> None:
    await agree(cluster, taken, minutes_ago)


FAULTS = {
    "what is late stays where it was": [(repository.SQL.post, "g.posted_at < c.until", "false")],
    "the tail is forgotten": [(repository.SQL.balances, "(SELECT sum(amount) FROM posted WHERE account_id = w.id)", "0")],
    "the tail counts twice": [(repository.SQL.balances, "(epoch, xid) > ((SELECT epoch FROM rolled), (SELECT xid FROM rolled))", "true")],
    "a balance is written over": [(repository.SQL.roll_up, "b.balance + excluded.balance", "excluded.balance")],
    "what is pending is available": [(repository.SQL.balances, "-sign * least(amount, 0) AS pending", "0 AS pending")],
    "what ended is pending": [(repository.SQL.end_pending, "WHERE e.sign = 1", "WHERE false")],
    "a day begins with nothing": [(repository.SQL.balances_at, "coalesce(d.balance, 0)", "0")],
    "days are sealed apart": [(repository.SQL.seal_day, "sha256(coalesce((SELECT seal FROM last), '')", "sha256(''::bytea")],
}


# Those that are found within a few examples; the others with --slow.
QUICK = ("the tail is forgotten", "the tail counts twice")


@pytest.mark.parametrize("fault", [pytest.param(fault, marks=() if fault in QUICK else pytest.mark.slow) for fault in FAULTS])
async def test_the_model_notices_faults(cluster: Cluster, owner_url: str, fault: str) -> None:
    @settings(
        max_examples=200,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.generate],
        report_multiple_bugs=False,
        suppress_health_check=[HealthCheck.too_slow],
    )
    @given(steps, instants)
    def search(taken: list[Step], minutes_ago: list[int]) -> None:
        asyncio.run(agree(cluster, taken, minutes_ago))

    async with taken_away(fault, Control(edits=FAULTS[fault]), owner_url):
        with pytest.raises(AssertionError):
            # Hypothesis draws by itself, and its steps want a loop of their own.
            await asyncio.to_thread(search)
