"""One order that was printed can be run again: ``./holdfast test tests/interleavings --schedule FILE -k again -s``."""

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--schedule", metavar="FILE", help="a script that a failure printed, to be run again")
