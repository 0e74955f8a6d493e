"""Broken links are found, and nothing else is called broken."""

from pathlib import Path

from holdfast.app.links import broken_links


def test_what_is_broken_is_named(tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "time.md").write_text("# Time\n\n## The database's clock, `business_now()`\n\n## Twice\n\n## Twice\n")
    (tmp_path / "README.md").write_text(
        "[a](docs/time.md) [b](docs/time.md#the-databases-clock-business_now) [c](docs/time.md#twice-1) [d](https://example.com/gone)\n"
        "[e](#here) `[code](nowhere.md)`\n\n```\n[code](nowhere.md)\n```\n\n# Here\n\n"
        '[gone](docs/gone.md) [anchor](docs/time.md#gone) <img src="gone.png"> ![picture](gone.svg "title")\n\n[named]: gone-too.md\n'
    )
    assert broken_links(tmp_path) == [
        "README.md: docs/gone.md",
        "README.md: docs/time.md#gone",
        "README.md: gone.png",
        "README.md: gone.svg",
        "README.md: gone-too.md",
    ]
