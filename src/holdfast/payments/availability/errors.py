"""What payers are told when nobody can take their money."""

from typing import ClassVar

from holdfast.common.errors import NotFound, Refusal


class MethodUnavailable(Refusal):
    """Paying with {method} is not possible right now. Nothing was charged. Try again in a moment, or pay another way."""

    code = "payment_method_unavailable"
    status = 503
    retry_after: ClassVar[int | None] = 15


class MethodUnknown(NotFound):
    """No method of payment of this name is known here."""

    code = "payment_method_unknown"
