"""How a key can be refused."""

from holdfast.common.errors import Refusal


class KeyMissing(Refusal):
    """This request needs an Idempotency-Key header. Send a fresh random one, and the same one when you repeat the request."""

    code = "idempotency_key_missing"
    status = 400


class KeyMalformed(Refusal):
    """An Idempotency-Key has 1 to 255 visible ASCII characters, and is no card number. A UUID does well."""

    code = "idempotency_key_malformed"
    status = 400


class KeyUsedForAnother(Refusal):
    """This Idempotency-Key was used for another request. Send a fresh key for a new request, or the same body to repeat the old one."""

    code = "idempotency_key_reused"
    status = 422


class StillRunning(Refusal):
    """The first request with this Idempotency-Key is still running. Repeat it in a moment with the same key."""

    code = "still_running"
    status = 409
    retry_after = 1
