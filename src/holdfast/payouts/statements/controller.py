"""Statements over HTTP, as JSON, CSV and PDF."""

import asyncio
from typing import Annotated

from litestar import Controller, Response, get
from litestar.di import NamedDependency
from litestar.params import QueryParameter

from holdfast.common.actor import Actor, Role, UserId
from holdfast.common.guards import refusals, requires
from holdfast.common.language import Language
from holdfast.payouts.statements.dto import StatementView
from holdfast.payouts.statements.errors import StatementTooLong
from holdfast.payouts.statements.models import Statement
from holdfast.payouts.statements.paper import statement_paper
from holdfast.payouts.statements.service import StatementService, Wanted
from holdfast.payouts.statements.tables import statement_sheet
from holdfast.sessions.errors import SessionUnknown
from holdfast.sessions.models import SessionId

_REFUSALS = refusals(SessionUnknown, StatementTooLong)

Week = Annotated[
    str | None,
    QueryParameter(pattern="^[0-9]{4}-W[0-9]{2}$", description="An ISO week, such as 2026-W48; without it and a session, this one."),
]
OfSession = Annotated[SessionId | None, QueryParameter(name="sessionId", description="The statement of one session instead of a week.")]
Payee = Annotated[UserId, QueryParameter(name="payeeId", description="Whose statement.")]


class StatementController(Controller):
    path = "/payouts/statements"
    tags = ("Payouts",)

    @get("/", guards=[requires(Role.DRIVER)], responses=_REFUSALS)
    async def read_own_statement(
        self,
        statements: NamedDependency[StatementService],
        actor: NamedDependency[Actor],
        week: Week = None,
        session_id: OfSession = None,
    ) -> StatementView:
        """What you earned, gave back and were paid, in a week or by a session."""
        return StatementView.of(await statements.own(actor, Wanted(week, session_id)))

    @get("/csv", guards=[requires(Role.DRIVER)], responses=_REFUSALS, media_type="text/csv")
    async def read_own_statement_as_csv(
        self,
        statements: NamedDependency[StatementService],
        actor: NamedDependency[Actor],
        week: Week = None,
        session_id: OfSession = None,
    ) -> Response[bytes]:
        """The same as a table."""
        return _csv(await statements.own(actor, Wanted(week, session_id)))

    @get("/pdf", guards=[requires(Role.DRIVER)], responses=_REFUSALS, media_type="application/pdf")
    async def read_own_statement_as_pdf(
        self,
        statements: NamedDependency[StatementService],
        actor: NamedDependency[Actor],
        language: NamedDependency[Language],
        week: Week = None,
        session_id: OfSession = None,
    ) -> Response[bytes]:
        """The same to print, in your language."""
        return await _pdf(await statements.own(actor, Wanted(week, session_id)), language)


class AdminStatementController(Controller):
    path = "/admin/payouts/statements"
    tags = ("Payouts",)

    @get("/", guards=[requires(Role.ADMIN)], responses=_REFUSALS)
    async def read_statement(
        self,
        statements: NamedDependency[StatementService],
        actor: NamedDependency[Actor],
        payee_id: Payee,
        week: Week = None,
        session_id: OfSession = None,
    ) -> StatementView:
        """Anybody's statement. That you looked at it is written down."""
        return StatementView.of(await statements.of_payee(actor, payee_id, Wanted(week, session_id)))

    @get("/csv", guards=[requires(Role.ADMIN)], responses=_REFUSALS, media_type="text/csv")
    async def read_statement_as_csv(
        self,
        statements: NamedDependency[StatementService],
        actor: NamedDependency[Actor],
        payee_id: Payee,
        week: Week = None,
        session_id: OfSession = None,
    ) -> Response[bytes]:
        """The same as a table."""
        return _csv(await statements.of_payee(actor, payee_id, Wanted(week, session_id)))

    @get("/pdf", guards=[requires(Role.ADMIN)], responses=_REFUSALS, media_type="application/pdf")
    async def read_statement_as_pdf(
        self,
        statements: NamedDependency[StatementService],
        actor: NamedDependency[Actor],
        language: NamedDependency[Language],
        payee_id: Payee,
        week: Week = None,
        session_id: OfSession = None,
    ) -> Response[bytes]:
        """The same to print."""
        return await _pdf(await statements.of_payee(actor, payee_id, Wanted(week, session_id)), language)


def _csv(statement: Statement) -> Response[bytes]:
    return Response(statement_sheet(statement), media_type="text/csv", headers=_named(statement, "csv"))


async def _pdf(statement: Statement, language: Language) -> Response[bytes]:
    # Drawing takes a while, and others are to be answered meanwhile.
    content = await asyncio.to_thread(statement_paper, statement, language)
    return Response(content, media_type="application/pdf", headers=_named(statement, "pdf"))


def _named(statement: Statement, ending: str) -> dict[str, str]:
    about = statement.period.week or statement.period.session_id
    return {"Content-Disposition": f'attachment; filename="statement-{about}.{ending}"'}
