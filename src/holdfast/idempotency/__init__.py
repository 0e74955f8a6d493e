"""One key, one effect, one stable answer."""

from holdfast.idempotency.keys import IdempotencyKey
from holdfast.idempotency.repository import (
    KeyedRequest,
    New,
    Once,
    OtherBody,
    Replay,
    RequestKey,
    Standing,
    begin,
    delete_old_keys,
    keep,
    look_up,
    once,
)

__all__ = [
    "IdempotencyKey",
    "KeyedRequest",
    "New",
    "Once",
    "OtherBody",
    "Replay",
    "RequestKey",
    "Standing",
    "begin",
    "delete_old_keys",
    "keep",
    "look_up",
    "once",
]
