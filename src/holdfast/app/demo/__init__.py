"""Something to sell at once: what ``up --demo`` puts in."""

from holdfast.app.demo.city import FEED, put_city

__all__ = ["FEED", "put_city"]
