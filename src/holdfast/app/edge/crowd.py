"""How many requests are under way, and who is told to come back when they are too many.

A server that takes in more than it can do makes everybody wait until they give up, and does nothing but say so. What is refused
here costs next to nothing, so what was let in is done in time. Selling comes before looking around.
"""

from typing import Final

UNDER_WAY_MAX: Final = 48
"""Requests of any kind: some eight for each connection that they share, which is less than half a second of work."""
SELLING_MAX: Final = 512
"""Requests that sell or settle: those are few at a time for the database, because it takes them in sets."""
COME_BACK_S: Final = 2
"""After how many seconds whoever is refused may try again. After one, a quarter to a third of all answers were refusals, and
the overload kept itself alive."""

_SELLING: Final = ("/api/v1/bookings/", "/api/v1/payments/", "/api/v1/webhooks/")
# Whoever is refused here comes back later, and may find others before them: joining a line is part of selling.
_WAITING: Final = ("/waiting-room/join", "/waiting-room")


class Crowd:
    """The requests that are under way in this process."""

    __slots__ = ("_under_way",)

    def __init__(self) -> None:
        self._under_way = 0

    def admits(self, path: str) -> bool:
        """Whether one more may come in; it then counts until ``leave``."""
        if self._under_way >= (SELLING_MAX if path.startswith(_SELLING) or path.endswith(_WAITING) else UNDER_WAY_MAX):
            return False
        self._under_way += 1
        return True

    def leave(self) -> None:
        self._under_way -= 1
