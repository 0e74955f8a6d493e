"""Ids by number: pgbench knows numbers only, so everything that a benchmark sells has an id that can be worked out from one."""

from uuid import UUID

from holdfast.auth.models import LoginId
from holdfast.common.actor import UserId
from holdfast.inventory import PoolId
from holdfast.sessions.models import SessionId

_TIME = 0x01990000_0000 << 80
_VARIANT = 0b10 << 62
_NUMBERS = (1 << 48) - 1


def pool_id(number: int) -> PoolId:
    return PoolId(int=_bits(1, number))


def session_id(number: int) -> SessionId:
    return SessionId(int=_bits(2, number))


def driver_id(number: int) -> UserId:
    return UserId(int=_bits(3, number))


def person_id(number: int) -> UserId:
    return UserId(int=_bits(4, number))


def login_id(number: int) -> LoginId:
    return LoginId(int=_bits(5, number))


def room_id(number: int) -> UUID:
    return UUID(int=_bits(6, number))


def number_of(numbered: UUID) -> int:
    """The number of one of these ids."""
    return numbered.int & _NUMBERS


def _bits(sort: int, number: int) -> int:
    """A UUIDv7 of one moment: ``01990000-0000-7SSS-8000-NNNNNNNNNNNN``, in hexadecimal."""
    return _TIME | 0x7 << 76 | sort << 64 | _VARIANT | number
