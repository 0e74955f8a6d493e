"""Rules as admins change them."""

import asyncio
from typing import Any

import pytest
from sqlalchemy import text
from tests.fraud.watch import ADMIN, VAULT, Watch, paid
from tests.payments.till import signed_in, somebody

from holdfast.common.errors import Invalid, Overloaded
from holdfast.common.money import egp
from holdfast.database import Database
from holdfast.fraud import module, repository
from holdfast.fraud.errors import TooManyRules
from holdfast.fraud.models import RULES_MAX, RuleAction, RuleKind
from holdfast.fraud.service import RuleTerms
from holdfast.payments.screening import PaymentNotPossible

SECOND_S = 1.0


async def call(watch: Watch, method: str, path: str = "", *, version: int | None = None, **body: object) -> Any:
    headers = signed_in(ADMIN) | ({"If-Match": f'"{version}"'} if version is not None else {})
    return await watch.till.client.request(method, f"/admin/fraud/rules{path}", json=body or None, headers=headers)


async def test_the_first_set_is_there_and_lets_honest_people_pay(database: Database) -> None:
    fraud = module.build(database, VAULT)
    rules = await fraud.service.list_rules()
    assert {rule.kind for rule in rules} == set(RuleKind)
    assert not any(rule.on_wallets for rule in rules)
    # Thousands of customers of one mobile network share an address, and tokens of the sandbox are no cards.
    off = {rule.kind for rule in rules if not rule.is_enabled}
    assert off == {RuleKind.ATTEMPTS_PER_NETWORK, RuleKind.ATTEMPTS_PER_CARD, RuleKind.FIRST_OF_YOUNG_ACCOUNT}


async def test_a_rule_from_its_beginning_to_its_end(watch: Watch) -> None:
    added = await call(watch, "POST", kind="ATTEMPTS_PER_PERSON", action="REFUSE", withinSeconds=60, limit=0)
    assert added.status_code == 201, added.text
    rule = added.json()
    assert rule == {
        "id": rule["id"], "kind": "ATTEMPTS_PER_PERSON", "action": "REFUSE", "withinSeconds": 60, "limit": 0, "amount": None,
        "currency": None, "priority": 100, "isEnabled": True, "onWallets": False, "version": 1,
    }  # fmt: skip
    assert isinstance(await watch.try_to_pay(somebody()), PaymentNotPossible)
    changed = await call(watch, "PATCH", f"/{rule['id']}", version=1, isEnabled=False)
    assert (changed.status_code, changed.headers["ETag"]) == (200, '"2"')
    assert paid(await watch.try_to_pay(somebody()))
    late = await call(watch, "PATCH", f"/{rule['id']}", version=1, isEnabled=True)
    assert late.status_code == 412
    assert (await call(watch, "GET")).json()["data"] == [{**rule, "isEnabled": False, "version": 2}]
    assert (await call(watch, "DELETE", f"/{rule['id']}")).status_code == 204
    assert (await call(watch, "DELETE", f"/{rule['id']}")).json()["code"] == "fraud_rule_unknown"
    async with watch.till.database.transaction() as tx:
        deeds = await tx.rows(text("SELECT action, actor_id FROM audit_logs WHERE action LIKE 'fraud_rule.%' ORDER BY id"))
    assert [(deed["action"], deed["actor_id"]) for deed in deeds] == [
        ("fraud_rule.added", ADMIN.id),
        ("fraud_rule.changed", ADMIN.id),
        ("fraud_rule.deleted", ADMIN.id),
    ]


async def test_an_amount_is_said_in_major_units(watch: Watch) -> None:
    added = await call(watch, "POST", kind="AMOUNT_ABOVE", action="3DS", amount=100.5, currency="EGP")
    assert (added.json()["amount"], added.json()["currency"]) == (100.5, "EGP")
    too_fine = await call(watch, "POST", kind="AMOUNT_ABOVE", action="3DS", amount=100.555, currency="EGP")
    assert too_fine.status_code == 422
    alone = await call(watch, "POST", kind="AMOUNT_ABOVE", action="3DS", amount=100.5)
    assert (alone.status_code, alone.json()["errors"][0]["path"]) == (422, "currency")


@pytest.mark.parametrize(
    ("kind", "terms", "paths"),
    [
        (RuleKind.ATTEMPTS_PER_PERSON, RuleTerms(), ["withinSeconds", "limit"]),
        (RuleKind.ATTEMPTS_PER_PERSON, RuleTerms(uses_max=1, amount_max=egp(1)), ["withinSeconds", "amount"]),
        (RuleKind.AMOUNT_ABOVE, RuleTerms(uses_max=1), ["limit", "amount"]),
        (RuleKind.FIRST_OF_YOUNG_ACCOUNT, RuleTerms(uses_max=1), ["withinSeconds", "limit"]),
        (RuleKind.TOTAL_PER_PERSON, RuleTerms(amount_max=egp(1)), ["withinSeconds"]),
    ],
)
async def test_what_a_kind_knows_nothing_of(watch: Watch, kind: RuleKind, terms: RuleTerms, paths: list[str]) -> None:
    with pytest.raises(Invalid) as refused:
        await watch.fraud.service.add_rule(ADMIN, None, kind, RuleAction.REFUSE, terms)
    errors: Any = refused.value.facts["errors"]
    assert [error["path"] for error in errors] == paths
    assert await watch.fraud.service.list_rules() == []


async def test_there_are_not_too_many(watch: Watch) -> None:
    for _ in range(RULES_MAX):
        await watch.rule(RuleKind.ATTEMPTS_PER_PERSON, uses=1)
    with pytest.raises(TooManyRules):
        await watch.rule(RuleKind.ATTEMPTS_PER_PERSON, uses=1)


async def test_another_process_knows_it_within_a_second(watch: Watch, database_url: str) -> None:
    database = Database(database_url, name="another process")
    elsewhere = module.build(database, VAULT)
    await elsewhere.known.look()
    assert elsewhere.known.enabled == []
    rule = await watch.rule(RuleKind.ATTEMPTS_PER_PERSON, uses=1)
    began = asyncio.get_running_loop().time()
    while not elsewhere.known.enabled:
        assert asyncio.get_running_loop().time() < began + SECOND_S
        await elsewhere.known.look()
        await asyncio.sleep(0.02)
    assert elsewhere.known.enabled == [rule]
    await database.close()


async def test_what_is_known_goes_on_to_count_while_the_rules_cannot_be_read(watch: Watch, monkeypatch: pytest.MonkeyPatch) -> None:
    await watch.rule(RuleKind.ATTEMPTS_PER_PERSON, uses=0)
    monkeypatch.setattr("holdfast.fraud.rules.AGE_S_MAX", 0.0)
    await watch.fraud.known.look()

    async def away(_tx: object) -> object:
        raise Overloaded

    monkeypatch.setattr(repository, "rules", away)
    assert isinstance(await watch.try_to_pay(somebody()), PaymentNotPossible)
    fresh = module.build(watch.till.database, VAULT)
    with pytest.raises(Overloaded):
        await fresh.known.look()


async def test_each_rule_that_fires_is_measured(watch: Watch) -> None:
    rule = await watch.rule(RuleKind.ATTEMPTS_PER_PERSON, RuleAction.ALLOW, uses=1)
    person = somebody()
    for _ in range(3):
        assert paid(await watch.try_to_pay(person))
    (measure,) = watch.fraud.screening.fired.collect()
    counted = {tuple(sample.labels.values()): sample.value for sample in measure.samples if sample.name.endswith("_total")}
    assert counted == {(str(rule.id), "ATTEMPTS_PER_PERSON", "ALLOW"): 2.0}
