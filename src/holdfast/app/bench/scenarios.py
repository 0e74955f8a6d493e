"""What is measured: each scenario makes a site, runs ours and the baselines in turn, and has the invariants asked at the end."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from holdfast.app.bench import endpoint, numbers, pgbench
from holdfast.app.bench.figures import Baseline, Measured, Round, Sample, Verdict, median
from holdfast.app.bench.load import LoadJob, Target
from holdfast.app.bench.plan import Plan
from holdfast.app.bench.world import Crowd, Site, World
from holdfast.app.http import BASE_PATH

Say = Callable[[str], None]

PEOPLE = 4_000
"""Of each run: a few holds each, as live holds are limited to a few."""
WARM_S = 1.0
CREATED, OK, CONFLICT = 201, 200, 409


@dataclass(frozen=True)
class Scenario:
    """Something to measure. ``measure`` says what it is about while it does so."""

    name: str
    meaning: str
    measure: Callable[["Scenario", World, Plan, Say], Measured]


def hold_targets(sessions: Sequence[int]) -> list[Target]:
    """Requests for one seat of each of these sessions."""
    path = f"{BASE_PATH}/bookings/hold"
    return [Target("POST", path, f'{{"sessionId":"{numbers.session_id(number)}","seatsCount":1}}') for number in sessions]


def idle_target(session: int) -> Target:
    """The same request to the endpoint that signs in, validates and does nothing."""
    return Target("POST", f"{BASE_PATH}{endpoint.PATH}", f'{{"sessionId":"{numbers.session_id(session)}","seatsCount":1}}')


def job(site: Site, plan: Plan, crowd: Crowd, targets: list[Target], *expected: int, **more: float) -> LoadJob:
    return LoadJob(
        port=site.port, targets=targets, tokens=crowd.tokens, expected=list(expected),
        connections=int(more.get("connections", plan.connections)), seconds=more.get("seconds", plan.seconds),
        requests_max=int(more.get("requests_max", 0)), hot_targets=int(more.get("hot_targets", 0)), hot_share=more.get("hot_share", 0.0),
    )  # fmt: skip


def sign_in(site: Site, plan: Plan, crowd: Crowd) -> None:
    """Every access token is seen once, as it is on anybody's first request; who buys has looked around before."""
    site.load(job(site, plan, crowd, [idle_target(1)], CREATED, seconds=60.0, requests_max=len(crowd.tokens)))


def warm(site: Site, plan: Plan, crowd: Crowd, targets: list[Target], *expected: int) -> None:
    """So that statements are prepared and connections open before anything counts."""
    site.load(job(site, plan, crowd, targets, *expected, seconds=min(WARM_S, plan.seconds)))


def holds(site: Site, plan: Plan, crowd: Crowd, targets: list[Target], **more: float) -> Sample:
    """Holds over HTTP, counted in the database."""
    before = site.count_holds()
    loaded = site.load(job(site, plan, crowd, targets, CREATED, **more))
    return loaded.sample(site.count_holds() - before, CREATED)


def idle(site: Site, plan: Plan, crowd: Crowd) -> Sample:
    """The endpoint that does nothing. Nothing of it is in the database, so its answers are counted."""
    loaded = site.load(job(site, plan, crowd, [idle_target(1)], CREATED))
    return loaded.sample(loaded.result.count(CREATED), CREATED)


def measure_holds(
    scenario: Scenario,
    world: World,
    plan: Plan,
    say: Say,
    *,
    sessions: int,
    script: str = "hold",
    spread: Mapping[str, float] | None = None,
    bar: tuple[float, float] | None = None,
) -> Measured:
    """Holds over HTTP beside the best of pgbench on as many pools of the same database."""
    rounds: list[Round] = []
    with world.site() as site:
        ours, theirs = site.open_sessions(sessions), site.open_sessions(sessions)
        targets = hold_targets(ours)
        warm(site, plan, site.invite(PEOPLE), targets, CREATED)
        for number in range(plan.rounds):
            crowd = site.invite(PEOPLE)
            sign_in(site, plan, crowd)
            sample = holds(site, plan, crowd, targets, **(spread or {}))
            baseline = pgbench.best(site, script, plan.seconds, first=theirs[0], last=theirs[-1])
            rounds.append(Round(sample, {Baseline.PGBENCH: baseline, Baseline.SIGN_IN: idle(site, plan, crowd)}))
            say(f"{scenario.name} {number + 1}/{plan.rounds}: {sample.rate:,.0f}/s, pgbench {baseline.rate:,.0f}/s ({baseline.note})")
        violations = site.violations()
    found = Measured(scenario.name, scenario.meaning, "holds/s", Baseline.PGBENCH, rounds, (), violations)
    return with_verdicts(found, [] if bar is None else [Verdict("rate / best pgbench", found.ratio, *bar)])


def with_verdicts(found: Measured, verdicts: Sequence[Verdict]) -> Measured:
    return Measured(
        found.name,
        found.meaning,
        found.unit,
        found.compared_with,
        found.rounds,
        [*found.verdicts, *verdicts],
        found.violations,
        found.notes,
    )


def hold_hot(scenario: Scenario, world: World, plan: Plan, say: Say) -> Measured:
    found = measure_holds(scenario, world, plan, say, sessions=1, bar=(1.5, 3.0))
    p50, p99 = found.percentile("p50_ms"), found.percentile("p99_ms")
    if not p50 or p99 is None:
        return found
    return with_verdicts(found, [Verdict("p99 / p50", p99 / p50, 6.0, 3.0, at_least=False)])


def hold_spread(scenario: Scenario, world: World, plan: Plan, say: Say) -> Measured:
    return measure_holds(scenario, world, plan, say, sessions=1_000, bar=(0.35, 0.7))


def hold_mixed(scenario: Scenario, world: World, plan: Plan, say: Say) -> Measured:
    spread = {"hot_targets": 10, "hot_share": 0.8}
    return measure_holds(scenario, world, plan, say, sessions=1_000, script="hold-mixed", spread=spread)


def refuse(scenario: Scenario, world: World, plan: Plan, say: Say) -> Measured:
    rounds: list[Round] = []
    with world.site() as site:
        (sold_out,) = site.open_sessions(1, capacity=1)
        targets = hold_targets([sold_out])
        warm(site, plan, site.invite(PEOPLE), targets, CREATED, CONFLICT)
        for number in range(plan.rounds):
            crowd = site.invite(PEOPLE)
            sign_in(site, plan, crowd)
            loaded = site.load(job(site, plan, crowd, targets, CONFLICT))
            # Nothing is written, so the answers are counted, and that no hold was granted.
            sample = loaded.sample(loaded.result.count(CONFLICT) - (site.count_holds() - 1), CONFLICT)
            baseline = idle(site, plan, crowd)
            rounds.append(Round(sample, {Baseline.SIGN_IN: baseline}))
            say(f"{scenario.name} {number + 1}/{plan.rounds}: {sample.rate:,.0f}/s, sign-in alone {baseline.rate:,.0f}/s")
        violations = site.violations()
    found = Measured(scenario.name, scenario.meaning, "refusals/s", Baseline.SIGN_IN, rounds, (), violations)
    return with_verdicts(found, [Verdict("rate / sign-in alone", found.ratio, 0.85, 0.95)])


SCENARIOS: Sequence[Scenario] = (
    Scenario("hold-hot", "Everybody wants one session.", hold_hot),
    Scenario("hold-spread", "Holds spread over 1,000 sessions.", hold_spread),
    Scenario("hold-mixed", "80 % of requests want 1 % of 1,000 sessions.", hold_mixed),
    Scenario("refuse", "Everybody wants a session that is sold out.", refuse),
)

NOT_YET: Mapping[str, str] = {"book-wallet": "there are no wallets yet; confirm stands in for it"}


def median_of(samples: Sequence[Sample]) -> float:
    return median(sample.rate for sample in samples)
