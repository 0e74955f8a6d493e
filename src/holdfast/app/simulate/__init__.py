"""A day at the stations, through the public interface alone, and whether everything that was promised in it was kept."""

from holdfast.app.simulate.plan import Plan
from holdfast.app.simulate.run import simulate

__all__ = ["Plan", "simulate"]
