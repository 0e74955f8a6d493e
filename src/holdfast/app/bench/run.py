"""One benchmark, from making its world to the table."""

from collections.abc import Sequence

import psutil
from rich.console import Console

from holdfast.app.bench import charts, report
from holdfast.app.bench.figures import Measured
from holdfast.app.bench.plan import Plan
from holdfast.app.bench.scenarios import SCENARIOS, Scenario
from holdfast.app.bench.world import open_world
from holdfast.app.faults import Fault
from holdfast.app.running import CHECKOUT

_LOOK_S = 1.0
BUSY_MAX = 0.1
IMAGES = CHECKOUT / "docs" / "images"


def bench(plan: Plan, console: Console) -> int:
    """Measure; returns the exit code: 0 where nothing went wrong. A bar that is not met is shown, and is no fault. Raises Fault."""
    chosen = choose(plan.only)
    busy = psutil.cpu_percent(interval=_LOOK_S) / 100
    if busy > BUSY_MAX:
        console.print(f"Others take {busy:.0%} of this machine: compare ratios, not rates.", style="yellow")
    with open_world(plan.data) as world:
        machine = world.machine(busy)
        console.print(
            f"{world.root} on {machine.file_system}; {plan.rounds} rounds of {plan.seconds:g} s on {plan.connections} connections"
        )
        measured: list[Measured] = []
        faults: list[str] = []
        for scenario in chosen:
            try:
                measured.append(scenario.measure(scenario, world, plan, console.print))
            except Fault as fault:
                # What was measured before it is worth keeping.
                faults.append(f"{scenario.name}: {fault}")
    report.show(console, machine, measured)
    if plan.json is not None:
        plan.json.write_bytes(report.as_json(machine, measured))
    if plan.charts:
        for path in charts.draw(IMAGES, machine, measured):
            console.print(f"drawn: {path}")
    for each in faults:
        console.print(f"NOT MEASURED {each}", style="bold red")
    return 1 if faults or any(each.has_failed for each in measured) else 0


def choose(only: Sequence[str]) -> list[Scenario]:
    """The scenarios of these names, or all. Raises Fault."""
    known = {scenario.name: scenario for scenario in SCENARIOS}
    for name in only:
        if name not in known:
            raise Fault(f"There is no scenario {name}; there are {', '.join(known)}.")
    return [known[name] for name in only] if only else list(SCENARIOS)
