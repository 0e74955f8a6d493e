"""What is hashed, and what a log that does not fit its seals shows."""

import hashlib
import json
from collections.abc import Sequence
from decimal import Decimal
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from holdfast.audit.chain import BEGINNING, Broken, Tampering, canonical, compare, next_hash, seal_all
from holdfast.audit.models import AuditId, LoggedRow
from holdfast.common.actor import UserId

ID = UUID("018f0000-0000-7000-8000-000000000001")
ROW = LoggedRow(
    id=AuditId.of(ID), epoch=1, xid=745, position=12, actor_id=UUID(int=0), actor_role="SYSTEM", action="lantern.lit", entity="lantern",
    entity_id=ID, before=None, after='{"state": "LIT", "b": 1.50, "ab": [true, null, "\\u00e9\\n"]}', created_us=1_700_000_000_000_001,
)  # fmt: skip

# Without the two sorts of characters that PostgreSQL keeps in no jsonb.
texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8)
numbers = st.integers(-(10**30), 10**30) | st.decimals(-(10**12), 10**12, places=6)
values = st.recursive(
    st.none() | st.booleans() | numbers | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=12,
)


def rows(count: int) -> list[LoggedRow]:
    return [structs.replace(ROW, id=AuditId.new(), xid=700 + number, after=json.dumps({"number": number})) for number in range(count)]


def told(broken: Sequence[Broken]) -> list[tuple[Tampering, int | None]]:
    return [(each.tampering, each.number) for each in broken]


def test_the_bytes_of_a_row_are_these_for_ever() -> None:
    """A change here breaks every chain that exists: give the encoding another version."""
    expected = (
        '[1,1,745,12,"018f0000-0000-7000-8000-000000000001","00000000-0000-0000-0000-000000000000","SYSTEM","lantern.lit","lantern",'
        '"018f0000-0000-7000-8000-000000000001",null,[{"ab":[true,null,"é\\n"],"b":1.5,"state":"LIT"}],1700000000000001]'
    ).encode()
    assert canonical(ROW) == expected
    assert next_hash(BEGINNING.hash, ROW) == hashlib.sha256(bytes(32) + expected).digest()


def _as_json(value: object, *, backwards: bool, spaced: bool) -> str:
    """One of many ways to write a value."""
    if isinstance(value, dict):
        names = sorted(value, reverse=backwards)
        members = [f"{json.dumps(name)}:{' ' * spaced}{_as_json(value[name], backwards=backwards, spaced=spaced)}" for name in names]
        return f"{{{(', ' if spaced else ',').join(members)}}}"
    if isinstance(value, list):
        return f"[{','.join(_as_json(each, backwards=backwards, spaced=spaced) for each in value)}]"
    if isinstance(value, Decimal):
        # 1.500000 and 15E-1 are one number.
        return format(value, "f") if backwards else f"{int(value.scaleb(6))}e-6"
    return json.dumps(value, ensure_ascii=backwards)


@given(values)
def test_however_a_value_is_written_its_bytes_are_the_same(value: object) -> None:
    ways = [_as_json(value, backwards=backwards, spaced=spaced) for backwards in (False, True) for spaced in (False, True)]
    assert len({canonical(structs.replace(ROW, after=way)) for way in ways}) == 1


@given(values, values)
def test_bytes_tell_two_values_apart(one: object, other: object) -> None:
    """What is read back from them is what was written, so two values never share their bytes."""
    for value in (one, other):
        text = _as_json(value, backwards=True, spaced=True)
        member = json.loads(canonical(structs.replace(ROW, before=text)), parse_float=Decimal)[10][0]
        assert member == value
        assert type(member) is type(value) or isinstance(value, Decimal)


CHANGES = {
    "id": AuditId.new(), "epoch": 2, "xid": 746, "position": 13, "actor_id": ID, "actor_role": "ADMIN", "action": "lantern.lost",
    "entity": "lamp", "entity_id": UUID(int=7), "before": "null", "after": None, "created_us": None,
}  # fmt: skip


@pytest.mark.parametrize("field", LoggedRow.__struct_fields__)
def test_every_column_counts(field: str) -> None:
    assert canonical(structs.replace(ROW, **{field: CHANGES[field]})) != canonical(ROW)


def test_no_value_is_not_the_value_null() -> None:
    assert canonical(structs.replace(ROW, after="null")) != canonical(structs.replace(ROW, after=None))
    assert canonical(structs.replace(ROW, before="1", after=None)) != canonical(structs.replace(ROW, before=None, after="1"))


def test_a_log_as_it_was_sealed_shows_nothing() -> None:
    log = rows(5)
    seals = seal_all(BEGINNING, log)
    assert compare(BEGINNING, seals, log) == []
    assert compare(seals[1], seals[2:], log[2:]) == []
    assert seal_all(seals[1], log[2:]) == seals[2:]


def test_what_was_done_to_a_row_is_told_of_that_row_alone() -> None:
    log = rows(5)
    seals = seal_all(BEGINNING, log)
    changed = structs.replace(log[2], actor_id=UserId.new())
    assert told(compare(BEGINNING, seals, [*log[:2], changed, *log[3:]])) == [(Tampering.CHANGED, 3)]
    assert told(compare(BEGINNING, seals, [*log[:2], *log[3:]])) == [(Tampering.REMOVED, 3)]
    stranger = structs.replace(ROW, id=AuditId.new(), xid=log[2].xid, position=13)
    assert told(compare(BEGINNING, seals, [*log[:3], stranger, *log[3:]])) == [(Tampering.ADDED, None)]
    one, other = structs.replace(log[2], xid=log[3].xid), structs.replace(log[3], xid=log[2].xid)
    assert told(compare(BEGINNING, seals, [*log[:2], other, one, log[4]])) == [(Tampering.REORDERED, 3), (Tampering.REORDERED, 4)]


def test_seals_that_are_gone_leave_a_gap() -> None:
    log = rows(5)
    seals = seal_all(BEGINNING, log)
    without_third = [*seals[:2], *seals[3:]]
    assert told(compare(BEGINNING, without_third, log)) == [(Tampering.UNSEALED, None)]
    assert told(compare(BEGINNING, without_third, [*log[:2], *log[3:]])) == [(Tampering.REMOVED, 3)]


def test_a_row_that_was_changed_with_its_seal_breaks_the_next_link() -> None:
    log = rows(5)
    seals = seal_all(BEGINNING, log)
    log[2] = structs.replace(log[2], actor_role="ADMIN")
    seals[2:3] = seal_all(seals[1], log[2:3])
    (broken,) = compare(BEGINNING, seals, log)
    assert (broken.tampering, broken.number) == (Tampering.CHANGED, 4)
    assert "or the row before it was, together with its seal" in str(broken)
