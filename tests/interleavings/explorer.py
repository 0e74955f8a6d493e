"""Every order of the statements of a few actors that can make a difference, and no two that cannot.

Stateless: each order runs from a fresh state. Which orders remain to be run is found by dynamic partial order reduction (Flanagan,
Godefroid: Dynamic partial-order reduction for model checking software, POPL 2005), with the backtracking sets of its successor
(Abdulla, Aronsson, Jonsson, Sagonas: Optimal dynamic partial order reduction, POPL 2014: source sets) and sleep sets (Godefroid 1996):
after each run, every two steps that met are looked at, and the order of the two is turned round unless that is done already.
"""

import random
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

from tests.interleavings.footprints import meet
from tests.interleavings.scheduler import Decide, Run, Step

RunOnce = Callable[[Decide], Awaitable[Run]]
Judge = Callable[[Run], Awaitable[str]]


@dataclass
class _Node:
    """A place in the tree of orders: who can go on here, who went, who is still to go."""

    ready: dict[str, Step]
    chosen: str
    to_try: set[str]
    asleep: dict[str, Step]
    """Who went on here in an earlier run, or earlier still and met nobody since: going on with him leads to nothing new."""


class Diverged(Exception):
    """An order could not be repeated: the program or the database did not do the same again."""


@dataclass
class Failure:
    """An order in which something went wrong."""

    run: Run
    reason: str


@dataclass
class Exploration:
    """What was tried. ``whole`` is whether nothing is left to try."""

    orders: int = 0
    cut_short: int = 0
    """Runs that were ended when they could only repeat others."""
    steps: dict[str, int] = field(default_factory=dict)
    """The most steps that each actor ever took."""
    failure: Failure | None = None
    whole: bool = False


async def explore(run_once: RunOnce, judge: Judge, *, orders_max: int | None = None, reduce: bool = True) -> Exploration:
    """Run order after order until one fails, none is left, or ``orders_max`` were run. ``reduce`` False: really every order."""
    found = Exploration()
    path: list[_Node] = []
    while orders_max is None or found.orders < orders_max:
        run, redundant = await _descend(run_once, path, reduce=reduce)
        if redundant:
            found.cut_short += 1
        else:
            found.orders += 1
            _count(found, run)
            reason = run.no_end or await judge(run)
            if reason:
                found.failure = Failure(run, reason)
                return found
        if reduce:
            _plan(path, run)
        if not _turn(path):
            found.whole = True
            return found
    return found


async def wander(run_once: RunOnce, judge: Judge, *, orders: int, seed: int) -> Exploration:
    """Run orders drawn by chance: for what is too large to be explored whole."""
    found = Exploration()
    chance = random.Random(seed)
    for _ in range(orders):
        run = await run_once(lambda ready: chance.choice(ready).actor)
        found.orders += 1
        _count(found, run)
        reason = run.no_end or await judge(run)
        if reason:
            found.failure = Failure(run, reason)
            break
    return found


async def follow(run_once: RunOnce, script: Sequence[tuple[str, str]]) -> Run:
    """Run one order again: (actor, step) after (actor, step). Raises Diverged."""
    left = list(script)

    def decide(ready: Sequence[Step]) -> str:
        if not left:
            # A script of a deadlock ends where nobody could go on; any other has no end before everybody is done.
            return ready[0].actor
        actor, name = left.pop(0)
        if (actor, name) not in {(step.actor, step.name) for step in ready}:
            raise Diverged(f"the script wants {actor}: {name}, but there stand {[(step.actor, step.name) for step in ready]}")
        return actor

    return await run_once(decide)


async def _descend(run_once: RunOnce, path: list[_Node], *, reduce: bool) -> tuple[Run, bool]:
    """One run: along the path, and from its end on where nobody went before. Says whether the run was ended as redundant."""
    depth = 0
    redundant = False
    previous = ""

    def decide(ready: Sequence[Step]) -> str | None:
        nonlocal depth, redundant, previous
        by_name = {step.actor: step for step in ready}
        if depth < len(path):
            node = path[depth]
            if node.chosen not in by_name:
                raise Diverged(f"{node.chosen} cannot go on at step {depth}: {sorted(by_name)}")
            node.ready = by_name
        else:
            asleep = _still_asleep(path[-1]) if path and reduce else {}
            awake = [name for name in by_name if name not in asleep]
            if not awake:
                redundant = True
                return None
            # Going on with the same actor makes the first orders those with the fewest turns, which are the easiest to read.
            chosen = previous if previous in awake else awake[0]
            path.append(_Node(by_name, chosen, {chosen} if reduce else set(awake), asleep))
        previous = path[depth].chosen
        depth += 1
        return previous

    run = await run_once(decide)
    for node, step in zip(path, run.steps, strict=False):
        # With what it is known to have touched, now that it was run.
        node.ready[node.chosen] = step
    return run, redundant


def _still_asleep(node: _Node) -> dict[str, Step]:
    step = node.ready[node.chosen]
    return {name: slept for name, slept in node.asleep.items() if name != node.chosen and not meet(slept.accesses, step.accesses)}


def _plan(path: Sequence[_Node], run: Run) -> None:
    """Wherever two steps met that could have come the other way round, see to it that this is tried."""
    steps = [*run.steps, *run.pending]
    before = _happened_before(steps, len(run.steps))
    released = _released(steps)
    for later, step in enumerate(steps):
        for earlier in range(min(later, len(run.steps)) - 1, -1, -1):
            if steps[earlier].actor == step.actor or earlier not in before[later]:
                continue
            if not meet(steps[earlier].accesses, step.accesses):
                continue
            if earlier in released.get(later, ()):
                # It is what let this one go on, so it cannot come after it.
                continue
            # Ordered by a third step in between: that one is turned round first.
            if any(earlier in before[middle] and middle in before[later] for middle in range(earlier + 1, min(later, len(run.steps)))):
                continue
            rest = [place for place in range(earlier + 1, min(later, len(run.steps))) if earlier not in before[place]] + [later]
            firsts = {steps[place].actor for place in rest if not any(other in before[place] for other in rest if other != place)}
            node = path[earlier]
            possible = firsts & node.ready.keys()
            if not possible:
                node.to_try |= node.ready.keys()
            elif not possible & (node.to_try | node.asleep.keys()):
                node.to_try.add(min(possible))


def _happened_before(steps: Sequence[Step], taken: int) -> list[set[int]]:
    """For each step those that came before it in every order that is the same: by its actor, by meeting, by letting it go on."""
    before: list[set[int]] = []
    let_go: dict[str, set[int]] = {}
    last: dict[str, int] = {}
    for place, step in enumerate(steps):
        mine: set[int] = set()
        direct = {earlier for earlier in range(min(place, taken)) if meet(steps[earlier].accesses, step.accesses)}
        direct |= let_go.pop(step.actor, set())
        if step.actor in last:
            direct.add(last[step.actor])
        for earlier in direct:
            if earlier < place:
                mine |= {earlier} | before[earlier]
        before.append(mine)
        if place < taken:
            last[step.actor] = place
            let_go[step.actor] = set(step.released_by)
    return before


def _released(steps: Sequence[Step]) -> dict[int, set[int]]:
    """For each step the ends without which its actor would still wait."""
    found: dict[int, set[int]] = {}
    last: dict[str, Step] = {}
    for place, step in enumerate(steps):
        if step.actor in last:
            found[place] = last[step.actor].released_by
        last[step.actor] = step
    return found


def _turn(path: list[_Node]) -> bool:
    """Go back to the last place where somebody is left to be tried; False where there is none."""
    while path:
        node = path[-1]
        node.asleep[node.chosen] = node.ready[node.chosen]
        left = sorted(node.to_try - node.asleep.keys())
        if left:
            node.chosen = left[0]
            return True
        path.pop()
    return False


def _count(found: Exploration, run: Run) -> None:
    for name in run.results:
        found.steps[name] = max(found.steps.get(name, 0), sum(step.actor == name for step in run.steps))
