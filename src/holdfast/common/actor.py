"""Who asks."""

from enum import StrEnum

from msgspec import Struct

from holdfast.common.ids import Id


class UserId(Id, prefix="usr"):
    __slots__ = ()


class Role(StrEnum):
    PASSENGER = "PASSENGER"
    DRIVER = "DRIVER"
    PROVIDER = "PROVIDER"
    ADMIN = "ADMIN"
    SYSTEM = "SYSTEM"  # The program itself: never a role of a person.


class Actor(Struct, frozen=True):
    """Who asks: a user with the role of the access token, or the system itself."""

    id: UserId
    role: Role

    @property
    def is_admin(self) -> bool:
        return self.role is Role.ADMIN


SYSTEM = Actor(UserId(int=0), Role.SYSTEM)
