"""Finds links between our documents that lead nowhere."""

import re
from collections.abc import Iterator
from pathlib import Path

from holdfast.app.running import CHECKOUT

_FENCE = re.compile(r"^(```|~~~).*?^\1\s*$", re.MULTILINE | re.DOTALL)
_CODE = re.compile(r"`[^`\n]*`")
_LINK = re.compile(
    r"""!?\[[^\]]*\]\(<?(?P<inline>[^)\s>]+)>?(?:\s+"[^"]*")?\) | ^\[[^\]]+\]:\s+(?P<named>\S+) | (?:src|href)="(?P<html>[^"]+)" """,
    re.MULTILINE | re.VERBOSE,
)
_HEADING = re.compile(r"^#{1,6}\s+(.+?)\s*#*$", re.MULTILINE)
_ELSEWHERE = ("http://", "https://", "mailto:")


def broken_links(root: Path = CHECKOUT) -> list[str]:
    """Every link of a Markdown file to a file or heading that is not there, as ``file: link``. Addresses of others are not visited."""
    pages = [*root.glob("*.md"), *(root / "docs").rglob("*.md")]
    return [
        f"{page.relative_to(root)}: {link}" for page in sorted(pages) for link in _links(page) if not _leads_somewhere(page, link, root)
    ]


def _links(page: Path) -> Iterator[str]:
    text = _CODE.sub("", _FENCE.sub("", page.read_text(encoding="utf-8")))
    for found in _LINK.finditer(text):
        link = found["inline"] or found["named"] or found["html"]
        if not link.startswith(_ELSEWHERE):
            yield link


def _leads_somewhere(page: Path, link: str, root: Path) -> bool:
    path, _, anchor = link.partition("#")
    target = (page.parent / path).resolve() if path else page
    if not target.exists() or not target.is_relative_to(root.resolve()):
        return False
    return not anchor or target.suffix != ".md" or anchor in _anchors(target)


def _anchors(page: Path) -> set[str]:
    """The anchors that GitHub makes of the headings."""
    anchors: set[str] = set()
    for heading in _HEADING.findall(_FENCE.sub("", page.read_text(encoding="utf-8"))):
        plain = re.sub(r"[^\w\- ]", "", re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).lower()).replace(" ", "-")
        number = 0
        anchor = plain
        while anchor in anchors:
            number += 1
            anchor = f"{plain}-{number}"
        anchors.add(anchor)
    return anchors
