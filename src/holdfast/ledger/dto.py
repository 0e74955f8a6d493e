"""Views of the ledger."""

from collections.abc import Mapping
from datetime import date, datetime
from typing import Self
from uuid import UUID

from msgspec import Struct

from holdfast.common.actor import UserId
from holdfast.common.errors import Invalid
from holdfast.common.money import Amount, JsonAmount
from holdfast.ledger.models import AccountKind, LedgerAccount, PostedEntry, Purpose, StandingAccount, Statement, TrialBalance

OF_PEOPLE = frozenset({AccountKind.PAYEE, AccountKind.WALLET, AccountKind.CASH})
"""Kinds whose owner is a person."""


def shown_owner(account: LedgerAccount) -> str:
    """Whose account it is, as it looks outside: a person's id, or a name such as a gateway's; empty where it is everybody's."""
    return str(UserId.of(UUID(account.owner))) if account.kind in OF_PEOPLE else account.owner


def read_owner(text: str | None) -> str | None:
    """Whose accounts are asked for: a person's id, or a name. Raises Invalid."""
    if text is None or not text.startswith(f"{UserId.prefix}_"):
        return text
    try:
        return str(UUID(int=UserId.parse(text).int))
    except ValueError as error:
        raise Invalid(("owner", f"{error}.")) from None


class AccountView(Struct, frozen=True, rename="camel"):
    """An account. An amount above zero is money that it received."""

    id: str
    kind: AccountKind
    owner: str
    currency: str
    created_at: datetime

    @classmethod
    def of(cls, account: LedgerAccount) -> Self:
        return cls(str(account.id), account.kind, shown_owner(account), account.currency, account.created_at)


class StandingAccountView(AccountView, frozen=True, rename="camel"):
    """An account with what it has."""

    balance: JsonAmount

    @classmethod
    def standing(cls, account: StandingAccount) -> Self:
        shown = JsonAmount(Amount(account.currency, account.balance))
        return cls(str(account.id), account.kind, shown_owner(account), account.currency, account.created_at, shown)


class LedgerEntryView(Struct, frozen=True, rename="camel"):
    """What an account received (above zero) or gave (below). ``transactionId`` is the id of what was booked, whatever its sort."""

    id: str
    transaction_id: UUID
    purpose: Purpose
    amount: JsonAmount
    currency: str
    posted_at: datetime

    @classmethod
    def of(cls, entry: PostedEntry) -> Self:
        return cls(str(entry.id), entry.transaction_id, entry.purpose, JsonAmount(entry.total), entry.currency, entry.posted_at)


class TrialRowView(Struct, frozen=True, rename="camel"):
    """What the accounts of one kind have together."""

    kind: AccountKind
    accounts: int
    balance: JsonAmount
    currency: str


class TrialTotalView(Struct, frozen=True, rename="camel"):
    """What all accounts of a currency have together, which is nothing where the books are right."""

    balance: JsonAmount
    currency: str


class TrialBalanceView(Struct, frozen=True, rename="camel"):
    """All accounts by kind and currency. ``isBalanced``: each currency sums to zero."""

    at: datetime
    rows: list[TrialRowView]
    totals: list[TrialTotalView]
    is_balanced: bool

    @classmethod
    def of(cls, found: TrialBalance) -> Self:
        totals: Mapping[str, int] = found.totals
        return cls(
            at=found.at,
            rows=[TrialRowView(row.kind, row.accounts, JsonAmount(Amount(row.currency, row.balance)), row.currency) for row in found.rows],
            totals=[TrialTotalView(JsonAmount(Amount(currency, minor)), currency) for currency, minor in sorted(totals.items())],
            is_balanced=not any(totals.values()),
        )


class StatementEntryView(Struct, frozen=True, rename="camel"):
    """An entry, and what the account had after it."""

    id: str
    transaction_id: UUID
    purpose: Purpose
    amount: JsonAmount
    balance: JsonAmount
    posted_at: datetime


class StatementView(Struct, frozen=True, rename="camel"):
    """What an account had, received and gave from the first day to before the last."""

    account: AccountView
    first_day: date
    last_day: date
    currency: str
    opening: JsonAmount
    closing: JsonAmount
    lines: list[StatementEntryView]

    @classmethod
    def of(cls, statement: Statement) -> Self:
        currency = statement.account.currency

        def amount(minor: int) -> JsonAmount:
            return JsonAmount(Amount(currency, minor))

        return cls(
            account=AccountView.of(statement.account),
            first_day=statement.period.first_day,
            last_day=statement.period.last_day,
            currency=currency,
            opening=amount(statement.opening),
            closing=amount(statement.closing),
            lines=[
                StatementEntryView(str(e.id), e.transaction_id, e.purpose, amount(e.amount), amount(balance), e.posted_at)
                for e, balance in zip(statement.entries, statement.balances, strict=True)
            ],
        )
