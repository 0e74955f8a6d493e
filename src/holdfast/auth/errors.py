"""How signing in is refused."""

from holdfast.common.errors import NotSignedIn, Refusal


class CodeNotSent(Refusal):
    """The code could not be sent just now. Ask for another one in a minute."""

    code = "code_not_sent"
    status = 503
    retry_after = 60


class CodeWrong(Refusal):
    """This is not the code that we sent. Check it; tries left: {tries_left}."""

    code = "code_wrong"
    status = 401


class CodeExpired(Refusal):
    """This code is too old or was used up. Ask for a new one."""

    code = "code_expired"
    status = 401


class AccountClosed(Refusal):
    """This account was closed. Write to us if you think that this is a mistake."""

    code = "account_closed"
    status = 403


class RefreshRefused(NotSignedIn):
    """This refresh token is not valid, or not any more. Sign in again at /auth/request-otp."""

    code = "refresh_refused"


class SignInTooOld(Refusal):
    """This needs a fresh sign-in, at most {minutes} minutes old. Sign in with a new code, and try again."""

    code = "sign_in_too_old"
    status = 403
