"""The mutator itself: it makes every kind of wrong, each once, and a mutant that is put in is what runs."""

import pytest
from tests.mutation.sql import TARGETS, mutants, put_in
from tests.mutation.statements import mutants_of
from tests.mutation.survivors import SURVIVORS

from holdfast.database import Query
from holdfast.inventory import repository

SOURCE = """
SELECT a FROM t WHERE b <= :now AND c = ANY(:ids) AND (d IS NULL OR e) ORDER BY a LIMIT :limit FOR UPDATE SKIP LOCKED
"""


def test_each_wrong_is_made_once() -> None:
    texts = [mutant.text for mutant in mutants_of(Query("some", SOURCE))]
    assert len(set(texts)) == len(texts)
    sound = Query("some", SOURCE).text
    for old, new in [
        ("FOR UPDATE SKIP LOCKED", ""),
        (" SKIP LOCKED", ""),
        ("FOR UPDATE", "FOR SHARE"),
        ("ORDER BY a", ""),
        ("ORDER BY a", "ORDER BY a DESC"),
        ("LIMIT %(limit)s", ""),
        ("<=", "<"),
        ("<=", ">"),
        ("= ANY", "<> ALL"),
        ("IS NULL", "IS NOT NULL"),
        (" b <= %(now)s", " true"),
        (" c = ANY(%(ids)s)", " true"),
        (" (d IS NULL OR e)", " true"),
    ]:
        assert sound.replace(old, new, 1) in texts, (old, new)


@pytest.mark.parametrize("file", sorted(TARGETS))
def test_every_file_has_mutants_with_names_of_their_own(file: str) -> None:
    found = [mutant.name for mutant in mutants(TARGETS[file])]
    assert len(found) > 10
    assert len(set(found)) == len(found)


def test_what_is_explained_is_there() -> None:
    """Whoever changes a statement, or writes the test that was missing, takes the explanation away."""
    assert set(SURVIVORS) <= {mutant.name for file in TARGETS.values() for mutant in mutants(file)}


def test_a_mutant_that_is_put_in_is_what_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(repository.SQL.lock_holds, "text", repository.SQL.lock_holds.text)
    mutant = next(each for each in mutants(TARGETS["inventory"], ["lock_holds"]) if "FOR UPDATE becomes nothing" in each.name)
    put_in(TARGETS["inventory"], mutant)
    assert "FOR UPDATE" not in repository.SQL.lock_holds.text
