"""Races that first prove that they can be lost."""

from collections.abc import Awaitable, Callable

import pytest
from tests.controls import without

# Without its guard a race is lost only where two happen to meet, which a busy machine may put off for a while.
CONTROL_ROUNDS_MAX = 100


def guarded_and(guard: str) -> pytest.MarkDecorator:
    """Run a test with its guard, and once more without it."""
    return pytest.mark.parametrize("guard", [None, guard], ids=["guarded", "control"])


async def race(once: Callable[[], Awaitable[object]], guard: str | None, owner_url: str, *, rounds: int = 1) -> None:
    """Run a race again and again; `once` runs it one time and tells what went wrong, if anything did.

    With its guard nothing goes wrong in so many rounds. Without it something does, sooner or later.
    """
    async with without(guard, owner_url):
        for _ in range(rounds if guard is None else CONTROL_ROUNDS_MAX):
            wrong = await once()
            if wrong:
                assert guard is not None, wrong
                return
    assert guard is None, f"{guard} decides nothing here: without it, nothing went wrong in {CONTROL_ROUNDS_MAX} rounds"
