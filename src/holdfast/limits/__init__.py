"""How often something may be done, where that must hold across processes and without Redis: counted in PostgreSQL."""

from holdfast.limits.errors import LimitReached
from holdfast.limits.limits import Limit, Limits, Use
from holdfast.limits.neighbours import network_of

__all__ = ["Limit", "LimitReached", "Limits", "Use", "network_of"]
