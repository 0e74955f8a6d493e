"""Who may import whom. The layers are import-linter's, the rest is too much about single files for it."""

import tomllib
from pathlib import Path

import grimp
import pytest
from importlinter import cli

ROOT = Path(__file__).parents[2]
VENDORS = frozenset({"apprise", "aiosmtplib", "pywebpush", "stripe", "paypalserversdk"})


@pytest.fixture(scope="module")
def graph() -> grimp.ImportGraph:
    return grimp.build_graph("holdfast", include_external_packages=True, cache_dir=None)


def importers(graph: grimp.ImportGraph, imported: str) -> set[str]:
    """The modules of ours that import a module directly."""
    return {name for name in graph.find_modules_that_directly_import(imported) if name.startswith("holdfast")}


def owner(module: str) -> str:
    return ".".join(module.split(".")[:2])


def test_imports_run_one_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    assert cli.lint_imports(config_filename="pyproject.toml", no_cache=True) == cli.EXIT_STATUS_SUCCESS


def test_every_part_has_its_layer() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]["contracts"]
    layers = next(contract["layers"] for contract in contracts if contract["type"] == "layers")
    placed = {name.strip(" ()") for layer in layers for name in layer.split("|")}
    parts = {f"holdfast.{path.name}" for path in (ROOT / "src" / "holdfast").iterdir() if (path / "__init__.py").exists()}
    assert parts <= placed


def test_a_repository_is_private_to_its_module(graph: grimp.ImportGraph) -> None:
    repositories = [name for name in graph.modules if name.startswith("holdfast.") and name.endswith(".repository")]
    assert repositories
    pairs = {(found, repository) for repository in repositories for found in importers(graph, repository)}
    assert {(found, repository) for found, repository in pairs if owner(found) != owner(repository)} == set()


def test_only_the_edge_knows_http(graph: grimp.ImportGraph) -> None:
    strangers = {
        name
        for name in importers(graph, "litestar")
        if owner(name) not in ("holdfast.app", "holdfast.web", "holdfast.admin")
        and name.rpartition(".")[2] not in ("controller", "module")
        and name != "holdfast.common.guards"
    }
    assert strangers == set()


def test_vendors_are_known_at_the_rim_only(graph: grimp.ImportGraph) -> None:
    found = {(name, vendor) for vendor in VENDORS & graph.modules for name in importers(graph, vendor)}
    assert {pair for pair in found if not pair[0].startswith(("holdfast.payments.gateways.", "holdfast.notifications.channels."))} == set()


def test_only_the_app_loads_settings(graph: grimp.ImportGraph) -> None:
    found = importers(graph, "holdfast.config") | importers(graph, "holdfast.config.settings")
    assert {name for name in found if owner(name) not in ("holdfast.app", "holdfast.config")} == set()


def test_the_core_knows_nothing_of_what_it_sells(graph: grimp.ImportGraph) -> None:
    """Inventory holds units; buses, hotels, people and money are others' business."""
    assert known(graph, "holdfast.inventory") <= {"holdfast.common", "holdfast.database", "holdfast.events", "holdfast.jobs"}


def test_common_imports_nothing_of_ours(graph: grimp.ImportGraph) -> None:
    assert known(graph, "holdfast.common") == set()


def known(graph: grimp.ImportGraph, part: str) -> set[str]:
    """The other parts of the program that a part imports."""
    found = {owner(found) for name in graph.modules if owner(name) == part for found in graph.find_modules_directly_imported_by(name)}
    return {name for name in found if name.startswith("holdfast.") and name != part}
