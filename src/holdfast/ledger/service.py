"""Reading the books, for admins. That they looked is audited."""

from datetime import date, datetime, timedelta

from holdfast import audit
from holdfast.audit import Deed
from holdfast.common.actor import Actor
from holdfast.common.errors import Invalid
from holdfast.common.ids import Id
from holdfast.common.paging import Page, PageRequest, encode_cursor
from holdfast.database import Database, Tx, retried
from holdfast.ledger import repository
from holdfast.ledger.errors import AccountUnknown, StatementTooLong
from holdfast.ledger.models import (
    AccountId,
    AccountKind,
    EntryId,
    LedgerAccount,
    PostedEntry,
    StandingAccount,
    Statement,
    TrialBalance,
)

DAYS_DEFAULT = 31
DAYS_MAX = 3_660
YEARS = range(2001, 2101)
ENTRIES_MAX = 10_000
"""How many entries a statement has at most."""


class LedgerViewId(Id, prefix="lgv"):
    """One look at more than one account: what the audit log keeps of it."""

    __slots__ = ()


class LedgerService:
    """The use cases of reading the ledger."""

    def __init__(self, database: Database, *, zone: str) -> None:
        """``zone``: whose midnight a day begins at."""
        self._database = database
        self.zone = zone

    @retried
    async def trial_balance(self, actor: Actor, at: datetime | None) -> TrialBalance:
        """What the accounts of each kind have in each currency, or had when the instant ``at`` began. Raises Invalid."""
        if at is not None and at.year not in YEARS:
            raise Invalid(("at", "Send an instant of this century."))
        async with self._database.transaction() as tx:
            await repository.take_long(tx)
            found = await repository.trial_balance(tx, at)
            await audit.record(tx, [Deed(actor, "ledger.viewed", LedgerViewId.new(), after={"at": found.at.isoformat()})])
            return found

    @retried
    async def list_accounts(
        self, actor: Actor, page: PageRequest, *, kind: AccountKind | None = None, owner: str | None = None
    ) -> Page[StandingAccount]:
        """Accounts with what they have, in the order in which they were opened."""
        after = page.after(AccountId)
        async with self._database.transaction() as tx:
            found = await repository.accounts(tx, after, page.limit + 1, kind=kind, owner=owner)
            shown = Page.cut(found, page, lambda account: encode_cursor(str(account.id)))
            facts = {"kind": kind, "accounts": len(shown.rows)}
            await audit.record(tx, [Deed(actor, "ledger.viewed", LedgerViewId.new(), after=facts)])
        return shown

    @retried
    async def list_entries(self, actor: Actor, account_id: AccountId, page: PageRequest) -> Page[PostedEntry]:
        """What an account received and gave, newest first. Raises AccountUnknown."""
        before = page.after(EntryId)
        async with self._database.transaction() as tx:
            account = await _account(tx, account_id)
            found = await repository.entries_of(tx, account.account, account.currency, before, page.limit + 1)
            shown = Page.cut(found, page, lambda entry: encode_cursor(str(entry.id)))
            await audit.record(tx, [Deed(actor, "ledger.account_viewed", account_id, after={"entries": len(shown.rows)})])
        return shown

    @retried
    async def statement(
        self, actor: Actor, account_id: AccountId, first_day: date | None, last_day: date | None, *, entries_max: int = ENTRIES_MAX
    ) -> Statement:
        """What an account had, received and gave; ``last_day`` is exclusive, and without days it is the last 31.

        Raises Invalid, AccountUnknown, StatementTooLong.
        """
        for name, day in (("from", first_day), ("to", last_day)):
            if day is not None and day.year not in YEARS:
                raise Invalid((name, "Send a day of this century."))
        if first_day and last_day and not timedelta(0) < last_day - first_day <= timedelta(days=DAYS_MAX):
            raise Invalid(("to", "Send a day after the first one, at most ten years later."))
        async with self._database.transaction() as tx:
            await repository.one_snapshot(tx)
            account = await _account(tx, account_id)
            period = await repository.period(tx, first_day, last_day, days=DAYS_DEFAULT, zone=self.zone)
            found = await repository.entries_between(tx, account_id, period, entries_max + 1)
            if len(found) > entries_max:
                raise StatementTooLong(entries_max=entries_max)
            had = await repository.balance(tx, account.account, at=period.starts_at)
            opening = sum(amount.minor for amount in had if amount.currency == account.currency)
            facts = {"from": period.first_day.isoformat(), "to": period.last_day.isoformat(), "entries": len(found)}
            await audit.record(tx, [Deed(actor, "ledger.account_viewed", account_id, after=facts)])
        return Statement(account, period, opening, tuple(found))


async def _account(tx: Tx, account_id: AccountId) -> LedgerAccount:
    found = await repository.account(tx, account_id)
    if found is None:
        raise AccountUnknown
    return found
