"""The core against a reference in plain Python, step by step, in sequences that Hypothesis makes up and shortens where they fail."""

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test
from tests.controls import taken_away
from tests.model.controls import FAULTS
from tests.model.machine import Ground, SalesMachine

from holdfast.bookings import seats

STEPS = 200
EXAMPLES = 5
EXAMPLES_SLOWLY = 1000
# A fault that is not found in so many is not found.
EXAMPLES_FOR_A_FAULT = 40


@pytest.fixture
def ground(database_url: str, owner_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Ground]:
    # What was sold out half a second ago is refused by the clock of the process, which no model moves.
    monkeypatch.setattr(seats, "REMEMBERED_S", 0.0)
    with Ground(database_url, owner_url) as opened:
        yield opened


def run(ground: Ground, **more: Any) -> None:
    usual = settings(
        stateful_step_count=STEPS,
        deadline=None,
        database=None,
        print_blob=False,
        report_multiple_bugs=False,
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(lambda: SalesMachine(ground), settings=settings(usual, **more))  # type: ignore[arg-type]


# Five examples take seconds; what fails is shortened, which takes minutes.
@pytest.mark.timeout(900)
def test_the_core_does_what_the_reference_does(ground: Ground) -> None:
    """Always the same examples, so that whoever changes something else is not surprised."""
    run(ground, max_examples=EXAMPLES, derandomize=True)


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_the_core_does_what_the_reference_does_in_many_examples(ground: Ground) -> None:
    """Other examples in every run. What fails is shortened, and printed as a script of calls."""
    run(ground, max_examples=EXAMPLES_SLOWLY)


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_found(ground: Ground, owner_url: str, fault: str) -> None:
    taken = taken_away(fault, FAULTS[fault](), owner_url)
    ground.run(taken.__aenter__())
    try:
        # Not shortened: that it fails is all that is asked.
        with pytest.raises(Exception, match=r".") as found:
            run(ground, max_examples=EXAMPLES_FOR_A_FAULT, derandomize=True, phases=[Phase.generate])
    finally:
        ground.run(taken.__aexit__(None, None, None))
    assert not isinstance(found.value, AttributeError | TypeError | NameError), found.value
    print(f"\n{fault}: {found.value}"[:400])
