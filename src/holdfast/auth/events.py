"""What is announced about sign-ins."""

from typing import ClassVar

from holdfast.auth.models import LoginId
from holdfast.common.actor import UserId
from holdfast.events import Event


class LoginRevoked(Event, frozen=True, kw_only=True):
    """Access tokens of a sign-in count no longer, nor do its open sockets. ``has_ended``: the person must sign in again;
    otherwise the refresh token gives an access token that says what is true now. ``version`` is the new generation."""

    subject: ClassVar = "login_id"
    login_id: LoginId
    user_id: UserId
    has_ended: bool
