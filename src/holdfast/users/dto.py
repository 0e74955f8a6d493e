"""People on the wire."""

from datetime import datetime
from typing import Annotated, Self

from msgspec import UNSET, Meta, Struct, UnsetType

from holdfast.common.actor import Role
from holdfast.common.language import Language
from holdfast.users.models import PersonRole, User

# Something visible, on one line, without characters that turn the direction of what stands beside it.
_UNWANTED = r"\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069"
_NAME = rf"^[^{_UNWANTED}]*[^\s{_UNWANTED}][^{_UNWANTED}]*$"

Name = Annotated[str, Meta(min_length=1, max_length=100, pattern=_NAME, description="What to call you.", examples=["منى علي"])]


class ProfileChanges(Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """What to change of your profile; what is not sent stays, null takes it away."""

    name: Name | UnsetType | None = UNSET
    language: Language | UnsetType | None = UNSET


class AccessChanges(Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """What a person may do from now on; what is not sent stays."""

    role: PersonRole | UnsetType = UNSET
    is_active: bool | UnsetType = UNSET


class UserView(Struct, frozen=True, rename="camel"):
    """A person. ``isVerified``: somebody signed in with this phone."""

    id: str
    phone: str | None
    role: Role
    is_active: bool
    is_verified: bool
    name: str | None
    language: Language | None
    created_at: datetime
    updated_at: datetime

    @classmethod
    def of(cls, user: User) -> Self:
        return cls(
            id=str(user.id),
            phone=user.phone,
            role=user.role,
            is_active=user.is_active,
            is_verified=user.is_verified,
            name=user.name,
            language=user.language,
            created_at=user.created_at,
            updated_at=user.updated_at,
        )
