"""Refusals: the ways in which Holdfast says no. Only the edge (``app/http.py``) knows that they become HTTP."""

from functools import cache
from typing import ClassVar


class Refusal(Exception):
    """The request was refused."""

    # The docstring is the message; {placeholders} are filled from the facts, which are also shown as members of the problem.
    code: ClassVar[str] = "refused"
    status: ClassVar[int] = 400
    retry_after: ClassVar[int | None] = None

    def __init__(self, **facts: object) -> None:
        self.facts = facts
        super().__init__(self.message)

    @property
    def message(self) -> str:
        """What happened and what to do next, in English: the key of the catalogue of translations too."""
        return self.template().format_map(self.facts)

    @classmethod
    @cache
    def template(cls) -> str:
        """The first paragraph of the docstring, on one line."""
        return " ".join((cls.__doc__ or cls.code).split("\n\n")[0].split())


class NotFound(Refusal):
    """There is no such thing here, or it is not yours. Check the id."""

    code = "not_found"
    status = 404


class NotSignedIn(Refusal):
    """Sign in first: send a valid access token as "Authorization: Bearer ...". Get one at /auth/request-otp."""

    code = "not_signed_in"
    status = 401


class NotAllowed(Refusal):
    """Your account may not do this."""

    code = "not_allowed"
    status = 403


class Invalid(Refusal):
    """The request has faults; each is named in errors."""

    code = "invalid"
    status = 422

    def __init__(self, *faults: tuple[str, str]) -> None:
        """Faults are (path, message), the path being that of the field in the body, or the name of the parameter."""
        super().__init__(errors=[{"path": path, "message": message} for path, message in faults])


class Overloaded(Refusal):
    """Too much is going on right now. Try again in a moment with the same Idempotency-Key."""

    code = "overloaded"
    status = 503
    retry_after = 1


class Outdated(Refusal):
    """Someone changed this since you read it. Read it again and repeat your change with the new ETag."""

    code = "outdated"
    status = 412
