"""Tampering as whoever owns the server: each sort is found, and the row is named."""

from collections.abc import Sequence

import pytest
from sqlalchemy import text
from tests.audit.log import ids, record, row, seal, sealed_log, tamper

from holdfast.audit import repository, verification
from holdfast.audit.chain import BEGINNING, Tampering, seal_all
from holdfast.audit.heads import PublishedHead
from holdfast.audit.models import AuditId
from holdfast.audit.verification import Contradicted, contradicted, verify
from holdfast.database import Database

Told = tuple[Tampering, int | None, AuditId | None]

SWAP = (
    f"UPDATE audit_logs a SET xid = b.xid, position = b.position FROM audit_logs b"
    f" WHERE (a.id, b.id) IN (({row(3)}, {row(4)}), ({row(4)}, {row(3)}))"
)
INSERT = (
    "INSERT INTO audit_logs (id, epoch, xid, position, actor_id, actor_role, action, entity, entity_id)"
    " SELECT gen_random_uuid(), epoch, xid, position + {offset}, actor_id, actor_role, action, entity, entity_id"
    f" FROM audit_logs WHERE id = {row(3)}"
)


@pytest.fixture(params=[2_000, 2, 1], ids=lambda rows: f"{rows} rows at a time")
def slices(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where one slice ends and the next begins must not matter."""
    monkeypatch.setattr(verification, "SLICE", request.param)


async def told(database: Database) -> list[Told]:
    verdict = await verify(database)
    assert verdict.count >= len(verdict.broken)
    return [(each.tampering, each.number, each.log_id) for each in verdict.broken]


async def published(database: Database) -> PublishedHead:
    return PublishedHead.of((await verify(database)).head)


async def test_an_empty_log_and_a_whole_one_are_whole(database: Database) -> None:
    assert (await verify(database)).rows == 0
    assert await contradicted(database, [await published(database)]) is None
    await sealed_log(database, 7)
    verdict = await verify(database)
    assert (verdict.count, verdict.rows, verdict.head.number) == (0, 7, 7)
    assert (await verify(database, 5)).rows == 2
    await record(database)
    assert (await verify(database)).count == 0, "what is not sealed yet is nobody's fault"


@pytest.mark.usefixtures("slices")
@pytest.mark.parametrize(
    "change",
    [
        "after = jsonb_set(after, '{number}', '99')",
        "after = NULL",
        "before = 'null'",
        "actor_id = gen_random_uuid()",
        "action = 'lantern.lost'",
        "entity_id = gen_random_uuid()",
        "created_at = created_at - interval '1 microsecond'",
        "created_at = 'infinity'",
    ],
)
async def test_a_value_that_was_changed(database: Database, superuser_url: str, change: str) -> None:
    await sealed_log(database, 6)
    log = ids(superuser_url)
    tamper(superuser_url, f"UPDATE audit_logs SET {change} WHERE id = {row(3)}")
    assert await told(database) == [(Tampering.CHANGED, 3, log[2])]


@pytest.mark.usefixtures("slices")
@pytest.mark.parametrize("number", [1, 3, 6])
async def test_a_row_that_was_removed(database: Database, superuser_url: str, number: int) -> None:
    await sealed_log(database, 6)
    log = ids(superuser_url)
    tamper(superuser_url, f"DELETE FROM audit_logs WHERE id = {row(number)}")
    assert await told(database) == [(Tampering.REMOVED, number, log[number - 1])]


@pytest.mark.usefixtures("slices")
async def test_a_row_that_was_removed_with_its_seal(database: Database, superuser_url: str) -> None:
    await sealed_log(database, 6)
    tamper(superuser_url, f"DELETE FROM audit_logs WHERE id = {row(3)}", "DELETE FROM audit_seals WHERE number = 3")
    assert await told(database) == [(Tampering.REMOVED, 3, None)]


@pytest.mark.usefixtures("slices")
async def test_a_seal_that_was_removed(database: Database, superuser_url: str) -> None:
    await sealed_log(database, 6)
    log = ids(superuser_url)
    tamper(superuser_url, "DELETE FROM audit_seals WHERE number IN (3, 4)")
    assert await told(database) == [(Tampering.UNSEALED, None, log[2]), (Tampering.UNSEALED, None, log[3])]


@pytest.mark.usefixtures("slices")
@pytest.mark.parametrize("offset", [-1, 0, 1], ids=["before", "beside", "behind"])
async def test_a_row_that_was_added(database: Database, superuser_url: str, offset: int) -> None:
    await sealed_log(database, 6)
    log = ids(superuser_url)
    tamper(superuser_url, INSERT.format(offset=offset))
    (added,) = set(ids(superuser_url)) - set(log)
    assert await told(database) == [(Tampering.ADDED, None, added)]


@pytest.mark.usefixtures("slices")
async def test_two_rows_that_changed_places(database: Database, superuser_url: str) -> None:
    await sealed_log(database, 6)
    log = ids(superuser_url)
    tamper(superuser_url, SWAP)
    assert ids(superuser_url) != log
    assert await told(database) == [(Tampering.REORDERED, 3, log[2]), (Tampering.REORDERED, 4, log[3])]


@pytest.mark.usefixtures("slices")
async def test_two_rows_that_changed_places_with_their_seals(database: Database, superuser_url: str) -> None:
    await sealed_log(database, 6)
    tamper(
        superuser_url,
        SWAP,
        "UPDATE audit_seals s SET xid = a.xid, position = a.position FROM audit_logs a WHERE a.id = s.log_id",
    )
    named = [number for _, number, _ in await told(database)]
    assert set(named[:2]) == {3, 4}


@pytest.mark.usefixtures("slices")
@pytest.mark.parametrize("to", [-1, 1], ids=["to the front", "to the end"])
async def test_a_row_that_was_moved_far_away(database: Database, superuser_url: str, to: int) -> None:
    await sealed_log(database, 6)
    log = ids(superuser_url)
    end = "max(xid::text::bigint)" if to > 0 else "min(xid::text::bigint)"
    tamper(
        superuser_url,
        f"UPDATE audit_logs SET xid = (SELECT ({end})::text::xid8 FROM audit_logs), position = position + {to * 9} WHERE id = {row(3)}",
    )
    assert await told(database) == [(Tampering.REORDERED, 3, log[2])]


async def test_several_are_counted_and_the_first_is_named(database: Database, superuser_url: str) -> None:
    await sealed_log(database, 30)
    log = ids(superuser_url)
    tamper(superuser_url, "UPDATE audit_logs SET actor_role = 'ADMIN' WHERE position % 2 = 1")
    verdict = await verify(database)
    first = verdict.broken[0]
    assert (verdict.count, len(verdict.broken)) == (15, verification.SHOWN_MAX)
    assert first.log_id in log[:2]
    assert str(first.log_id) in str(first)


async def test_the_tail_without_its_head(database: Database, superuser_url: str) -> None:
    """The head knows how many seals there must be."""
    await sealed_log(database, 6)
    tamper(superuser_url, f"DELETE FROM audit_logs WHERE id = {row(6)}", "DELETE FROM audit_seals WHERE number = 6")
    assert await told(database) == [(Tampering.REMOVED, 6, None)]


async def test_a_seal_at_the_end_that_is_not_the_heads(database: Database, superuser_url: str) -> None:
    await sealed_log(database, 6)
    tamper(superuser_url, "UPDATE audit_chain_head SET hash = decode(repeat('ab', 32), 'hex')")
    assert [each[:2] for each in await told(database)] == [(Tampering.CHANGED, 6)]


async def test_a_head_that_was_set_back(database: Database, superuser_url: str) -> None:
    """What is behind it would be compared with nothing."""
    await sealed_log(database, 6)
    head, log = await published(database), ids(superuser_url)
    tamper(superuser_url, f"UPDATE audit_logs SET action = 'lantern.lost' WHERE id = {row(6)}", CUT_THE_TAIL[2])
    assert await told(database) == [(Tampering.BEYOND, 6, log[5])]
    assert await contradicted(database, [head]) == Contradicted(head, agrees_up_to=0, sealed=5)


CUT_THE_TAIL = (
    f"DELETE FROM audit_logs WHERE id = {row(6)}",
    "DELETE FROM audit_seals WHERE number = 6",
    """UPDATE audit_chain_head SET (number, hash, epoch, xid, position) =
              (SELECT number, hash, epoch, xid, position FROM audit_seals WHERE number = 5)""",
)


async def test_a_tail_that_was_cut_with_its_seals_is_found_by_a_published_head(database: Database, superuser_url: str) -> None:
    await sealed_log(database, 5)
    earlier = await published(database)
    await sealed_log(database, 1)
    later = await published(database)
    tamper(superuser_url, *CUT_THE_TAIL)
    assert await told(database) == [], "the database alone cannot show it"
    assert await contradicted(database, [earlier]) is None
    found = await contradicted(database, [later, earlier])
    assert found == Contradicted(later, agrees_up_to=5, sealed=5)
    assert "row 6 is the first that was removed together with its seal" in str(found)


async def test_a_tail_that_was_cut_and_has_grown_again_is_found(database: Database, superuser_url: str) -> None:
    await sealed_log(database, 6)
    head = await published(database)
    tamper(superuser_url, *CUT_THE_TAIL)
    await sealed_log(database, 4)
    assert await told(database) == []
    found = await contradicted(database, [head])
    assert found == Contradicted(head, agrees_up_to=0, sealed=9)
    assert "of rows 1 to 6 some were sealed anew" in str(found)


async def test_a_history_that_was_rewritten_with_all_its_seals_is_found(database: Database, owner: Database, superuser_url: str) -> None:
    """Whoever owns the server can seal everything anew: what was published before shows it, and where."""
    heads: list[PublishedHead] = []
    for _ in range(3):
        await sealed_log(database, 2)
        heads.append(await published(database))
    tamper(superuser_url, f"UPDATE audit_logs SET actor_role = 'ADMIN' WHERE id = {row(3)}")
    await _seal_anew(owner)
    assert await told(database) == []
    assert await contradicted(database, [heads[0]]) is None
    assert await contradicted(database, heads) == Contradicted(heads[1], agrees_up_to=2, sealed=6)


async def _seal_anew(owner: Database) -> None:
    async with owner.transaction() as tx:
        rows = await repository.to_seal(tx, BEGINNING.place, 100)
        await tx.run(text("DELETE FROM audit_seals"))
        await repository.add_seals(tx, seal_all(BEGINNING, rows))


async def test_what_a_published_head_says_is_trusted_where_it_is_asked(database: Database, superuser_url: str) -> None:
    await sealed_log(database, 3)
    head = await published(database)
    await sealed_log(database, 3)
    tamper(superuser_url, f"UPDATE audit_logs SET actor_role = 'ADMIN' WHERE id = {row(2)}")
    assert (await verify(database, head.rows)).count == 0
    assert (await verify(database)).count == 1


async def test_sealing_goes_on_behind_what_was_tampered_with(database: Database, superuser_url: str) -> None:
    """It is found for ever, and hides nothing that comes later."""
    await sealed_log(database, 3)
    tamper(superuser_url, f"DELETE FROM audit_logs WHERE id = {row(2)}")
    await record(database, 3)
    await seal(database)
    log: Sequence[AuditId] = ids(superuser_url)
    tamper(superuser_url, f"UPDATE audit_logs SET actor_role = 'ADMIN' WHERE id = {row(5)}")
    found = await told(database)
    assert [each[:2] for each in found] == [(Tampering.REMOVED, 2), (Tampering.CHANGED, 5)]
    assert found[1][2] == log[3]
