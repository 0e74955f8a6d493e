"""Fraud rules and reviews over HTTP, for admins."""

from typing import Annotated

from litestar import Controller, Response, Router, delete, get, patch, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody, QueryParameter
from litestar.status_codes import HTTP_200_OK
from msgspec import UNSET
from msgspec.structs import replace

from holdfast.common.actor import Actor, Role
from holdfast.common.errors import Outdated
from holdfast.common.guards import provided, refusals, requires, tagged
from holdfast.common.paging import PageRequest, PageView
from holdfast.fraud.dto import DecisionRequest, NewRuleRequest, ReviewView, RuleChangeRequest, RulesView, RuleView
from holdfast.fraud.errors import ReviewDecidedAlready, ReviewUnknown, RuleUnknown, TooManyRules
from holdfast.fraud.models import ReviewId, RuleId
from holdfast.fraud.service import FraudService
from holdfast.fraud.states import ReviewState
from holdfast.idempotency import IdempotencyKey


class FraudController(Controller):
    path = "/admin/fraud"
    tags = ("Fraud",)

    @get("/rules", guards=[requires(Role.ADMIN)])
    async def list_rules(self, service: NamedDependency[FraudService]) -> RulesView:
        """Every rule, in the order in which they are looked at."""
        return RulesView([RuleView.of(rule) for rule in await service.list_rules()])

    @post("/rules", guards=[requires(Role.ADMIN)], responses=refusals(TooManyRules))
    async def add_rule(
        self,
        data: JSONBody[NewRuleRequest],
        service: NamedDependency[FraudService],
        actor: NamedDependency[Actor],
        optional_key: NamedDependency[IdempotencyKey | None],
    ) -> Response[RuleView]:
        """Add a rule. Every process judges payments by it within a second."""
        added = await service.add_rule(actor, optional_key, data.kind, data.action, data.terms)
        return tagged(RuleView.of(added), added.version)

    @patch("/rules/{rule_id:str}", guards=[requires(Role.ADMIN)], responses=refusals(RuleUnknown, Outdated))
    async def change_rule(
        self,
        rule_id: FromPath[str],
        data: JSONBody[RuleChangeRequest],
        service: NamedDependency[FraudService],
        actor: NamedDependency[Actor],
        version: NamedDependency[int],
        optional_key: NamedDependency[IdempotencyKey | None],
    ) -> Response[RuleView]:
        """Change what a rule says, or enable or disable it. Windows that run go on to their end."""
        terms = replace(data.terms, action=None if data.action is UNSET else data.action)
        changed = await service.change_rule(actor, optional_key, RuleId.parse(rule_id), version, terms)
        return tagged(RuleView.of(changed), changed.version)

    @delete("/rules/{rule_id:str}", guards=[requires(Role.ADMIN)], responses=refusals(RuleUnknown))
    async def delete_rule(self, rule_id: FromPath[str], service: NamedDependency[FraudService], actor: NamedDependency[Actor]) -> None:
        """Take a rule away. What it led to stays in the reviews and in the audit log."""
        await service.delete_rule(actor, RuleId.parse(rule_id))

    @get("/reviews", guards=[requires(Role.ADMIN)])
    async def list_reviews(
        self,
        service: NamedDependency[FraudService],
        actor: NamedDependency[Actor],
        page: NamedDependency[PageRequest],
        of_state: Annotated[ReviewState | None, QueryParameter(name="state")] = None,
    ) -> PageView[ReviewView]:
        """What rules wanted somebody to look at, newest first. That you looked is written into the audit log."""
        return PageView.of(await service.list_reviews(actor, page, state=of_state), page, ReviewView.of)

    @post(
        "/reviews/{review_id:str}/decision",
        status_code=HTTP_200_OK,
        guards=[requires(Role.ADMIN)],
        responses=refusals(ReviewUnknown, ReviewDecidedAlready),
    )
    async def decide(
        self,
        review_id: FromPath[str],
        data: JSONBody[DecisionRequest],
        service: NamedDependency[FraudService],
        actor: NamedDependency[Actor],
        optional_key: NamedDependency[IdempotencyKey | None],
    ) -> Response[ReviewView]:
        """Let this person pass the rule for a day, or not. They are told, and pay again themselves."""
        decided = await service.decide(actor, optional_key, ReviewId.parse(review_id), data.decision.state, data.note)
        return tagged(ReviewView.of(decided), decided.version)


def router(service: FraudService) -> Router:
    return Router(path="/", route_handlers=[FraudController], dependencies={"service": provided(service)})
