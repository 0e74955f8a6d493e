"""Reading our own documentation: pages, links, and what stands in code marks."""

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "holdfast"

_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_SPAN = re.compile(r"`([^`\n]+)`")
_LINK = re.compile(r"(?<!!)\[[^\]\n]*\]\(([^)\s]+)\)|!\[[^\]\n]*\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)


def pages() -> list[Path]:
    """Every page that people read."""
    return [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]


def name_of(page: Path) -> str:
    return str(page.relative_to(ROOT))


@cache
def prose(page: Path) -> str:
    """A page without its blocks of code."""
    return _FENCE.sub("", page.read_text(encoding="utf-8"))


def blocks(page: Path, language: str) -> Iterator[str]:
    """The blocks of code in a language; an empty one for those that name none."""
    return (found[2] for found in _FENCE.finditer(page.read_text(encoding="utf-8")) if found[1] == language)


def spans(page: Path) -> Iterator[str]:
    """What stands in code marks within the text."""
    return (found[1] for found in _SPAN.finditer(prose(page)))


def links(page: Path) -> Iterator[str]:
    return (found[1] or found[2] for found in _LINK.finditer(prose(page)))


def anchors(page: Path) -> set[str]:
    """The names of the headings of a page, as GitHub makes them."""
    headings = (re.sub(r"[`*]|\[([^\]]*)\]\([^)]*\)", r"\1", found[1]) for found in _HEADING.finditer(prose(page)))
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@cache
def files() -> frozenset[str]:
    """Every file of the project, as a path from its root."""
    kept = ("src", "tests", "migrations", "bench", "docs", "deploy", "requirements", ".ci")
    inside = (path for folder in kept for path in (ROOT / folder).rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    return frozenset(name_of(path) for path in [*inside, *(path for path in ROOT.iterdir() if path.is_file())])


@cache
def exists(name: str, page: Path) -> bool:
    """Whether a page may call something by this path: from the root, from the source, from the page, or as the end of a path."""
    if any((base / name).exists() for base in (ROOT, SOURCE, page.parent)):
        return True
    return not name.endswith("/") and any(path.endswith(f"/{name}") for path in files())
