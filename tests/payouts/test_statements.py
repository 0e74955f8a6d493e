"""What payees read about their money."""

import asyncio
import csv
import shutil
import subprocess
from datetime import timedelta
from importlib.resources import files
from io import StringIO
from pathlib import Path
from uuid import uuid4

import pytest
from fpdf import FPDF
from fpdf.fonts import TTFFont
from sqlalchemy import text
from tests.payments.market import Market, over_http
from tests.payments.till import signed_in
from tests.payouts.office import answer, approved, ask, departed, departed_again, dispute, driver_of, name_account, sent
from tests.shop import FARE, FEE, MoveTime, fresh_key

from holdfast.common.actor import Role
from holdfast.common.errors import Invalid
from holdfast.common.language import Language
from holdfast.common.money import egp
from holdfast.documents.sheet import Number, sheet
from holdfast.ledger import FEES, Account, AccountKind, Entry, Purpose, Transaction, post
from holdfast.payments.gateway import DisputeStatus
from holdfast.payouts.statements.dto import StatementView
from holdfast.payouts.statements.models import Statement
from holdfast.payouts.statements.paper import statement_paper
from holdfast.payouts.statements.service import Wanted
from holdfast.payouts.statements.tables import statement_sheet
from holdfast.sessions.errors import SessionUnknown
from holdfast.sessions.models import Session

THIS_WEEK = Wanted()


async def eventful(market: Market) -> Session:
    """A session with two bookings, of which one was cancelled, and cash; paid out, sent back by the bank, and asked for again."""
    session = await market.shop.session(3)
    await market.sell(session, 2)
    passenger, booking = await market.sell(session, 1)
    await market.cancel(passenger, booking)
    await market.close(session)
    await name_account(market, session.driver_id, is_old=True)
    payout = await approved(market, session)
    batch = await sent(market, payout)
    await answer(market, await market.shop.person(Role.ADMIN), batch.id, {payout.id: "RETURNED"})
    async with market.database.transaction() as tx:
        at = await tx.value(text("SELECT business_now()"))
        cash = Account(AccountKind.CASH, Account.payee(session.driver_id).owner)
        entries = (Entry(cash, -egp(11)), Entry(Account.payee(session.driver_id), egp(10)), Entry(FEES, egp(1)))
        await post(tx, [Transaction(uuid4(), Purpose.CAPTURE, at, entries)])
    return session


async def own(market: Market, session: Session, wanted: Wanted = THIS_WEEK) -> Statement:
    return await market.payouts.statements.own(driver_of(session), wanted)


async def test_a_week_says_what_happened_in_it(market: Market) -> None:
    session = await eventful(market)
    [section] = (statement := await own(market, session)).sections
    assert [(line.purpose, line.captured, line.refunded, line.fees, line.cash, line.paid_out, line.change) for line in section.lines] == [
        (Purpose.CAPTURE, 2 * FARE + FEE, 0, -FEE, 0, 0, 2 * FARE),
        (Purpose.CAPTURE, FARE + FEE, 0, -FEE, 0, 0, FARE),
        # The fee of what the passenger cancelled is kept.
        (Purpose.REFUND_OWED, 0, -FARE, 0, 0, 0, -FARE),
        (Purpose.PAYOUT_APPROVED, 0, 0, 0, 0, -2 * FARE, -2 * FARE),
        (Purpose.PAYOUT_RETURNED, 0, 0, 0, 0, 2 * FARE, 2 * FARE),
        (Purpose.CAPTURE, FARE + FEE, 0, -FEE, -FARE - FEE, 0, -FEE),
    ]
    assert (section.opening, section.closing) == (0, 2 * FARE - FEE)
    for line in section.lines:
        assert line.captured + line.refunded + line.fees + line.cash + line.paid_out + line.other == line.change
    assert {line.session_id for line in section.lines[:5]} == {session.id}
    view = StatementView.of(statement)
    ids = [(row.payment_id, row.refund_id, row.payout_id) for row in view.sections[0].lines]
    assert [[value[:3] if value else None for value in row] for row in ids[:5]] == [
        ["pay", None, None],
        ["pay", None, None],
        [None, "rfd", None],
        [None, None, "pyt"],
        [None, None, "pyt"],
    ]


async def test_a_week_begins_with_what_the_one_before_left(market: Market, move_time: MoveTime) -> None:
    first = await departed(market, 2)
    before = (await own(market, first)).period.week
    move_time(timedelta(days=7))
    await departed_again(market, driver_of(first), 1)
    [section] = (await own(market, first)).sections
    assert (section.opening, len(section.lines), section.closing) == (2 * FARE, 1, 3 * FARE)
    [earlier] = (await own(market, first, Wanted(week=before))).sections
    assert (earlier.opening, len(earlier.lines), earlier.closing) == (0, 1, 2 * FARE)


async def test_weeks_are_those_of_the_zone(market: Market) -> None:
    """Monday at midnight in Cairo, which had summer time in week 30 and none in week 48; and one week in which it ended."""
    session = await market.shop.session(1)
    spans = {}
    for week in ("2026-W30", "2026-W44", "2026-W48"):
        period = (await own(market, session, Wanted(week=week))).period
        spans[week] = (period.starts_at.isoformat(), (period.ends_at - period.starts_at) // timedelta(hours=1))
    assert spans == {
        "2026-W30": ("2026-07-19T21:00:00+00:00", 168),
        "2026-W44": ("2026-10-25T21:00:00+00:00", 169),
        "2026-W48": ("2026-11-22T22:00:00+00:00", 168),
    }


@pytest.mark.parametrize("week", ["2026-W54", "2026-W00", "2025-W53", "1999-W01", "2026W01", "٢٠٢٦-W01"])
async def test_a_week_that_there_is_not_is_refused(market: Market, week: str) -> None:
    with pytest.raises(Invalid):
        await market.payouts.statements.own(await market.shop.driver(), Wanted(week=week))


async def test_a_session_has_a_statement_of_its_own(market: Market) -> None:
    first = await departed(market, 2)
    second = await departed_again(market, driver_of(first), 1)
    payout = await approved(market, first)
    [section] = (await own(market, first, Wanted(session_id=first.id))).sections
    assert [line.transaction_id == payout.id for line in section.lines] == [False, True]
    assert (section.opening, section.closing) == (0, 0)
    [other] = (await own(market, first, Wanted(session_id=second.id))).sections
    assert other.closing == FARE
    with pytest.raises(SessionUnknown):
        await market.payouts.statements.own(await market.shop.driver(), Wanted(session_id=first.id))
    with pytest.raises(Invalid):
        await own(market, first, Wanted("2026-W48", first.id))


async def test_a_chargeback_is_on_the_statement_of_its_session(market: Market) -> None:
    session = await departed(market, 2)
    await dispute(market, session, egp(15))
    await dispute(market, session, egp(15), DisputeStatus.WON)
    other = await departed_again(market, driver_of(session), 1)
    [section] = (await own(market, session, Wanted(session_id=session.id))).sections
    assert [(line.purpose, line.other) for line in section.lines[1:]] == [(Purpose.CHARGEBACK, -1500), (Purpose.CHARGEBACK_WON, 1500)]
    assert section.closing == 2 * FARE
    [section] = (await own(market, other, Wanted(session_id=other.id))).sections
    assert [line.purpose for line in section.lines] == [Purpose.CAPTURE]


async def test_what_an_admin_looked_at_is_written_down(market: Market) -> None:
    session = await departed(market, 1)
    admin = await market.shop.person(Role.ADMIN)
    statement = await market.payouts.statements.of_payee(admin, session.driver_id, THIS_WEEK)
    assert statement == await own(market, session)
    async with market.database.reading() as tx:
        seen = await tx.rows(text("SELECT entity_id, after FROM audit_logs WHERE action = 'payout_statement.viewed'"))
    assert [(row["entity_id"], row["after"]["week"]) for row in seen] == [(session.driver_id, statement.period.week)]


async def test_the_table_adds_up(market: Market) -> None:
    session = await eventful(market)
    rows = list(csv.DictReader(StringIO(statement_sheet(await own(market, session)).decode())))
    assert [row["what"] for row in rows][:2] == ["OPENING_BALANCE", "CAPTURE"]
    assert rows[0]["balance"] == "0.00"
    assert rows[-1]["what"] == "CLOSING_BALANCE"
    assert rows[-1]["balance"] == rows[-2]["balance"] == "19.00"
    assert [row["paid_out"] for row in rows if row["paid_out"] not in ("", "0.00")] == ["-20.00", "20.00"]


@pytest.mark.parametrize("cell", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1"])
def test_no_cell_is_a_formula(cell: str) -> None:
    [[text_, number]] = list(csv.reader(StringIO(sheet(("a", "b"), [(cell, Number("-1.00"))]).decode(), newline="")))[1:]
    assert (text_, number) == (f"'{cell}", "-1.00")


@pytest.mark.parametrize("language", list(Language))
async def test_the_paper_is_the_same_each_time(market: Market, language: Language) -> None:
    statement = await own(market, await eventful(market))
    paper = statement_paper(statement, language)
    assert paper.startswith(b"%PDF-")
    assert paper == statement_paper(statement, language)


async def test_a_paper_has_as_many_pages_as_it_needs(market: Market) -> None:
    statement = await own(market, await eventful(market))
    [section] = statement.sections
    long = Statement(statement.payee_id, statement.period, statement.zone, [type(section)("EGP", 0, list(section.lines) * 30)])
    assert statement_paper(long, Language.AR).count(b"/Type /Page\n") > statement_paper(statement, Language.AR).count(b"/Type /Page\n") == 1


@pytest.mark.skipif(shutil.which("pdftotext") is None, reason="pdftotext (poppler-utils) is not installed")
@pytest.mark.parametrize(("language", "words"), [(Language.EN, ("Statement of earnings", "Payout sent back", "20.00"))])
async def test_the_paper_can_be_read(market: Market, tmp_path: Path, language: Language, words: tuple[str, ...]) -> None:
    (tmp_path / "statement.pdf").write_bytes(statement_paper(await own(market, await eventful(market)), language))
    program = await asyncio.create_subprocess_exec("pdftotext", "-layout", "statement.pdf", "-", cwd=tmp_path, stdout=subprocess.PIPE)
    read = (await program.communicate())[0].decode()
    for word in words:
        assert word in read


def test_arabic_is_shaped() -> None:
    """Joined letters are other glyphs than those of the letters alone, which an unshaped text would have."""

    def glyphs(*, shaped: bool) -> set[str]:
        paper = FPDF()
        paper.add_font("Amiri", "", str(files("fontpkg_amiri").joinpath("files", "Amiri-Regular.ttf")))
        paper.set_font("Amiri", size=10)
        paper.set_text_shaping(use_shaping_engine=shaped)
        paper.add_page()
        paper.cell(text="صرف")
        font = paper.fonts["amiri"]
        assert isinstance(font, TTFFont)
        return {glyph.glyph_name for glyph in font.subset._char_id_per_glyph if glyph is not None}

    joined, alone = glyphs(shaped=True), glyphs(shaped=False)
    assert joined - alone, (joined, alone)


async def test_over_http(market: Market) -> None:
    session = await eventful(market)
    driver, admin = driver_of(session), await market.shop.person(Role.ADMIN)
    async with over_http(market) as client:
        statement = await client.get("/payouts/statements", headers=signed_in(driver))
        assert statement.status_code == 200, statement.text
        [section] = statement.json()["sections"]
        assert (section["currency"], section["closingBalance"], section["captured"]) == ("EGP", 19.0, 43.0)
        by_admin = await client.get(f"/admin/payouts/statements?payeeId={driver.id}", headers=signed_in(admin))
        assert by_admin.json() == statement.json()
        assert (await client.get(f"/admin/payouts/statements?payeeId={driver.id}", headers=signed_in(driver))).status_code == 403
        of_session = await client.get(f"/payouts/statements?sessionId={session.id}", headers=signed_in(driver))
        assert of_session.json()["sessionId"] == str(session.id)
        assert (await client.get("/payouts/statements?week=2026-W60", headers=signed_in(driver))).status_code == 422
        for kind, media_type in (("csv", "text/csv; charset=utf-8"), ("pdf", "application/pdf")):
            for path, who in ((f"/payouts/statements/{kind}", driver), (f"/admin/payouts/statements/{kind}?payeeId={driver.id}", admin)):
                file = await client.get(path, headers={**signed_in(who), "Accept-Language": "ar"}, timeout=30)
                assert (file.status_code, file.headers["content-type"]) == (200, media_type), file.text
                assert file.headers["content-disposition"].startswith('attachment; filename="statement-')


async def test_a_driver_takes_back_what_nobody_decided_on(market: Market) -> None:
    session = await departed(market, 1)
    payout = await ask(market, session)
    async with over_http(market) as client:
        other = await market.shop.driver()
        assert (await client.post(f"/payouts/{payout.id}/cancel", headers=signed_in(other))).json()["code"] == "payout_unknown"
        cancelled = await client.post(f"/payouts/{payout.id}/cancel", headers=signed_in(driver_of(session)))
        assert (cancelled.status_code, cancelled.json()["status"]) == (200, "CANCELLED")
    again = await market.payouts.service.ask(driver_of(session), fresh_key(), session.id)
    assert again.id != payout.id
