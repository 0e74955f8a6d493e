"""The books of the gateway are the second witness: what it took and gave back must be in ours, and the other way round."""

from collections.abc import AsyncIterator, Callable
from datetime import datetime, timedelta

import psycopg
import pytest
from msgspec.structs import replace
from tests.check.town import CONSUMER, build_town

from holdfast.app.check import Finding, examine
from holdfast.common.money import Amount
from holdfast.payments.gateway import GatewayDown, SettledItem, SettledKind
from holdfast.payments.gateways.sandbox import SandboxGateway
from holdfast.payments.models import PaymentId, RefundId

Items = list[SettledItem]


class Books(SandboxGateway):
    """A gateway of which nothing but its list of movements is asked."""

    def __init__(self, items: Items | None) -> None:
        super().__init__("http://127.0.0.1:1", "")
        self._items = items

    async def list_settled(self, since: datetime) -> AsyncIterator[SettledItem]:
        if self._items is None:
            raise GatewayDown("away")
        for item in self._items:
            yield item


def honest_books(owner_url: str) -> Items:
    """What the gateway of the town has to say, if everything is right."""
    with psycopg.connect(owner_url) as owner:
        captures = owner.execute(
            "SELECT id, captured_amount, captured_at FROM payments WHERE settlement IS NOT NULL ORDER BY id"
        ).fetchall()
        refunds = owner.execute("SELECT id, payment_id, amount, refunded_at FROM refunds ORDER BY id").fetchall()
    return [
        *(SettledItem(SettledKind.CAPTURE, PaymentId.of(i), PaymentId.of(i), Amount("EGP", a), "ref", at) for i, a, at in captures),
        *(SettledItem(SettledKind.REFUND, RefundId.of(i), PaymentId.of(p), Amount("EGP", a), "ref", at) for i, p, a, at in refunds),
    ]


async def settled(database_url: str, items: Items | None) -> Finding:
    gateway = Books(items)
    found = await examine(database_url, consumers=[CONSUMER], gateways=[gateway], test_clock=True)
    await gateway.close()
    assert set(found.broken) <= {"i6_settled"}
    assert any("did not answer" in note for note in found.notes) == (items is None)
    return next(finding for finding in found.findings if finding.name == "i6_settled")


async def test_honest_books_agree(database_url: str, owner_url: str) -> None:
    build_town(owner_url)
    assert (await settled(database_url, honest_books(owner_url))).holds


async def test_a_silent_gateway_is_no_violation_but_a_note(database_url: str, owner_url: str) -> None:
    build_town(owner_url)
    assert (await settled(database_url, None)).holds


LIES: dict[str, Callable[[Items], Items]] = {
    "a capture that we do not know": lambda items: [*items, replace(items[0], id=PaymentId.new(), payment=PaymentId.new())],
    "a refund that we do not know": lambda items: [*items, replace(items[-1], id=RefundId.new())],
    "a capture that the gateway does not know": lambda items: items[1:],
    "a refund that the gateway does not know": lambda items: items[:-1],
    "taken twice": lambda items: [*items, items[0]],
    "another amount": lambda items: [replace(items[0], amount=Amount("EGP", 601)), *items[1:]],
    "another currency": lambda items: [replace(items[0], amount=Amount("USD", 600)), *items[1:]],
    "given back of another payment": lambda items: [*items[:-1], replace(items[-1], payment=items[0].payment)],
}


@pytest.mark.parametrize("lie", LIES.values(), ids=LIES.keys())
async def test_a_difference_is_found(lie: Callable[[Items], Items], database_url: str, owner_url: str) -> None:
    build_town(owner_url)
    found = await settled(database_url, lie(honest_books(owner_url)))
    assert found.violations in (1, 2)


async def test_what_is_on_its_way_is_no_difference(database_url: str, owner_url: str) -> None:
    build_town(owner_url)
    items = honest_books(owner_url)
    just_now = max(item.at for item in items) + timedelta(minutes=8)
    assert (await settled(database_url, [*items, replace(items[0], id=PaymentId.new(), at=just_now)])).holds
