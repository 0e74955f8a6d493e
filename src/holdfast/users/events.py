"""What is announced about people: that something changed, never what they are called."""

from typing import ClassVar

from holdfast.common.actor import Role, UserId
from holdfast.events import Event


class UserSignedUp(Event, frozen=True, kw_only=True):
    """Somebody signed in for the first time, or was made an admin before that."""

    subject: ClassVar = "user_id"
    user_id: UserId


class UserChanged(Event, frozen=True, kw_only=True):
    """A person's profile, role or right to sign in changed; ``role`` and ``is_active`` are those of this version."""

    subject: ClassVar = "user_id"
    user_id: UserId
    role: Role
    is_active: bool
