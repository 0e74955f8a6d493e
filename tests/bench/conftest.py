"""One world for all that is measured here: making it takes longer than measuring."""

from collections.abc import Iterator

import pytest

from holdfast.app.bench.world import Site, World, open_world


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with open_world() as opened:
        yield opened


@pytest.fixture(scope="module")
def site(world: World) -> Iterator[Site]:
    """A database of this module's own, with the web server on it."""
    with world.site() as opened:
        yield opened
