"""Every link leads somewhere."""

from pathlib import Path

import pytest
from tests.docs.pages import anchors, links, name_of, pages


@pytest.mark.parametrize("page", pages(), ids=name_of)
def test_links_are_alive(page: Path) -> None:
    dead = []
    for link in links(page):
        if link.startswith(("http://", "https://", "mailto:")):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        if not target.exists() or (anchor and target.suffix == ".md" and anchor not in anchors(target)):
            dead.append(link)
    assert dead == []


def test_every_page_can_be_reached() -> None:
    """From the README, by links alone."""
    by_path = {page.resolve(): page for page in pages()}
    reached = {path for path, page in by_path.items() if name_of(page) == "README.md"}
    fresh = set(reached)
    while fresh:
        linked = {(by_path[path].parent / link.partition("#")[0]).resolve() for path in fresh for link in links(by_path[path])}
        fresh = (linked & by_path.keys()) - reached
        reached |= fresh
    assert sorted(name_of(page) for path, page in by_path.items() if path not in reached) == []
