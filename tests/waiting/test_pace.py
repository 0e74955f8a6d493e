"""How many are admitted next, for every rate, crowd and pause."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from holdfast.waiting.models import PER_SECOND_MAX, PER_SECOND_MIN
from holdfast.waiting.pace import ADMITTED_MAX, CREDIT_S_MAX, next_step
from holdfast.waiting.repository import DueRoom, Measure
from holdfast.waiting.states import RoomState

OPENED_AT = datetime(2026, 1, 1, tzinfo=UTC)
OWNER = UUID(int=1)
Pauses = st.lists(st.floats(0.0, 30.0), min_size=1, max_size=40)


def room(per_second: float, *, inside_max: int = 10**6, up_to: int = 0, credit_from: datetime = OPENED_AT) -> DueRoom:
    return DueRoom("session", OWNER, RoomState.OPEN, per_second, inside_max, up_to, credit_from, 1)


def measure(now: datetime, *, last_number: int = 10**6, inside: int = 0, free: int = 10**6, sells: bool = True) -> Measure:
    return Measure(OWNER, last_number, now, inside, sells, free)


@given(st.floats(PER_SECOND_MIN, PER_SECOND_MAX), Pauses)
def test_in_no_stretch_of_time_are_more_admitted_than_the_rate_allows(per_second: float, pauses: list[float]) -> None:
    present, now = room(per_second), OPENED_AT
    steps: list[tuple[datetime, int]] = [(now, 0)]
    for pause in pauses:
        now += timedelta(seconds=pause)
        step = next_step(present, measure(now))
        present = room(per_second, up_to=step.up_to, credit_from=step.credit_from)
        steps.append((now, step.up_to))
    burst = max(1.0, per_second * CREDIT_S_MAX)
    for earlier, before in steps:
        for later, after in steps:
            if later >= earlier:
                assert after - before <= per_second * (later - earlier).total_seconds() + burst + 0.001


@given(st.floats(0.5, ADMITTED_MAX / 2), st.integers(2, 40))
def test_who_is_moved_every_second_admits_all_that_the_rate_allows(per_second: float, seconds: int) -> None:
    present, now = room(per_second), OPENED_AT
    for _ in range(seconds):
        now += timedelta(seconds=1)
        step = next_step(present, measure(now))
        present = room(per_second, up_to=step.up_to, credit_from=step.credit_from)
    assert present.admitted_up_to >= per_second * seconds - 1.001


@given(
    waiting=st.integers(0, 2000),
    inside=st.integers(0, 2000),
    inside_max=st.integers(1, 2000),
    free=st.integers(0, 2000),
    up_to=st.integers(0, 10**9),
)
def test_nobody_is_admitted_beyond_what_there_is(waiting: int, inside: int, inside_max: int, free: int, up_to: int) -> None:
    now = OPENED_AT + timedelta(seconds=10)
    step = next_step(room(1000, inside_max=inside_max, up_to=up_to), measure(now, last_number=up_to + waiting, inside=inside, free=free))
    admitted = step.up_to - up_to
    assert admitted == max(0, min(waiting, inside_max - inside, free - inside, ADMITTED_MAX))
    assert step.state is (RoomState.OPEN if free else RoomState.SOLD_OUT)


def test_nobody_is_admitted_where_nothing_is_sold_any_more() -> None:
    step = next_step(room(1000), measure(OPENED_AT + timedelta(seconds=10), sells=False))
    assert (step.up_to, step.state) == (0, RoomState.ENDED)
