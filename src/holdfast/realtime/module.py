"""Puts real time together."""

import asyncio
from collections.abc import Callable, Collection
from dataclasses import dataclass

from holdfast.database import Database
from holdfast.realtime.door import Door, Limits, Scope
from holdfast.realtime.feed import Feed
from holdfast.realtime.rooms import Members
from holdfast.realtime.server import RECHECK_S, SignInOf, SocketServer

NOWHERE = "0.0.0.0"


@dataclass(frozen=True)
class RealtimeModule:
    """``app`` is the ASGI application at ``/socket.io``; ``run`` goes beside it for as long as the process lives."""

    app: Door
    feed: Feed
    server: SocketServer

    async def run(self) -> None:
        """Follow the event log, and sign-ins, until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self.feed.run(), name="realtime feed")
            tasks.create_task(self.server.run(), name="realtime sign-ins")


def build(
    database: Database,
    sign_in_of: SignInOf,
    *,
    origins: Collection[str] = (),
    address_of: Callable[[Scope], str] | None = None,
    limits: Limits | None = None,
    recheck_s: float = RECHECK_S,
) -> RealtimeModule:
    """``sign_in_of`` says who holds an access token; ``address_of`` whose connections are counted together."""
    members = Members()
    feed = Feed(database, members)
    server = SocketServer(
        sign_in_of,
        feed,
        members,
        limits=limits or Limits(),
        address_of=address_of or _peer,
        origins=origins,
        recheck_s=recheck_s,
    )
    return RealtimeModule(server.app, feed, server)


def _peer(scope: Scope) -> str:
    client = scope.get("client")
    return client[0] if client else NOWHERE
