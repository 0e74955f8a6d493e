"""The ledger over HTTP."""

import asyncio
from datetime import date, datetime
from typing import Annotated

from litestar import Controller, Response, Router, get
from litestar.di import NamedDependency
from litestar.params import FromPath, QueryParameter

from holdfast.audit.dto import with_zone
from holdfast.common.actor import Actor, Role
from holdfast.common.guards import provided, refusals, requires
from holdfast.common.language import Language
from holdfast.common.paging import PageRequest, PageView
from holdfast.ledger.dto import LedgerEntryView, StandingAccountView, StatementView, TrialBalanceView, read_owner
from holdfast.ledger.errors import AccountUnknown, StatementTooLong
from holdfast.ledger.models import AccountId, AccountKind, Statement
from holdfast.ledger.paper import LINES_MAX, as_pdf
from holdfast.ledger.service import LedgerService
from holdfast.ledger.table import as_csv

FirstDay = Annotated[date | None, QueryParameter(name="from", description="The first day.")]
LastDay = Annotated[date | None, QueryParameter(name="to", description="The day after the last one.")]


class LedgerController(Controller):
    path = "/admin/ledger"
    tags = ("Ledger",)

    @get("/trial-balance", guards=[requires(Role.ADMIN)])
    async def trial_balance(
        self,
        service: NamedDependency[LedgerService],
        actor: NamedDependency[Actor],
        at: Annotated[datetime | None, QueryParameter(description="When: what is posted from this instant on does not count.")] = None,
    ) -> TrialBalanceView:
        """What all accounts have, by kind and currency, now or at an instant. Each currency sums to zero. Looking is audited."""
        return TrialBalanceView.of(await service.trial_balance(actor, with_zone(at, "at")))

    @get("/accounts", guards=[requires(Role.ADMIN)])
    async def list_accounts(
        self,
        service: NamedDependency[LedgerService],
        actor: NamedDependency[Actor],
        page: NamedDependency[PageRequest],
        kind: AccountKind | None = None,
        owner: Annotated[str | None, QueryParameter(max_length=100, description="A person's id, or a name such as a gateway's.")] = None,
    ) -> PageView[StandingAccountView]:
        """The accounts with what they have, in the order in which they were opened. Looking is audited."""
        found = await service.list_accounts(actor, page, kind=kind, owner=read_owner(owner))
        return PageView.of(found, page, StandingAccountView.standing)

    @get("/accounts/{account_id:str}/entries", guards=[requires(Role.ADMIN)], responses=refusals(AccountUnknown))
    async def list_account_entries(
        self,
        account_id: FromPath[str],
        service: NamedDependency[LedgerService],
        actor: NamedDependency[Actor],
        page: NamedDependency[PageRequest],
    ) -> PageView[LedgerEntryView]:
        """What an account received and gave, newest first. Looking is audited."""
        return PageView.of(await service.list_entries(actor, AccountId.parse(account_id), page), page, LedgerEntryView.of)

    @get("/accounts/{account_id:str}/statement", guards=[requires(Role.ADMIN)], responses=refusals(AccountUnknown, StatementTooLong))
    async def read_statement(
        self,
        account_id: FromPath[str],
        service: NamedDependency[LedgerService],
        actor: NamedDependency[Actor],
        first_day: FirstDay = None,
        last_day: LastDay = None,
    ) -> StatementView:
        """What an account had, received and gave; without days, over the last 31. Looking is audited."""
        return StatementView.of(await service.statement(actor, AccountId.parse(account_id), first_day, last_day))

    @get(
        "/accounts/{account_id:str}/statement.csv",
        guards=[requires(Role.ADMIN)],
        responses=refusals(AccountUnknown, StatementTooLong),
        media_type="text/csv",
    )
    async def read_statement_csv(
        self,
        account_id: FromPath[str],
        service: NamedDependency[LedgerService],
        actor: NamedDependency[Actor],
        first_day: FirstDay = None,
        last_day: LastDay = None,
    ) -> Response[bytes]:
        """The same as CSV."""
        found = await service.statement(actor, AccountId.parse(account_id), first_day, last_day)
        return _file(found, as_csv(found), "csv", "text/csv")

    @get(
        "/accounts/{account_id:str}/statement.pdf",
        guards=[requires(Role.ADMIN)],
        responses=refusals(AccountUnknown, StatementTooLong),
        media_type="application/pdf",
    )
    async def read_statement_pdf(
        self,
        account_id: FromPath[str],
        service: NamedDependency[LedgerService],
        actor: NamedDependency[Actor],
        language: NamedDependency[Language],
        first_day: FirstDay = None,
        last_day: LastDay = None,
    ) -> Response[bytes]:
        """The same as PDF, in Arabic or English, of at most 1,000 entries."""
        found = await service.statement(actor, AccountId.parse(account_id), first_day, last_day, entries_max=LINES_MAX)
        return _file(found, await asyncio.to_thread(as_pdf, found, language, service.zone), "pdf", "application/pdf")


def _file(statement: Statement, content: bytes, ending: str, media_type: str) -> Response[bytes]:
    name = f"{statement.account.id}_{statement.period.first_day}_{statement.period.last_day}.{ending}"
    return Response(content, media_type=media_type, headers={"Content-Disposition": f'attachment; filename="{name}"'})


def router(service: LedgerService) -> Router:
    return Router(path="/", route_handlers=[LedgerController], dependencies={"service": provided(service)})
