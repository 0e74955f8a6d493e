"""What is measured: each scenario makes a site, runs ours and the baselines in turn, and has the invariants asked at the end."""

import math
import random
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

import msgspec

from holdfast.app.bench import endpoint, numbers, pgbench
from holdfast.app.bench.core import CoreJob, HoldNights, Settle
from holdfast.app.bench.figures import Baseline, Measured, Round, Sample, Verdict, median
from holdfast.app.bench.load import LoadJob, Target
from holdfast.app.bench.plan import EVEN, Plan, Spread
from holdfast.app.bench.site import HOT_TABLES, Crowd, Site, open_site
from holdfast.app.bench.world import World
from holdfast.app.faults import Fault
from holdfast.app.http import BASE_PATH
from holdfast.bookings.models import BookingId

Say = Callable[[str], None]

PRELOADED_HOLDS = 20_000
PEOPLE = 4_000
"""Of each run: a few holds each, as live holds are limited to a few."""
WARM_S = 1.0
ALL = 10_000_000
AMOUNT_DUE = 1_100
"""Fare and fee of one seat, in piastres."""
WALLET = 100_000
"""What everybody has in their wallet before they spend it, in piastres."""
FILL_S_MAX = 120.0
READERS_MAX = 32
"""Of those who look around the server lets in fewer than of those who buy."""
ROOMS = 100
MANY_POOLS = 1_000_000
ASKED_POOLS_MAX = 100_000
ON_SALE_PEOPLE = 10_000
ON_SALE_SEATS = 500
ON_SALE_CONNECTIONS = 256
ON_SALE_S_MAX = 120.0
STORM_HOLDS = 100_000
STORM_S_MAX = 300.0
STORM_LATER = timedelta(hours=6)
STORM_MOVE_S = 8.0
STORM_MOVE_RATE = 5_000
"""How long moving the deadlines of a storm may take: a few seconds, and so many a second."""
SETTLE_S = 1.0
CAUGHT_UP_S = 5.0
CATCH_UP_S_MAX = 600.0
POLL_S = 0.05
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


def pay_targets(bookings: Sequence[UUID]) -> list[Target]:
    """Requests to pay for each of these bookings out of its customer's wallet."""
    path = f"{BASE_PATH}/payments/pay"
    return [Target("POST", path, f'{{"bookingId":"{BookingId.of(booking)}","method":"WALLET"}}') for booking in bookings]


def idle_target(session: int) -> Target:
    """The same request to the endpoint that signs in, validates and does nothing."""
    return Target("POST", f"{BASE_PATH}{endpoint.PATH}", f'{{"sessionId":"{numbers.session_id(session)}","seatsCount":1}}')


def job(site: Site, plan: Plan, crowd: Crowd, targets: list[Target], *expected: int, **more: float) -> LoadJob:
    return LoadJob(
        port=site.port, targets=targets, tokens=crowd.tokens, expected=list(expected),
        connections=int(more.get("connections", plan.connections)), seconds=more.get("seconds", plan.seconds),
        requests_max=int(more.get("requests_max", 0)), in_turn=bool(more.get("in_turn", False)),
        hot_targets=int(more.get("hot_targets", 0)), hot_share=more.get("hot_share", 0.0),
    )  # fmt: skip


def sign_in(site: Site, plan: Plan, crowd: Crowd) -> None:
    """Every access token is seen once, as it is on anybody's first request; who buys has looked around before."""
    site.load(job(site, plan, crowd, [idle_target(1)], CREATED, seconds=60.0, requests_max=len(crowd.tokens)))


def opened(world: World, plan: Plan) -> AbstractContextManager[Site]:
    """A site that has been sold from before."""
    return open_site(world, preloaded=plan.scaled(PRELOADED_HOLDS))


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
    spread: Spread = EVEN,
    bar: tuple[float, float] | None = None,
) -> Measured:
    """Holds over HTTP beside the best of pgbench on as many pools of the same database."""
    rounds: list[Round] = []
    with opened(world, plan) as site:
        ours, theirs = site.open_sessions(sessions), site.open_sessions(sessions)
        targets = hold_targets(ours)
        warm(site, plan, site.invite(PEOPLE), targets, CREATED)
        for number in range(plan.rounds):
            crowd = site.invite(PEOPLE)
            sign_in(site, plan, crowd)
            sample = holds(site, plan, crowd, targets, hot_targets=spread.hot_targets, hot_share=spread.hot_share)
            baseline = pgbench.best(site, "hold", plan.seconds, first=theirs[0], last=theirs[-1], spread=spread)
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
    return measure_holds(scenario, world, plan, say, sessions=1_000, spread=Spread(hot_targets=10, hot_share=0.8))


def refuse(scenario: Scenario, world: World, plan: Plan, say: Say) -> Measured:
    rounds: list[Round] = []
    with opened(world, plan) as site:
        (sold_out,) = site.open_sessions(1, capacity=1)
        targets = hold_targets([sold_out])
        warm(site, plan, site.invite(PEOPLE), targets, CREATED, CONFLICT)
        for number in range(plan.rounds):
            crowd = site.invite(PEOPLE)
            sign_in(site, plan, crowd)
            before = site.count_holds()
            loaded = site.load(job(site, plan, crowd, targets, CONFLICT))
            # Nothing is written, so the answers are counted, and that no hold was granted.
            sample = loaded.sample(loaded.result.count(CONFLICT) - (site.count_holds() - before), CONFLICT)
            baseline = idle(site, plan, crowd)
            rounds.append(Round(sample, {Baseline.SIGN_IN: baseline}))
            say(f"{scenario.name} {number + 1}/{plan.rounds}: {sample.rate:,.0f}/s, sign-in alone {baseline.rate:,.0f}/s")
        violations = site.violations()
    found = Measured(scenario.name, scenario.meaning, "refusals/s", Baseline.SIGN_IN, rounds, (), violations)
    return with_verdicts(found, [Verdict("rate / sign-in alone", found.ratio, 0.85, 0.95)])


def confirm(scenario: Scenario, world: World, plan: Plan, say: Say) -> Measured:
    rounds: list[Round] = []
    with opened(world, plan) as site:
        targets = hold_targets(site.open_sessions(1_000))
        warm(site, plan, site.invite(PEOPLE), targets, CREATED)
        site.begin_payments(ALL)
        for number in range(plan.rounds):
            crowd = site.invite(PEOPLE)
            sign_in(site, plan, crowd)
            baseline = holds(site, plan, crowd, targets)
            payments = site.begin_payments(ALL)
            before = site.count_confirmed()
            done = site.core(CoreJob(Settle(payments, AMOUNT_DUE), plan.seconds))
            sample = done.sample(site.count_confirmed() - before)
            rounds.append(Round(sample, {Baseline.HOLDS: baseline}))
            say(f"{scenario.name} {number + 1}/{plan.rounds}: {sample.rate:,.0f}/s, hold-spread {baseline.rate:,.0f}/s")
        violations = site.violations()
    note = "outcomes arrive 400 at a time, and are settled in sets of up to 200"
    found = Measured(scenario.name, scenario.meaning, "confirmed/s", Baseline.HOLDS, rounds, (), violations, [note])
    return with_verdicts(found, [Verdict("rate / hold-spread, same sessions", found.ratio, 0.35, 0.5)])


def book_wallet(scenario: Scenario, world: World, plan: Plan, say: Say) -> Measured:
    rounds: list[Round] = []
    with opened(world, plan) as site:
        targets = hold_targets(site.open_sessions(1_000))
        warm(site, plan, site.invite(PEOPLE), targets, CREATED)
        for number in range(plan.rounds):
            crowd = site.invite(PEOPLE)
            site.core(CoreJob(Settle(site.begin_top_ups(crowd.numbers, WALLET), WALLET), FILL_S_MAX))
            sign_in(site, plan, crowd)
            baseline = holds(site, plan, crowd, targets)
            unpaid = site.unpaid(crowd.numbers)
            payers = Crowd(crowd.numbers, [crowd.tokens[customer - crowd.numbers[0]] for _, customer in unpaid])
            before = site.count_confirmed()
            loaded = site.load(job(site, plan, payers, pay_targets([booking for booking, _ in unpaid]), CREATED, in_turn=True))
            sample = loaded.sample(site.count_confirmed() - before, CREATED)
            rounds.append(Round(sample, {Baseline.HOLDS: baseline}))
            say(f"{scenario.name} {number + 1}/{plan.rounds}: {sample.rate:,.0f}/s, hold-spread {baseline.rate:,.0f}/s")
        violations = site.violations()
    found = Measured(scenario.name, scenario.meaning, "paid/s", Baseline.HOLDS, rounds, (), violations)
    return with_verdicts(found, [Verdict("rate / hold-spread, same sessions", found.ratio, 0.35, 0.5)])


def expire_storm(scenario: Scenario, world: World, plan: Plan, say: Say) -> Measured:
    rounds: list[Round] = []
    took: list[float] = []
    count = plan.scaled(STORM_HOLDS)
    with opened(world, plan) as site:
        sessions = site.open_sessions(1_000)
        targets = hold_targets(sessions)
        warm(site, plan, site.invite(PEOPLE), targets, CREATED)
        site.run_program("worker")
        for number in range(plan.rounds):
            found, seconds = _storm(site, plan, sessions, targets, count)
            rounds.append(found)
            took.append(seconds)
            sales = f"sales {found.ours.rate:,.0f}/s of {found.baselines[Baseline.QUIET].rate:,.0f}/s"
            say(f"{scenario.name} {number + 1}/{plan.rounds}: {count:,} in {seconds:.1f} s, {sales}")
        until(lambda: site.seconds_behind() < CAUGHT_UP_S, CATCH_UP_S_MAX)
        violations = site.violations()
    measured = Measured(scenario.name, scenario.meaning, "holds/s", Baseline.QUIET, rounds, (), violations)
    return with_verdicts(
        measured,
        [
            Verdict(f"until {count:,} lapsed holds are given back", median(took), 30.0, 10.0, at_least=False, unit="s"),
            Verdict("sales meanwhile / usual", measured.ratio, 0.7, 1.0),
        ],
    )


def _storm(site: Site, plan: Plan, sessions: range, targets: list[Target], count: int) -> tuple[Round, float]:
    """One storm: sales before and while it lasts, and how many seconds that was."""
    crowd = site.invite(PEOPLE)
    sign_in(site, plan, crowd)
    later = datetime.now(UTC) + STORM_LATER
    # Of other people: who let too much lapse may not hold again.
    site.add_lapsing(count, later, sessions, site.invite(PEOPLE).numbers)
    # The storm is what is to be measured, not the news of holds that were written all at once.
    until(lambda: site.seconds_behind() == 0.0, CATCH_UP_S_MAX)
    deadline = datetime.now(UTC) + timedelta(seconds=STORM_MOVE_S + count / STORM_MOVE_RATE + plan.seconds)
    site.move_deadlines(later, deadline)
    site.tidy_up(*HOT_TABLES)
    usual_from = deadline.timestamp() - plan.seconds
    if time.time() > usual_from - SETTLE_S:
        raise Fault(f"The deadlines of {count:,} holds could not be moved in time: this machine is too busy.")
    time.sleep(max(usual_from - SETTLE_S - time.time(), 0.0))
    expired, before, ends = site.count_expired(), site.count_holds(), [0.0]

    def pass_by() -> None:
        time.sleep(max(deadline.timestamp() - time.time(), 0.0))
        until(lambda: not site.any_lapsed(), STORM_S_MAX)
        ends[0] = time.time()

    loaded = site.load(job(site, plan, crowd, targets, CREATED, seconds=plan.seconds + SETTLE_S + STORM_S_MAX), until=pass_by)
    sample = loaded.sample(site.count_holds() - before, CREATED)
    missing = count - (site.count_expired() - expired)
    result, seconds = loaded.result, ends[0] - deadline.timestamp()
    usual = result.rate_between(usual_from, deadline.timestamp())
    meanwhile = result.rate_between(deadline.timestamp(), ends[0])
    ours = msgspec.structs.replace(sample, rate=meanwhile, errors=sample.errors + abs(missing), note=sample.note or f"{seconds:.2f} s")
    return Round(ours, {Baseline.QUIET: Sample(usual, 0)}), seconds


def on_sale(scenario: Scenario, world: World, plan: Plan, say: Say) -> Measured:
    rounds: list[Round] = []
    people, seats = plan.scaled(ON_SALE_PEOPLE), plan.scaled(ON_SALE_SEATS)
    with opened(world, plan) as site:
        warm(site, plan, site.invite(PEOPLE), hold_targets(site.open_sessions(1)), CREATED)
        for number in range(plan.rounds):
            # They come with tokens that nobody has seen, all at once; each asks once.
            together: dict[str, float] = {"seconds": ON_SALE_S_MAX, "requests_max": people, "connections": ON_SALE_CONNECTIONS}
            targets = hold_targets(site.open_sessions(1, capacity=seats))
            before = site.count_holds()
            loaded = site.load(job(site, plan, site.invite(people), targets, CREATED, CONFLICT, **together))
            sold = site.count_holds() - before
            sample = loaded.sample(people, CREATED, CONFLICT)
            wrong = abs(sold - seats) + abs(loaded.result.count(CREATED) - seats)
            sample = msgspec.structs.replace(sample, errors=sample.errors + wrong, note=sample.note or f"{sold} of {seats} seats sold")
            idle_load = site.load(job(site, plan, site.invite(people), [idle_target(1)], CREATED, **together))
            rounds.append(Round(sample, {Baseline.SIGN_IN: idle_load.sample(people, CREATED)}))
            say(f"{scenario.name} {number + 1}/{plan.rounds}: {people:,} people in {loaded.result.seconds:.2f} s, {sold} seats sold")
        violations = site.violations()
    return Measured(scenario.name, scenario.meaning, "answers/s", Baseline.SIGN_IN, rounds, (), violations)


def availability(scenario: Scenario, world: World, plan: Plan, say: Say) -> Measured:
    rounds: list[Round] = []
    fewer = msgspec.structs.replace(plan, connections=min(plan.connections, READERS_MAX))
    with opened(world, plan) as site:
        sessions = site.open_sessions(1_000)
        targets = [Target("GET", f"{BASE_PATH}/sessions/{numbers.session_id(number)}") for number in sessions]
        crowd = site.invite(PEOPLE)
        sign_in(site, plan, crowd)
        warm(site, fewer, crowd, targets, OK)
        for number in range(plan.rounds):
            loaded = site.load(job(site, fewer, crowd, targets, OK))
            sample, baseline = loaded.sample(loaded.result.count(OK), OK), idle(site, fewer, crowd)
            rounds.append(Round(sample, {Baseline.SIGN_IN: baseline}))
            say(f"{scenario.name} {number + 1}/{plan.rounds}: {sample.rate:,.0f}/s, sign-in alone {baseline.rate:,.0f}/s")
        violations = site.violations()
    return Measured(scenario.name, scenario.meaning, "reads/s", Baseline.SIGN_IN, rounds, (), violations)


def many_pools(scenario: Scenario, world: World, plan: Plan, say: Say) -> Measured:
    rounds: list[Round] = []
    few_count, many_count = 1_000, max(plan.scaled(MANY_POOLS), 1_000)
    with opened(world, plan) as few, opened(world, plan) as many:
        say(f"{scenario.name}: making {many_count:,} sessions ...")
        few_targets = hold_targets(few.open_sessions(few_count))
        # Enough of them that hardly one is asked twice; the others are there to be looked past.
        some = random.Random(1).sample(many.open_sessions(many_count), min(many_count, ASKED_POOLS_MAX))  # noqa: S311 - nothing secret.
        many_targets = hold_targets(some)
        for site, targets in ((few, few_targets), (many, many_targets)):
            warm(site, plan, site.invite(PEOPLE), targets, CREATED)
        for number in range(plan.rounds):
            samples = []
            for site, targets in ((many, many_targets), (few, few_targets)):
                crowd = site.invite(PEOPLE)
                sign_in(site, plan, crowd)
                samples.append(holds(site, plan, crowd, targets))
            rounds.append(Round(samples[0], {Baseline.FEW_POOLS: samples[1]}))
            say(f"{scenario.name} {number + 1}/{plan.rounds}: {samples[0].rate:,.0f}/s, of {few_count:,} pools {samples[1].rate:,.0f}/s")
        violations = few.violations() + many.violations()
    found = Measured(scenario.name, scenario.meaning, "holds/s", Baseline.FEW_POOLS, rounds, (), violations)
    cost = found.baseline / found.rate if found.rate else math.inf
    return with_verdicts(found, [Verdict(f"cost at {many_count:,} pools / at {few_count:,}", cost, 1.3, 1.1, at_least=False)])


def nights(scenario: Scenario, world: World, plan: Plan, say: Say) -> Measured:
    rounds: list[Round] = []
    with opened(world, plan) as site:
        rooms = site.open_rooms(2 * ROOMS)
        ours, theirs = rooms[:ROOMS], rooms[ROOMS:]
        for number in range(plan.rounds):
            crowd = site.invite(PEOPLE)
            before = site.count_holds()
            work = HoldNights(ours[0], ours[-1], crowd.numbers[0], crowd.numbers[-1], plan.connections)
            done = site.core(CoreJob(work, plan.seconds))
            sample = done.sample(site.count_holds() - before)
            baseline = pgbench.best(site, "nights", plan.seconds, first=theirs[0], last=theirs[-1])
            rounds.append(Round(sample, {Baseline.PGBENCH: baseline}))
            say(f"{scenario.name} {number + 1}/{plan.rounds}: {sample.rate:,.0f}/s, pgbench {baseline.rate:,.0f}/s ({baseline.note})")
        violations = site.violations()
    note = "the desk and the core without HTTP: nothing sells nights over HTTP yet"
    return Measured(scenario.name, scenario.meaning, "holds/s", Baseline.PGBENCH, rounds, (), violations, [note])


def until(condition: Callable[[], bool], seconds_max: float) -> None:
    """Wait until something is true. Raises Fault after ``seconds_max``."""
    give_up_at = time.monotonic() + seconds_max
    while not condition():
        if time.monotonic() > give_up_at:
            raise Fault(f"What was waited for did not happen within {seconds_max:.0f} s.")
        time.sleep(POLL_S)


SCENARIOS: Sequence[Scenario] = (
    Scenario("hold-hot", "Everybody wants one session.", hold_hot),
    Scenario("hold-spread", "Holds spread over 1,000 sessions.", hold_spread),
    Scenario("hold-mixed", "80 % of requests want 1 % of 1,000 sessions.", hold_mixed),
    Scenario("refuse", "Everybody wants a session that is sold out.", refuse),
    Scenario("confirm", "Money has arrived for live holds on 1,000 sessions.", confirm),
    Scenario("book-wallet", "Live holds on 1,000 sessions are paid for out of wallets.", book_wallet),
    Scenario("expire-storm", "100,000 holds lapse at once while sales go on.", expire_storm),
    Scenario("on-sale", "10,000 people want 500 seats at once.", on_sale),
    Scenario("availability", "How many seats 1,000 sessions have left.", availability),
    Scenario("many-pools", "Holds spread over 1,000,000 sessions.", many_pools),
    Scenario("nights", "14 nights of a room in one request.", nights),
)
