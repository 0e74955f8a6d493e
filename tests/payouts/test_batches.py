"""Payouts that go to the bank together, and what the bank says of them."""

import asyncio
import csv
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from hashlib import sha256
from importlib.resources import files
from io import StringIO
from xml.etree import ElementTree

import psycopg
import pytest
import sepaxml
import xmlschema
from sqlalchemy import text
from tests.controls import CONTROLS, Control, without
from tests.payments.market import DEBTOR, VAULT, Market, over_http
from tests.payments.till import signed_in
from tests.payouts.office import IBAN, OTHER_IBAN, answer, approved, departed, driver_of, name_account, read, ready, sent
from tests.races import guarded_and, race
from tests.shop import FARE, fresh_key

from holdfast.app.check import examine
from holdfast.common.actor import Actor, Role
from holdfast.common.errors import Invalid, Refusal
from holdfast.common.money import Amount
from holdfast.ledger import PAYOUTS_DUE, Account
from holdfast.payouts.accounts.models import Destination
from holdfast.payouts.batches import repository
from holdfast.payouts.batches import service as batch_service
from holdfast.payouts.batches.answers import read_answer
from holdfast.payouts.batches.errors import (
    AccountsChanged,
    AnswerToAnother,
    AnswerUnreadable,
    BatchApprovedAlready,
    BatchNotApproved,
    BatchUnknown,
    FileDiffers,
    NoBankOfOurs,
    OwnBatch,
    SeveralCurrencies,
)
from holdfast.payouts.batches.files import FileKind, bank_file
from holdfast.payouts.batches.models import Batch, Order, Transfer
from holdfast.payouts.batches.service import BatchService, Heard
from holdfast.payouts.batches.states import BATCH, BatchState
from holdfast.payouts.errors import OwnPayout, PayoutInBatch, PayoutUnknown
from holdfast.payouts.models import Payout, PayoutBatchId, PayoutId
from holdfast.payouts.states import PayoutState

CONTROLS["payouts.without_batch_lock"] = lambda: Control(
    edits=[(repository.SQL.lock_batch, "FOR NO KEY UPDATE", ""), (repository.SQL.approve_batch, "AND status = 'MADE'", "")]
)
CONTROLS["payouts.without_batch_four_eyes"] = lambda: Control(
    attributes=[(batch_service, "forbid_own", lambda *_: None)],
    ddl=["ALTER TABLE payout_batches DROP CONSTRAINT payout_batches_four_eyes"],
)

PAIN = "{urn:iso:std:iso:20022:tech:xsd:pain.001.001.09}"
SCHEMA = xmlschema.XMLSchema(str(files(sepaxml).joinpath("schemas", "pain.001.001.09.xsd")))


async def make(market: Market, maker: Actor, *payouts: Payout) -> Batch:
    return await market.payouts.batches.make(maker, fresh_key(), [payout.id for payout in payouts])


async def admin(market: Market) -> Actor:
    return await market.shop.person(Role.ADMIN)


async def deeds(market: Market) -> list[str]:
    async with market.database.reading() as tx:
        rows = await tx.rows(text("SELECT action FROM audit_logs WHERE entity = 'payout_batch' ORDER BY position"))
    return [row["action"] for row in rows]


def order_of(*transfers: Transfer, currency: str = "EGP") -> Order:
    total = Amount(currency, sum(transfer.amount.minor for transfer in transfers))
    return Order(PayoutBatchId.new(), datetime(2026, 11, 27, 22, 30, tzinfo=UTC), date(2026, 11, 28), DEBTOR, total)


async def test_from_approved_to_paid(market: Market, database_url: str) -> None:
    first, second = await ready(market, 2), await ready(market, 1, iban=OTHER_IBAN, holder="سعيد محمود")
    maker, approver = await admin(market), await admin(market)
    made = await make(market, maker, first, second)
    assert (made.status, made.payouts, made.total_amount, made.made_by_admin) == (BatchState.MADE, 2, 3 * FARE, maker.id)
    assert [(await read(market, payout.id)).status for payout in (first, second)] == [PayoutState.IN_BATCH] * 2
    with pytest.raises(BatchNotApproved):
        await market.payouts.batches.download(maker, made.id, FileKind.XML)
    with pytest.raises(PayoutInBatch):
        await market.payouts.service.pay(maker, fresh_key(), first.id)
    allowed = await market.payouts.batches.approve(approver, fresh_key(), made.id)
    assert (allowed.status, allowed.approved_by_admin) == (BatchState.APPROVED, approver.id)
    await market.payouts.batches.download(maker, made.id, FileKind.CSV)
    heard = await answer(market, maker, made.id, {first.id: "PAID", second.id: "RETURNED"})
    assert heard == Heard(paid=1, returned=1, known=0, pending=0)
    assert [(await read(market, payout.id)).status for payout in (first, second)] == [PayoutState.PAID, PayoutState.RETURNED]
    assert (await market.has(Account.bank()), await market.has(PAYOUTS_DUE)) == (2 * FARE, 0)
    assert await market.has(Account.payee(second.driver_id)) == FARE
    assert await deeds(market) == [
        "payout_batch.made",
        "payout_batch.approved",
        "payout_batch.downloaded",
        "payout_batch.answered",
    ]
    assert not [
        name for name in (await examine(database_url, consumers=(), test_clock=True)).broken if name.startswith(("i3", "i4", "i13"))
    ]


async def test_the_files_are_the_same_each_time_and_what_was_approved(market: Market) -> None:
    payouts = [await ready(market, 1, holder=holder) for holder in ("Mona Ali", "سعيد محمود", "O'Neill & Sons")]
    batch = await sent(market, *payouts)
    reader = await admin(market)
    for kind, kept in ((FileKind.CSV, batch.csv_sha256), (FileKind.XML, batch.xml_sha256)):
        contents = {await market.payouts.batches.download(reader, batch.id, kind) for _ in range(3)}
        assert len(contents) == 1
        assert sha256(contents.pop()).digest() == kept
    async with market.database.reading() as tx:
        told = await tx.rows(text("SELECT after FROM audit_logs WHERE action = 'payout_batch.downloaded' ORDER BY position"))
    assert [row["after"]["sha256"] for row in told] == [batch.csv_sha256.hex()] * 3 + [batch.xml_sha256.hex()] * 3


async def test_a_file_that_would_differ_does_not_leave(market: Market, owner_url: str) -> None:
    batch = await sent(market, payout := await ready(market, 1))
    reader = await admin(market)
    with psycopg.connect(owner_url) as owner:
        owner.execute("UPDATE payout_batch_items SET amount = amount + 1")
    with pytest.raises(FileDiffers):
        await market.payouts.batches.download(reader, batch.id, FileKind.CSV)
    with psycopg.connect(owner_url) as owner:
        owner.execute("UPDATE payout_batch_items SET amount = amount - 1")
    await market.payouts.batches.download(reader, batch.id, FileKind.CSV)
    async with market.database.transaction() as tx:
        await VAULT.forget(tx, payout.driver_id)
    with pytest.raises(FileDiffers):
        await market.payouts.batches.download(reader, batch.id, FileKind.CSV)


async def test_the_xml_is_valid_by_the_published_schema(market: Market) -> None:
    """The schema of ISO 20022, as the package sepaxml ships it."""
    first, second = await ready(market, 2), await ready(market, 1, iban=OTHER_IBAN, holder="سعيد محمود")
    batch = await sent(market, first, second)
    content = await market.payouts.batches.download(await admin(market), batch.id, FileKind.XML)
    SCHEMA.validate(content.decode())
    root = ElementTree.fromstring(content)

    def texts(name: str) -> list[str | None]:
        return [found.text for found in root.iter(f"{PAIN}{name}")]

    assert texts("EndToEndId") == [str(each.id) for each in sorted((first, second), key=lambda payout: payout.id)]
    assert texts("InstdAmt") == ["20.00", "10.00"]
    assert (texts("NbOfTxs"), texts("CtrlSum"), texts("MsgId")) == (["2", "2"], ["30.00", "30.00"], [str(batch.id)])
    assert texts("IBAN") == [DEBTOR.iban, IBAN, OTHER_IBAN]
    assert "سعيد محمود" in texts("Nm")


@pytest.mark.parametrize(("currency", "minor", "shown"), [("EGP", 1050, "10.50"), ("JPY", 1050, "1050"), ("KWD", 1050, "1.050")])
@pytest.mark.parametrize("bic", ["NBEGEGCX", None])
def test_every_currency_and_a_bank_without_code_are_valid(currency: str, minor: int, shown: str, bic: str | None) -> None:
    transfer = Transfer(PayoutId.new(), Amount(currency, minor), Destination("Mona & <Ali>", IBAN, bic))
    order = order_of(transfer, currency=currency)
    content = bank_file(
        FileKind.XML, Order(order.id, order.made_at, order.execute_on, Destination("Us", DEBTOR.iban, bic), order.total), [transfer]
    )
    SCHEMA.validate(content.decode())
    assert f'Ccy="{currency}">{shown}</InstdAmt>' in content.decode()


def test_the_schema_finds_what_is_wrong() -> None:
    """The control of the two above: an element out of its order, and an amount without its currency."""
    transfer = Transfer(PayoutId.new(), Amount("EGP", 100), Destination("Mona Ali", IBAN, None))
    good = bank_file(FileKind.XML, order_of(transfer), [transfer]).decode()
    SCHEMA.validate(good)
    for wrong in (good.replace(' Ccy="EGP"', ""), good.replace("<PmtMtd>TRF</PmtMtd>", ""), good.replace("GrpHdr", "Head")):
        assert wrong != good
        with pytest.raises(xmlschema.XMLSchemaValidationError):
            SCHEMA.validate(wrong)


async def test_the_csv_says_the_same(market: Market) -> None:
    first, second = await ready(market, 2), await ready(market, 1, iban=OTHER_IBAN, holder="Ali, Mona")
    batch = await sent(market, first, second)
    content = await market.payouts.batches.download(await admin(market), batch.id, FileKind.CSV)
    rows = list(csv.DictReader(StringIO(content.decode())))
    assert [(row["end_to_end_id"], row["creditor_iban"], row["amount"], row["currency"], row["batch_id"]) for row in rows] == [
        (str(first.id), IBAN, "20.00", "EGP", str(batch.id)),
        (str(second.id), OTHER_IBAN, "10.00", "EGP", str(batch.id)),
    ]
    assert rows[1]["creditor_name"] == "Ali, Mona"


async def test_a_cancelled_batch_gives_its_payouts_back(market: Market, database_url: str) -> None:
    payout = await ready(market, 1)
    maker = await admin(market)
    made = await make(market, maker, payout)
    cancelled = await market.payouts.batches.cancel(maker, fresh_key(), made.id)
    assert cancelled.status is BatchState.CANCELLED
    again = await read(market, payout.id)
    assert (again.status, again.batch_id) == (PayoutState.APPROVED, None)
    await sent(market, again)
    assert not [name for name in (await examine(database_url, consumers=(), test_clock=True)).broken if name.startswith("i13")]


async def test_every_pair_of_states_moves_as_the_table_says(market: Market) -> None:
    async def start(state: BatchState) -> Batch:
        made = await make(market, await admin(market), await ready(market, 1))
        if state is BatchState.APPROVED:
            return await market.payouts.batches.approve(await admin(market), fresh_key(), made.id)
        return await market.payouts.batches.cancel(await admin(market), fresh_key(), made.id) if state is BatchState.CANCELLED else made

    for state in BatchState:
        for end, move in ((BatchState.APPROVED, market.payouts.batches.approve), (BatchState.CANCELLED, market.payouts.batches.cancel)):
            batch = await start(state)
            if BATCH.allows(state, end):
                assert (await move(await admin(market), fresh_key(), batch.id)).status is end
            else:
                with pytest.raises(BATCH.refusals[state]):
                    await move(await admin(market), fresh_key(), batch.id)


async def test_what_cannot_go_into_a_batch(market: Market, owner_url: str) -> None:
    maker = await admin(market)
    payout = await ready(market, 1)
    other = await ready(market, 1, iban=OTHER_IBAN)
    with pytest.raises(PayoutUnknown):
        await market.payouts.batches.make(maker, fresh_key(), [payout.id, PayoutId.new()])
    with pytest.raises(OwnPayout):
        await make(market, Actor(payout.driver_id, Role.ADMIN), payout)
    with psycopg.connect(owner_url) as owner:
        owner.execute("UPDATE driver_payouts SET currency = 'USD' WHERE id = %s", (other.id,))
    with pytest.raises(SeveralCurrencies, match="EGP, USD"):
        await make(market, maker, payout, other)
    ours = BatchService(market.database, VAULT, debtor=None, zone="Africa/Cairo")
    with pytest.raises(NoBankOfOurs):
        await ours.make(maker, fresh_key(), [payout.id])
    # Nothing of what was refused is left behind.
    assert (await read(market, payout.id)).status is PayoutState.APPROVED
    with pytest.raises(BatchUnknown):
        await market.payouts.batches.approve(maker, fresh_key(), PayoutBatchId.new())


async def test_the_same_key_makes_one_batch(market: Market) -> None:
    payout, maker, key = await ready(market, 1), await admin(market), fresh_key()
    made = await market.payouts.batches.make(maker, key, [payout.id])
    again = await market.payouts.batches.make(maker, type(key)(key.text, key.fingerprint), [payout.id])
    assert again == made
    with pytest.raises(PayoutInBatch):
        await make(market, maker, payout)


@guarded_and("payouts.without_batch_four_eyes")
async def test_i13_a_batch_is_approved_by_somebody_who_has_no_part_in_it(market: Market, owner_url: str, guard: str | None) -> None:
    payout, maker = await ready(market, 1), await admin(market)
    made = await make(market, maker, payout)
    driver = Actor(payout.driver_id, Role.ADMIN)
    async with without(guard, owner_url):
        if guard is not None:
            assert (await market.payouts.batches.approve(maker, fresh_key(), made.id)).status is BatchState.APPROVED
            return
        for themselves in (maker, driver):
            with pytest.raises(OwnBatch):
                await market.payouts.batches.approve(themselves, fresh_key(), made.id)


async def test_i13_the_database_refuses_it_too(market: Market) -> None:
    made = await make(market, maker := await admin(market), await ready(market, 1))
    with pytest.raises(psycopg.errors.CheckViolation, match="payout_batches_four_eyes"):
        async with market.database.transaction() as tx:
            await repository.approve(tx, made.id, maker.id)


@guarded_and("payouts.without_batch_lock")
async def test_f16_of_twenty_admins_one_approves_a_batch(market: Market, owner_url: str, guard: str | None) -> None:
    admins = [await admin(market) for _ in range(20)]

    async def once() -> str:
        made = await make(market, await admin(market), await ready(market, 1))
        answers = await asyncio.gather(
            *(market.payouts.batches.approve(each, fresh_key(), made.id) for each in admins), return_exceptions=True
        )
        assert all(isinstance(each, Batch | Refusal) for each in answers), answers
        allowed = sum(isinstance(each, Batch) for each in answers)
        assert allowed == 1 or guard is not None
        assert all(isinstance(each, Batch | BatchApprovedAlready) for each in answers) or guard is not None
        return f"{allowed} admins approved" if allowed != 1 else ""

    await race(once, guard, owner_url)


async def test_a_payout_is_in_one_batch_however_many_are_made_at_once(market: Market) -> None:
    payout, admins = await ready(market, 1), [await admin(market) for _ in range(10)]
    answers = await asyncio.gather(*(make(market, each, payout) for each in admins), return_exceptions=True)
    assert sum(isinstance(each, Batch) for each in answers) == 1
    assert all(isinstance(each, Batch | PayoutInBatch) for each in answers), answers


async def test_a_batch_is_not_approved_once_an_account_has_changed(market: Market) -> None:
    payout = await ready(market, 1)
    made = await make(market, await admin(market), payout)
    await name_account(market, payout.driver_id, OTHER_IBAN)
    with pytest.raises(AccountsChanged):
        await market.payouts.batches.approve(await admin(market), fresh_key(), made.id)


PAIN002 = """<?xml version="1.0" encoding="UTF-8"?>
<Document xmlns="urn:iso:std:iso:20022:tech:xsd:pain.002.001.10">
  <CstmrPmtStsRpt>
    <GrpHdr><MsgId>BANK-1</MsgId><CreDtTm>2026-11-28T10:00:00Z</CreDtTm></GrpHdr>
    <OrgnlGrpInfAndSts>
      <OrgnlMsgId>{batch}</OrgnlMsgId><OrgnlMsgNmId>pain.001.001.09</OrgnlMsgNmId>{group}
    </OrgnlGrpInfAndSts>
    <OrgnlPmtInfAndSts>
      <OrgnlPmtInfId>{batch}</OrgnlPmtInfId>
{transfers}
    </OrgnlPmtInfAndSts>
  </CstmrPmtStsRpt>
</Document>
"""
TRANSFER = (
    "      <TxInfAndSts><OrgnlEndToEndId>{id}</OrgnlEndToEndId><TxSts>{status}</TxSts>"
    "<StsRsnInf><Rsn><Cd>{reason}</Cd></Rsn><AddtlInf>Account closed</AddtlInf></StsRsnInf></TxInfAndSts>"
)


def pain002(batch_id: PayoutBatchId, said: Mapping[object, str], group: str = "") -> bytes:
    transfers = "\n".join(TRANSFER.format(id=payout_id, status=status, reason="AC04") for payout_id, status in said.items())
    return PAIN002.format(batch=batch_id, transfers=transfers, group=group).encode()


def lines_of(refused: Invalid) -> list[str]:
    errors = refused.facts["errors"]
    assert isinstance(errors, list)
    return [error["path"] for error in errors]


async def test_a_bank_answers_in_iso_20022(market: Market) -> None:
    paid, returned, pending = [await ready(market, 1) for _ in range(3)]
    batch, reader = await sent(market, paid, returned, pending), await admin(market)
    said = pain002(batch.id, {paid.id: "ACSC", returned.id: "RJCT", pending.id: "ACSP"})
    heard = await market.payouts.batches.hear(reader, fresh_key(), batch.id, read_answer(said))
    assert heard == Heard(paid=1, returned=1, known=0, pending=1)
    assert (await read(market, returned.id)).return_reason == "AC04 Account closed"
    assert (await read(market, pending.id)).status is PayoutState.IN_BATCH
    # The whole of it again, and then the last word on the one that was missing.
    assert await market.payouts.batches.hear(reader, fresh_key(), batch.id, read_answer(said)) == Heard(0, 0, 2, 1)
    last = read_answer(pain002(batch.id, {pending.id: "ACCC"}))
    assert await market.payouts.batches.hear(reader, fresh_key(), batch.id, last) == Heard(1, 0, 0, 0)
    assert (await market.has(Account.bank()), await market.has(PAYOUTS_DUE)) == (2 * FARE, 0)


async def test_a_bank_refuses_all_of_it(market: Market) -> None:
    payouts = [await ready(market, 1) for _ in range(2)]
    batch = await sent(market, *payouts)
    group = "<GrpSts>RJCT</GrpSts><StsRsnInf><Rsn><Cd>FF01</Cd></Rsn></StsRsnInf>"
    heard = await market.payouts.batches.hear(await admin(market), fresh_key(), batch.id, read_answer(pain002(batch.id, {}, group)))
    assert heard == Heard(0, 2, 0, 0)
    assert {(await read(market, payout.id)).return_reason for payout in payouts} == {"FF01"}


async def test_each_end_to_end_id_counts_once_and_nothing_is_half_done(market: Market) -> None:
    first, second, other = [await ready(market, 1) for _ in range(3)]
    batch = await sent(market, first, second)
    await sent(market, other)
    reader = await admin(market)
    lines = (
        "end_to_end_id,status,reason",
        f"{first.id},PAID,",
        f"{other.id},PAID,",
        "nonsense,PAID,",
        f"{first.id},RETURNED,AC04",
        f"{second.id},SPENT,",
    )
    with pytest.raises(Invalid) as refused:
        await market.payouts.batches.hear(reader, fresh_key(), batch.id, read_answer("\n".join(lines).encode()))
    assert lines_of(refused.value) == ["line 3", "line 4", "line 5", "line 6"]
    assert [(await read(market, each.id)).status for each in (first, second, other)] == [PayoutState.IN_BATCH] * 3
    assert await market.has(Account.bank()) == 0
    unknown = pain002(batch.id, {first.id: "ACSC", PayoutId.new(): "ACSC"})
    with pytest.raises(Invalid) as refused:
        await market.payouts.batches.hear(reader, fresh_key(), batch.id, read_answer(unknown))
    assert lines_of(refused.value) == ["line 11"]
    # What was returned is owed again, so a bank that says "paid" after that is not believed.
    await answer(market, reader, batch.id, {first.id: "RETURNED"})
    with pytest.raises(Invalid) as refused:
        await answer(market, reader, batch.id, {first.id: "PAID"})
    assert "owed to the driver again" in str(refused.value.facts)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"a,b,c\n1,2,3",
        b"<Document/>",
        b"<Document>",
        b'end_to_end_id,status,reason\n"open',
        b"\xff\xfe",
        b'<!DOCTYPE d [<!ENTITY a "ha"><!ENTITY b "&a;&a;">]><Document>&b;</Document>',
        b"<a>" * 40 + b"</a>" * 40,
    ],
)
def test_what_is_no_answer_is_refused(body: bytes) -> None:
    with pytest.raises(AnswerUnreadable):
        read_answer(body)


async def test_an_answer_to_another_batch_is_refused(market: Market) -> None:
    batch = await sent(market, payout := await ready(market, 1))
    with pytest.raises(AnswerToAnother):
        await market.payouts.batches.hear(
            await admin(market), fresh_key(), batch.id, read_answer(pain002(PayoutBatchId.new(), {payout.id: "ACSC"}))
        )


async def test_an_answer_before_approval_is_refused(market: Market) -> None:
    made = await make(market, reader := await admin(market), payout := await ready(market, 1))
    with pytest.raises(BatchNotApproved):
        await answer(market, reader, made.id, {payout.id: "PAID"})


async def test_over_http(market: Market) -> None:
    payouts: Sequence[Payout] = [await ready(market, 1) for _ in range(2)]
    maker, approver = await admin(market), await admin(market)
    async with over_http(market) as client:
        body = {"payoutIds": [str(payout.id) for payout in payouts]}
        driver = Actor(payouts[0].driver_id, Role.DRIVER)
        assert (await client.post("/admin/payout-batches", json=body, headers=signed_in(driver))).status_code == 403
        made = await client.post("/admin/payout-batches", json=body, headers=signed_in(maker))
        assert (made.status_code, made.json()["status"]) == (201, "MADE"), made.text
        path = f"/admin/payout-batches/{made.json()['id']}"
        assert (await client.get(f"{path}/xml", headers=signed_in(maker))).json()["code"] == "payout_batch_not_approved"
        assert (await client.post(f"{path}/approve", headers=signed_in(maker))).json()["code"] == "own_payout_batch"
        assert (await client.post(f"{path}/approve", headers=signed_in(approver))).json()["status"] == "APPROVED"
        file = await client.get(f"{path}/xml", headers=signed_in(maker))
        assert (file.status_code, file.headers["content-type"]) == (200, "application/xml"), file.text
        assert sha256(file.content).hexdigest() == made.json()["xmlSha256"]
        table = await client.get(f"{path}/csv", headers=signed_in(maker))
        assert sha256(table.content).hexdigest() == made.json()["csvSha256"]
        shown = (await client.get(path, headers=signed_in(maker))).json()
        assert sorted(item["payoutId"] for item in shown["items"]) == sorted(body["payoutIds"])
        assert (await client.get("/admin/payout-batches", headers=signed_in(maker))).json()["data"] == [shown["batch"]]
        headers = {**signed_in(maker), "Content-Type": "text/csv"}
        wrong = await client.post(f"{path}/answers", content="end_to_end_id,status,reason\nx,PAID,\n", headers=headers)
        assert (wrong.status_code, wrong.json()["errors"][0]["path"]) == (422, "line 2")
        said = "end_to_end_id,status,reason\n" + "".join(f"{payout.id},PAID,\n" for payout in payouts)
        headers = {**signed_in(maker), "Content-Type": "text/csv"}
        heard = await client.post(f"{path}/answers", content=said, headers=headers)
        assert (heard.status_code, heard.json()) == (200, {"paid": 2, "returned": 0, "known": 0, "pending": 0})
        repeated = await client.post(f"{path}/answers", content=said, headers=headers)
        assert (repeated.json(), repeated.headers["idempotency-replayed"]) == (heard.json(), "true")


async def test_a_batch_is_dated_where_we_do_business(market: Market, owner_url: str) -> None:
    async with market.database.reading() as tx:
        today = await tx.value(text("SELECT (business_now() AT TIME ZONE 'Africa/Cairo')::date"))
    made = await make(market, await admin(market), await ready(market, 1))
    assert made.execute_on - today in (timedelta(0), timedelta(days=1))


async def test_the_driver_reads_why_it_came_back(market: Market) -> None:
    session = await departed(market, 1)
    await name_account(market, session.driver_id, is_old=True)
    payout = await approved(market, session)
    batch = await sent(market, payout)
    await answer(market, await admin(market), batch.id, {payout.id: "RETURNED"})
    async with over_http(market) as client:
        [own] = (await client.get("/payouts/my", headers=signed_in(driver_of(session)))).json()["data"]
    assert (own["status"], own["returnReason"], own["batchId"]) == ("RETURNED", "AC04", str(batch.id))
