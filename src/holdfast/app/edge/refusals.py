"""The ways in which the edge itself refuses, before any module is asked."""

from holdfast.common.errors import NotFound, Refusal


class PathUnknown(NotFound):
    """There is nothing at this path. What there is stands in /api/v1/docs."""

    code = "path_unknown"


class MethodUnknown(Refusal):
    """This path does not take this method. The Allow header names those that it takes."""

    code = "method_not_allowed"
    status = 405


class Malformed(Refusal):
    """The body is not JSON in UTF-8. Check quotes, commas and brackets."""

    code = "malformed"
    status = 400


class BodyMissing(Refusal):
    """This request needs a body of JSON."""

    code = "body_missing"
    status = 400


class TooDeep(Refusal):
    """The body is nested deeper than {levels_max} levels."""

    code = "too_deep"
    status = 400


class BadRequest(Refusal):
    """This request cannot be understood: a header, or the way it was sent, is wrong."""

    code = "bad_request"
    status = 400


class TooLarge(Refusal):
    """The body is too large. At most {bytes_max} bytes are taken here."""

    code = "too_large"
    status = 413


class NotJson(Refusal):
    """Send the body as "Content-Type: application/json", in UTF-8 and not compressed."""

    code = "unsupported_media_type"
    status = 415


class IfMatchMissing(Refusal):
    """Say which version you are changing: send the ETag that you read as If-Match."""

    code = "precondition_required"
    status = 428


class IfMatchMalformed(Refusal):
    """An If-Match is the ETag that you read, with its quotes."""

    code = "if_match_malformed"
    status = 400


class Internal(Refusal):
    """Something went wrong on our side, and we have made a note of it. Tell us the requestId if you write to us."""

    code = "internal"
    status = 500
