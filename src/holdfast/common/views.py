"""Shapes of answers that every module shares."""

from msgspec import Struct


class Fault(Struct, frozen=True, rename="camel"):
    """One thing that is wrong with a request, and where: the path of a field in the body, or the name of a parameter."""

    path: str
    message: str


class Problem(Struct, frozen=True, rename="camel", omit_defaults=True):
    """What every refusal looks like (RFC 9457). A kind of problem may have further members, such as ``available``."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    request_id: str
    errors: list[Fault] = []


def camel(name: str) -> str:
    """A name of Python's as JSON has it: ``booking_id`` is ``bookingId``."""
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)
