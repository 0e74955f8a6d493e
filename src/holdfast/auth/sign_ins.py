"""Ending sign-ins, and taking access tokens back, inside the commit that makes it necessary."""

from collections.abc import Sequence
from datetime import timedelta

from holdfast import events
from holdfast.auth import repository
from holdfast.auth.errors import SignInTooOld
from holdfast.auth.events import LoginRevoked
from holdfast.auth.models import EndReason, Login, SignedIn
from holdfast.common.actor import Actor, UserId
from holdfast.database import Tx

FRESH_FOR = timedelta(minutes=10)
"""How long after a sign-in with a code one may do what needs a fresh one."""


class SignInsOfPeople:
    """What ``users`` tells when somebody may do something else from now on, or nothing any more."""

    async def take_back(self, tx: Tx, user_id: UserId) -> None:
        await announce(tx, await repository.take_back_tokens_of(tx, user_id))

    async def end(self, tx: Tx, user_id: UserId) -> None:
        await announce(tx, await repository.end_logins_of(tx, user_id, EndReason.ACCESS_CHANGED))


async def announce(tx: Tx, logins: Sequence[Login]) -> None:
    """Say that access tokens of these sign-ins, as they stand now, were taken back."""
    await events.publish(
        tx,
        [
            LoginRevoked(login_id=login.id, user_id=login.user_id, version=login.generation, has_ended=login.ended_at is not None)
            for login in logins
        ],
    )


async def require_fresh(tx: Tx, actor: Actor) -> None:
    """For what only somebody who has the person's telephone in hand may do. Raises SignInTooOld."""
    if not isinstance(actor, SignedIn) or not await repository.is_fresh(tx, actor.login_id, FRESH_FOR):
        raise SignInTooOld(minutes=int(FRESH_FOR.total_seconds()) // 60)
