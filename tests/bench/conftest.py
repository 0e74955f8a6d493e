"""One world for all that is measured here: making it takes longer than measuring."""

from collections.abc import Iterator

import pytest

from holdfast.app.bench.site import Site, open_site
from holdfast.app.bench.world import World, open_world


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with open_world() as opened:
        yield opened


@pytest.fixture(scope="module")
def site(world: World) -> Iterator[Site]:
    """A database of this module's own, with the web server on it."""
    with open_site(world) as opened:
        yield opened
