"""A process that numbers and admits people as fast as it can, until it is killed: ``python -m tests.waiting.dying DATABASE SESSION``.

Writes a line for each answer that somebody got: the person and the number.
"""

import asyncio
import sys
from uuid import UUID

from tests.shop import Shop

from holdfast.common.actor import Actor, Role, UserId
from holdfast.database import Database
from holdfast.sessions.kind import SESSION_KIND


async def run(database_url: str, session_id: str) -> None:
    shop = Shop(Database(database_url, name="dying"))
    service, owner_id = shop.waiting.service, UUID(session_id)

    async def join() -> None:
        person = Actor(UserId.new(), Role.PASSENGER)
        standing = await service.join(person, SESSION_KIND, owner_id)
        sys.stdout.write(f"{person.id.hex} {standing.number}\n")
        sys.stdout.flush()

    while True:
        await asyncio.gather(shop.waiting.admission.admit_due(), *(join() for _ in range(5)))


if __name__ == "__main__":
    asyncio.run(run(*sys.argv[1:]))
