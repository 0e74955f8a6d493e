"""Every flow is cut somewhere, and comes to its end; without its guards it does not, and that is seen."""

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from tests.clusters import Cluster

from holdfast.app.crashpoints import report
from holdfast.app.crashpoints.cuts import Cut
from holdfast.app.crashpoints.flows import FLOWS
from holdfast.app.crashpoints.run import DONE, Cell, Plan, Table, Wanted, choose, open_crash_points

pytestmark = [pytest.mark.xdist_group("crash points"), pytest.mark.timeout(600)]

SEED, SAMPLE, STANDS = 5, 24, 3
CONTROLS = "tests.crashpoints.controls"

Row = tuple[str, str, Cut]

# The faults of the list that this table proves, each with the cuts that are it: flow, boundary, cut.
F_01: Sequence[Row] = [
    ("pay by gateway", "POST /charges", Cut.KILLED_AFTER),
    ("pay by gateway", "payments.get", Cut.KILLED_BEFORE),
    ("pay by gateway", "payments.settle", Cut.KILLED_AFTER),
    ("top-up", "POST /charges", Cut.KILLED_AFTER),
]
F_02 = [(flow, "COMMIT", Cut.KILLED_AFTER) for flow in ("hold", "pay by gateway", "top-up")]
F_03 = [("pay by gateway", "POST /charges", Cut.LATE)]
F_04 = [("pay by gateway", "POST /charges", Cut.ERROR_THOUGH_DONE), ("refund", "POST /refunds", Cut.ERROR_THOUGH_DONE)]
F_10 = [("webhook", "payments.keep_webhook", Cut.KILLED_BEFORE)]
F_12 = [(flow.name, "COMMIT", Cut.DROPPED_AFTER) for flow in FLOWS]
F_17 = [("payout", "COMMIT", Cut.KILLED_AFTER), ("payout", "payouts.pay", Cut.KILLED_AFTER)]
F_21 = [("pay by gateway", "ledger.post", Cut.KILLED_BEFORE), ("pay by gateway", "ledger.post", Cut.DROPPED_AFTER)]
_ALL = [*F_01, *F_02, *F_03, *F_04, *F_10, *F_12, *F_17, *F_21]


@pytest.fixture(scope="module")
def table(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Table:
    """A sample of the table, and the last cell for each row above: the last COMMIT of a flow is where everything is decided."""

    def wanted(cells: Sequence[Wanted]) -> list[Wanted]:
        last = {(cell.start.flow.name, cell.at.what, cell.cut): cell for cell in cells}
        step = len(cells) // SAMPLE
        return [*cells[SEED % step :: step], *(last[row] for row in dict.fromkeys(_ALL))]

    return _run(cluster, tmp_path_factory.mktemp("crash"), [flow.name for flow in FLOWS], wanted)


def _run(
    cluster: Cluster, directory: Path, flows: Sequence[str], wanted: Callable[[Sequence[Wanted]], Sequence[Wanted]], patch: str = ""
) -> Table:
    async def run() -> Table:
        async with open_crash_points(cluster.postgres, directory / "stands", stands=STANDS, patch=patch) as crash_points:
            return await crash_points.cut(wanted(await crash_points.record(choose(flows), print)), print)

    return asyncio.run(run())


def _cells(table: Table, rows: Sequence[Row]) -> list[Cell]:
    found = [cell for cell in table.cells if (cell.flow, cell.boundary.what, cell.cut) in rows]
    assert {(cell.flow, cell.boundary.what, cell.cut) for cell in found} == set(rows)
    return found


def test_a_sample_of_all_cuts_comes_to_its_end(table: Table) -> None:
    assert set(table.boundaries) == {flow.name for flow in FLOWS}
    assert not table.wrong, table.wrong
    assert "0 wrong" in report.summary(table)
    assert "WRONG" not in report.as_markdown(table)


@pytest.mark.parametrize(
    "rows",
    [
        pytest.param(F_01, id="f01_crash_after_the_charge_before_the_commit"),
        pytest.param(F_02, id="f02_crash_after_the_commit_before_the_answer"),
        pytest.param(F_03, id="f03_timeout_though_charged"),
        pytest.param(F_04, id="f04_error_500_though_done"),
        pytest.param(F_10, id="f10_webhook_cut_off_before_it_is_kept"),
        pytest.param(F_12, id="f12_answer_to_the_commit_lost"),
        pytest.param(F_17, id="f17_killed_in_the_middle_of_a_payout"),
        pytest.param(F_21, id="f21_killed_around_the_posting"),
    ],
)
def test_fault(table: Table, rows: Sequence[Row]) -> None:
    """Everybody is told what was done, and it was done once."""
    for cell in _cells(table, rows):
        assert not cell.wrong, cell
        assert cell.outcome == DONE


@pytest.mark.parametrize(
    ("guard", "row"),
    [
        ("two_commits", ("pay by gateway", "payments.settle", Cut.KILLED_BEFORE)),
        ("row_after_the_call", ("pay by gateway", "POST /charges", Cut.KILLED_AFTER)),
        ("key_after_the_effect", ("hold", "idempotency.insert_keys", Cut.KILLED_BEFORE)),
    ],
)
def test_control(cluster: Cluster, tmp_path: Path, guard: str, row: Row) -> None:
    """Without its guard the flow still works as long as nothing goes wrong, and the cut shows that it is gone."""
    flow, boundary, cut = row

    def wanted(cells: Sequence[Wanted]) -> Sequence[Wanted]:
        return [cell for cell in cells if cell.at.what == boundary and cell.cut is cut][-1:]

    (cell,) = _run(cluster, tmp_path, [flow], wanted, f"{CONTROLS}:{guard}").cells
    assert cell.wrong, f"{guard} decides nothing here"


def test_a_plan_names_what_there_is() -> None:
    assert [flow.name for flow in choose(Plan(only=("expire",)).only)] == ["expire"]
