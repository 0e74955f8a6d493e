"""Whatever the documentation calls by a name is there: files, settings, commands, layers."""

import re
import shlex
import tomllib
from pathlib import Path

import pytest
import typer.main
from tests.docs.pages import ROOT, SOURCE, blocks, exists, files, name_of, pages, spans
from typer.core import TyperGroup

from holdfast.app.cli import commands

ARCHITECTURE = ROOT / "ARCHITECTURE.md"
_PATH = re.compile(r"[\w.][\w./-]*(\.(py|sql|sh|toml|ya?ml|md|txt|po|in)|/)")
_SETTING = re.compile(r"\b(HOLDFAST_[A-Z_]+|DATABASE_URL|DATABASE_OWNER_URL|REDIS_URL)\b")
_COMMAND = re.compile(r"^(?:\$ )?\./holdfast (.+)$", re.MULTILINE)
_TREE_NAME = re.compile(r"(?<![\w/.-])([\w.-]+(?:\.py|\.sql|/))")


@pytest.mark.parametrize("page", pages(), ids=name_of)
def test_paths_exist(page: Path) -> None:
    assert sorted({span for span in spans(page) if _PATH.fullmatch(span) and not exists(span, page)}) == []


@pytest.mark.parametrize("page", pages(), ids=name_of)
def test_settings_exist(page: Path) -> None:
    readers = (SOURCE / "config" / "settings.py", ROOT / "holdfast", ROOT / "tests" / "conftest.py", ROOT / ".env.example")
    known = {name for path in readers for name in _SETTING.findall(path.read_text(encoding="utf-8"))}
    assert set(_SETTING.findall(page.read_text(encoding="utf-8"))) <= known


@pytest.mark.parametrize("page", pages(), ids=name_of)
def test_commands_exist(page: Path) -> None:
    """With the options that they are given."""
    group = typer.main.get_command(commands)
    assert isinstance(group, TyperGroup)
    unknown = []
    text = "\n".join([*blocks(page, "sh"), *(f"{span}\n" for span in spans(page))])
    for line in _COMMAND.findall(text):
        words = shlex.split(line, comments=True)
        if words and (words[0] not in group.commands or not _takes(group, words)):
            unknown.append(line)
    assert unknown == []


def _takes(group: TyperGroup, words: list[str]) -> bool:
    command = group.commands[words[0]]
    if isinstance(command, TyperGroup):
        return len(words) > 1 and words[1] in command.commands and _takes(command, words[1:])
    if command.context_settings.get("ignore_unknown_options"):
        return True
    known = {option for parameter in command.params for option in parameter.opts}
    return {word.partition("=")[0] for word in words[1:] if word.startswith("--")} <= known


def test_the_tree_names_every_folder_of_the_source() -> None:
    tree = _block(ARCHITECTURE, "src/holdfast/\n")
    named = set(_TREE_NAME.findall(tree))
    folders = {f"{path.name}/" for path in SOURCE.iterdir() if path.is_dir() and list(path.glob("*.py"))}
    assert sorted(folders - named) == []
    there = {name for path in files() for name in (*(f"{part}/" for part in Path(path).parts[:-1]), Path(path).name)}
    assert sorted(named - there) == []


def test_the_layers_are_those_that_are_linted() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]["contracts"]
    linted = [_layer(line) for contract in contracts if contract["type"] == "layers" for line in contract["layers"]]
    written = _block(ARCHITECTURE, "inventory | ledger").split("\n")
    assert [line for line in linted if line] == [line for line in written if line]


def _layer(line: str) -> str:
    """A line of the contract without the modules that may be missing."""
    modules = (name.strip() for name in line.replace("holdfast.", "").split("|"))
    return " | ".join(name.strip("()") for name in modules if not name.startswith("(") or list((SOURCE / name.strip("()")).glob("*.py")))


def _block(page: Path, content: str) -> str:
    return next(block for block in blocks(page, "") if content in block)


def test_the_readme_tells_the_commands_that_ci_runs() -> None:
    """The other one, `up --demo`, is started by test_readme.py, which CI runs."""
    told = [line.partition("#")[0].strip() for block in blocks(ROOT / "README.md", "sh") for line in block.splitlines()]
    assert "./holdfast up --demo" in told
    assert "./holdfast test" in told
    assert './holdfast test "$@"' in (ROOT / ".ci" / "run").read_text(encoding="utf-8")
