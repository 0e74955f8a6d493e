"""Calling a use case again when the database says so, or when nobody knows whether it committed."""

import functools
from collections.abc import Awaitable, Callable
from typing import Concatenate, ParamSpec, TypeVar

import psycopg
import stamina
from psycopg import errors

from holdfast.common.errors import Overloaded

P = ParamSpec("P")
R = TypeVar("R")
S = TypeVar("S")

ATTEMPTS = 3


class OutcomeUnknown(Exception):
    """The answer to COMMIT was lost: the work may be done or not.

    Only the idempotency key can tell: inserting it again waits for the old backend (rule 7 of ARCHITECTURE.md).
    """


class ConnectionLost(Exception):
    """The connection broke before COMMIT was sent, so nothing was done."""


RETRYABLE = (errors.SerializationFailure, errors.DeadlockDetected, OutcomeUnknown, ConnectionLost)


def retried(method: Callable[Concatenate[S, P], Awaitable[R]]) -> Callable[Concatenate[S, P], Awaitable[R]]:
    """Call the whole use case again on a serialisation failure, a deadlock, a lost connection or an unknown outcome.

    At most 3 times, with jitter and with the same arguments, the idempotency key among them: so the second call finds
    what the first one did. Waiting too long for a lock, a statement or a connection is Overloaded (503), never a retry.
    """

    @functools.wraps(method)
    async def call(self: S, /, *arguments: P.args, **named: P.kwargs) -> R:
        try:
            async for attempt in stamina.retry_context(
                on=RETRYABLE, attempts=ATTEMPTS, timeout=10.0, wait_initial=0.02, wait_jitter=0.05, wait_max=0.5
            ):
                with attempt:
                    return await method(self, *arguments, **named)
        except (errors.LockNotAvailable, errors.QueryCanceled) as error:
            raise Overloaded from error
        except RETRYABLE as error:
            raise Overloaded from error
        raise AssertionError("unreachable")

    return call


def is_connection_lost(error: BaseException, connection: psycopg.AsyncConnection[object]) -> bool:
    """Whether an error means that the server is gone, rather than that it refused a statement."""
    return isinstance(error, psycopg.OperationalError) and (connection.closed or connection.broken)
