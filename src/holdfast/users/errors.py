"""How things about people are refused."""

from holdfast.common.errors import NotFound, Refusal


class UserUnknown(NotFound):
    """There is no such person. Check the id."""

    code = "user_unknown"


class OwnAccess(Refusal):
    """You cannot take your own access away. Ask another admin to do it."""

    code = "own_access"
    status = 409
