"""The generated pages say what the code says."""

from pathlib import Path

import pytest

from holdfast.app import docs


@pytest.mark.skipif(not docs.DIRECTORY.exists(), reason="docs/reference is not part of this tree")
def test_no_page_is_stale(owner_url: str) -> None:
    assert docs.regenerate(write=False, owner_url=owner_url) == [], "run ./holdfast docs, and commit the pages"


def test_a_stale_page_is_found_and_written(owner_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(docs, "DIRECTORY", tmp_path / "reference")
    pages = docs.regenerate(write=True, owner_url=owner_url)
    assert docs.regenerate(write=False, owner_url=owner_url) == []
    (tmp_path / "reference" / "schema.md").write_text("something else")
    assert docs.regenerate(write=False, owner_url=owner_url) == ["docs/reference/schema.md"]
    assert len(pages) == 4


def test_the_schema_page_shows_what_the_program_may_do(owner_url: str) -> None:
    page = docs.schema_page(owner_url)
    events = page.split("### events\n")[1].split("### ")[0]
    assert "Granted: SELECT, INSERT.\n" in events
    assert "test_clock_offset" not in page
    assert "events_default" not in page
