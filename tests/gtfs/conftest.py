"""The city of tests/routes."""

from tests.routes.conftest import admin, city, visitor

__all__ = ["admin", "city", "visitor"]
