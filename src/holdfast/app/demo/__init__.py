"""Something to sell at once: what ``up --demo`` puts in."""

from holdfast.app.demo.city import FEED, put_city
from holdfast.app.demo.drivers import put_drivers

__all__ = ["FEED", "put_city", "put_drivers"]
