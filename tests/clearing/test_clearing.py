"""A gateway's list and its settlement files beside our books: whatever differs is written down, and nothing is made equal."""

from collections.abc import AsyncIterator, Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

import httpx
import msgspec
import pytest
from sqlalchemy import text
from tests.payments.test_refund_orders import failed, to_wallet
from tests.payments.test_refunds import bought, give_back, settles
from tests.payments.till import SECRET, FewRoutes, Till, fresh_key, signed_in, somebody
from tests.servers import serving

from holdfast.app.http import create_app
from holdfast.app.internal import InternalApp, internal_server, new_registry
from holdfast.clearing import module
from holdfast.clearing.models import DifferenceId, DifferenceKind, Found, Line, MovementKind
from holdfast.clearing.service import SETTLED_WITHIN, Clearing
from holdfast.common.actor import Actor, Role
from holdfast.common.errors import Outdated
from holdfast.common.money import Amount, egp
from holdfast.common.paging import PageRequest
from holdfast.config import Settings
from holdfast.events.consumers import consume_next
from holdfast.notifications.handlers import NOTICES, NotificationConsumer
from holdfast.payments import RefundState
from holdfast.payments.disputes.service import Disputes
from holdfast.payments.gateway import DisputeFact, DisputeStatus, Gateways, SettledItem, SettledKind
from holdfast.payments.gateways.sandbox import SandboxGateway
from holdfast.payments.models import Payment, PaymentId

Moves = Callable[[timedelta], None]
Lie = Callable[[list[SettledItem]], list[SettledItem]]
ADMIN = Actor(somebody().id, Role.ADMIN)
OVERDUE = timedelta(days=1)
FOREIGN = PaymentId.new()


class Liar(SandboxGateway):
    """The sandbox, with a list that is not true."""

    lie: Lie = staticmethod(lambda items: items)

    async def list_settled(self, since: datetime) -> AsyncIterator[SettledItem]:
        for item in self.lie([item async for item in super().list_settled(since)]):
            yield item


class Ledgers:
    """The reconciler beside the till's gateway, which tests make lie."""

    def __init__(self, till: Till) -> None:
        self.gateway = Liar(till.sandbox_url, SECRET)
        self.clearing = Clearing(till.database, Gateways(self.gateway), grace=timedelta(0), overdue_after=OVERDUE)

    async def compare(self, lie: Lie | None = None) -> list[DifferenceKind]:
        self.gateway.lie = lie or (lambda items: items)
        return [each.kind for each in await self.clearing.compare_list("sandbox")]

    async def open(self) -> list[Any]:
        return list((await self.clearing.list_all(ADMIN, PageRequest())).rows)


@pytest.fixture
async def ledgers(till: Till) -> AsyncIterator[Ledgers]:
    opened = Ledgers(till)
    yield opened
    await opened.gateway.close()


def replaced(**changes: object) -> Lie:
    return lambda items: [msgspec.structs.replace(items[0], **changes), *items[1:]]


def foreign(items: list[SettledItem]) -> list[SettledItem]:
    return [*items, SettledItem(SettledKind.CAPTURE, FOREIGN, FOREIGN, egp(5), "ch_foreign", items[0].at)]


LIES: dict[str, tuple[Lie, DifferenceKind]] = {
    "one is missing there": (lambda items: items[1:], DifferenceKind.MISSING_THERE),
    "one is missing here": (foreign, DifferenceKind.MISSING_HERE),
    "another amount": (replaced(amount=egp(30, 99)), DifferenceKind.OTHER_AMOUNT),
    "another currency": (replaced(amount=Amount("USD", 3100)), DifferenceKind.OTHER_CURRENCY),
    "one is there twice": (lambda items: [items[0], *items], DifferenceKind.DUPLICATE),
}


@pytest.mark.parametrize(("lie", "kind"), LIES.values(), ids=LIES.keys())
async def test_a_difference_is_written_down_until_it_is_gone(till: Till, ledgers: Ledgers, lie: Lie, kind: DifferenceKind) -> None:
    await bought(till)
    await bought(till)
    assert await ledgers.compare() == []
    books = await till.balances()
    assert await ledgers.compare(lie) == [kind]
    # Seen again, it is the same one.
    assert await ledgers.compare(lie) == [kind]
    (difference,) = await ledgers.open()
    assert (difference.kind, difference.gateway, difference.resolved_at) == (kind, "sandbox", None)
    assert await ledgers.compare() == []
    assert await ledgers.open() == []
    assert await till.value("SELECT resolved_by IS NULL AND resolved_at IS NOT NULL FROM settlement_differences")
    # It came back, so it is open again, and its age counts from now on.
    assert await ledgers.compare(lie) == [kind]
    (again,) = await ledgers.open()
    assert again.id == difference.id
    assert again.first_seen_at > difference.first_seen_at
    # F-18: whatever they say, our books stay as they are.
    assert await till.balances() == books


async def test_refunds_are_compared_and_what_went_into_a_wallet_is_not_the_gateways(till: Till, ledgers: Ledgers) -> None:
    thing, _ = await bought(till)
    (refund,) = await give_back(till, [thing], egp(30), egp(0))
    await till.payments.refunds.do_due()
    await settles(till, refund, RefundState.SUCCESS)
    assert await ledgers.compare() == []
    assert await ledgers.compare(lambda items: [item for item in items if item.kind is SettledKind.CAPTURE]) == [
        DifferenceKind.MISSING_THERE
    ]
    sent = await failed(till)
    await to_wallet(till, ADMIN, sent)
    assert await ledgers.compare() == []
    # The gateway gives it back after all: that is money twice, and somebody has to know.
    late = SettledItem(SettledKind.REFUND, sent.id, sent.payment_id, sent.total, "re_late", datetime.now(UTC) - timedelta(seconds=5))
    assert await ledgers.compare(lambda items: [*items, late]) == [DifferenceKind.MISSING_HERE]


async def test_an_admin_resolves_it_for_good(till: Till, ledgers: Ledgers) -> None:
    await bought(till)
    lie = LIES["another amount"][0]
    await ledgers.compare(lie)
    (difference,) = await ledgers.open()
    with pytest.raises(Outdated):
        await ledgers.clearing.resolve(ADMIN, None, difference.id, difference.version + 1, "It is theirs.")
    resolved = await ledgers.clearing.resolve(ADMIN, fresh_key(), difference.id, difference.version, "It is theirs.")
    assert (resolved.resolved_by, resolved.note) == (ADMIN.id, "It is theirs.")
    assert await ledgers.compare(lie) == [DifferenceKind.OTHER_AMOUNT]
    assert await ledgers.open() == []
    assert await till.value("SELECT count(*) FROM audit_logs WHERE action = 'difference.resolved'") == 1
    assert not await till.value("SELECT count(*) FROM audit_logs WHERE after::text LIKE '%theirs%'")


async def metric(till: Till, ledgers: Ledgers) -> str:
    """What an alert looks at."""
    internal = InternalApp(till.database.url, new_registry(), count_overdue_differences=ledgers.clearing.count_overdue)
    async with internal_server(internal, 0) as port, httpx.AsyncClient(trust_env=False) as client:
        shown = (await client.get(f"http://127.0.0.1:{port}/metrics")).text
    return next(line for line in shown.splitlines() if line.startswith("holdfast_differences_overdue"))


async def test_admins_are_told_once_of_what_nobody_has_cleared_up(till: Till, ledgers: Ledgers, move_time: Moves) -> None:
    async with till.database.transaction() as tx:
        await tx.run(text("INSERT INTO users (id, role, is_verified) VALUES (:id, 'ADMIN', true)"), id=ADMIN.id)
    await bought(till)
    await ledgers.compare(LIES["another amount"][0])
    assert await ledgers.clearing.announce_overdue() == 0
    assert await metric(till, ledgers) == "holdfast_differences_overdue 0.0"
    move_time(OVERDUE + timedelta(minutes=1))
    assert await metric(till, ledgers) == "holdfast_differences_overdue 1.0"
    assert await ledgers.clearing.announce_overdue() == 1
    assert await ledgers.clearing.announce_overdue() == 0
    while await consume_next(till.database, NotificationConsumer(NOTICES)):
        pass
    told = "SELECT array_agg(user_id) FROM notifications WHERE type = 'DIFFERENCE_OVERDUE'"
    assert await till.value(told) == [ADMIN.id]


def line(payment: Payment, *, reference: str = "ch_1", gross: int = 3100, fee: int = 93, net: int = 3007, currency: str = "EGP") -> Line:
    return Line(MovementKind.CAPTURE, reference, UUID(int=payment.id.int), gross, fee, net, currency, date(2026, 11, 27))


def payout(minor: int, reference: str = "po_1") -> Line:
    return Line(MovementKind.PAYOUT, reference, None, -minor, 0, -minor, "EGP", date(2026, 11, 27))


async def settle(ledgers: Ledgers, *lines: Line) -> list[DifferenceKind]:
    return [each.kind for each in await ledgers.clearing.import_lines(ADMIN, "sandbox", lines)]


async def test_a_settlement_brings_the_clearing_account_back_to_zero(till: Till, ledgers: Ledgers) -> None:
    _, payment = await bought(till)
    lines = (line(payment), Line(MovementKind.FEE, "fee_1", None, 0, 7, -7, "EGP", date(2026, 11, 27)), payout(3000))
    assert await settle(ledgers, *lines) == []
    earned = {("PAYEE", "EGP"): 3000, ("FEES", "EGP"): 100}
    assert await till.balances() == {**earned, ("GATEWAY_COSTS", "EGP"): -100, ("BANK", "EGP"): -3000}
    # Taken in twice it is booked once.
    assert await settle(ledgers, *lines) == []
    assert (await till.balances())["BANK", "EGP"] == -3000
    assert await till.value("SELECT count(*) FROM audit_logs WHERE action = 'settlement_line.imported'") == 3


async def test_a_dispute_is_settled_too(till: Till, ledgers: Ledgers) -> None:
    _, payment = await bought(till)
    await Disputes(till.database).apply("sandbox", DisputeFact(payment.id, "ch_1", "dp_1", payment.total, DisputeStatus.LOST, "fraudulent"))
    taken = Line(MovementKind.DISPUTE, "dp_1", UUID(int=payment.id.int), -3100, 1500, -4600, "EGP", date(2026, 11, 27))
    assert await settle(ledgers, line(payment), taken) == []
    assert await till.balances() == {("GATEWAY", "EGP"): 1593, ("GATEWAY_COSTS", "EGP"): -1593}


@pytest.mark.parametrize(
    ("changes", "kind"),
    [
        ({"gross": 3099, "net": 3006}, DifferenceKind.OTHER_AMOUNT),
        ({"currency": "USD"}, DifferenceKind.OTHER_CURRENCY),
        ({"net": 3000}, DifferenceKind.FEE),
    ],
)
async def test_f18_what_is_settled_otherwise_is_told_and_not_adjusted(
    till: Till, ledgers: Ledgers, changes: dict[str, Any], kind: DifferenceKind
) -> None:
    _, payment = await bought(till)
    assert await settle(ledgers, line(payment, **changes)) == [kind]
    booked = await till.balances()
    assert booked["PAYEE", "EGP"] == 3000
    assert booked["FEES", "EGP"] == 100
    # The clearing account shows what is left: what was captured less the fee, in whatever currency that was kept.
    assert sum(minor for (account, _), minor in booked.items() if account == "GATEWAY") == -3007


async def test_lines_that_are_not_ours_or_twice_or_late_are_told(till: Till, ledgers: Ledgers, move_time: Moves) -> None:
    _, payment = await bought(till)
    _, unsettled = await bought(till)
    stranger = Line(MovementKind.CAPTURE, "ch_9", None, 500, 0, 500, "EGP", date(2026, 11, 27))
    twice = line(payment, reference="ch_2")
    assert sorted(await settle(ledgers, line(payment), twice, stranger)) == [DifferenceKind.DUPLICATE, DifferenceKind.MISSING_HERE]
    move_time(SETTLED_WITHIN + timedelta(minutes=1))
    found = [each for each in await ledgers.clearing.compare_file("sandbox") if each.kind is DifferenceKind.LATE]
    assert found == [Found(DifferenceKind.LATE, MovementKind.CAPTURE, str(UUID(int=unsettled.id.int)), "EGP", ours=3100)]
    await settle(ledgers, line(unsettled, reference="ch_3"))
    assert DifferenceKind.LATE not in {difference.kind for difference in await ledgers.open()}


async def test_over_http(till: Till, ledgers: Ledgers) -> None:
    _, payment = await bought(till)
    await ledgers.compare(LIES["another amount"][0])
    built = module.build(till.database, Gateways(ledgers.gateway), overdue_after=OVERDUE)
    program = FewRoutes(Settings(_env_file=None), [built.router])  # type: ignore[call-arg]
    async with serving(create_app(program)) as url, httpx.AsyncClient(base_url=f"{url}/api/v1", trust_env=False) as client:
        (shown,) = (await client.get("/admin/differences", headers=signed_in(ADMIN))).json()["data"]
        assert (shown["subject"], shown["ourAmount"], shown["theirAmount"], shown["owner"]) == (str(payment.id), 31.0, 30.99, "GATEWAY")
        path, etag = f"/admin/differences/{shown['id']}", {"If-Match": f'"{shown["version"]}"'}
        assert (await client.patch(path, json={"note": "It is theirs."}, headers=signed_in(somebody()) | etag)).status_code == 403
        resolved = await client.patch(path, json={"note": "It is theirs."}, headers=signed_in(ADMIN) | etag)
        assert (resolved.status_code, resolved.json()["note"]) == (200, "It is theirs.")
        stale = await client.patch(path, json={"note": "Again."}, headers=signed_in(ADMIN) | {"If-Match": resolved.headers["etag"]})
        assert (stale.status_code, stale.json()["code"]) == (409, "difference_resolved")
        unknown = await client.patch(f"/admin/differences/{DifferenceId.new()}", json={"note": "?"}, headers=signed_in(ADMIN) | etag)
        assert unknown.status_code == 404
        listed = await client.get("/admin/differences", params={"withResolved": "true"}, headers=signed_in(ADMIN))
        assert [each["resolvedBy"] for each in listed.json()["data"]] == [str(ADMIN.id)]
