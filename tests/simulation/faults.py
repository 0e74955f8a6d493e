"""What goes wrong in a simulation, and how: nothing is mocked, the server itself says so or is no longer there."""

import os
import select
import socket
from enum import Enum
from typing import Any

import psycopg


class Fault(Enum):
    """A thing that happens instead of, or around, one statement."""

    DEADLOCK = "40P01"
    SERIALISATION_FAILURE = "40001"
    STATEMENT_TIMEOUT = "57014"
    LOCK_TIMEOUT = "55P03"
    KILLED_BEFORE = "the server ends the connection, and then the statement or the COMMIT is sent"
    ANSWER_LOST = "COMMIT is done, and our socket is closed before its answer is read"
    PROCESS_KILLED = "every connection and every object of the process is gone, and another process goes on"
    CLOCK_JUMPS = "the clock of the machine on which the program runs is hours off"
    REDIS_FLUSHED = "Redis has forgotten everything"
    REDIS_GONE = "nobody answers for Redis any more"


SERVER_SAYS = (Fault.DEADLOCK, Fault.SERIALISATION_FAILURE, Fault.STATEMENT_TIMEOUT, Fault.LOCK_TIMEOUT)
ANYWHERE = (Fault.KILLED_BEFORE, Fault.PROCESS_KILLED, Fault.CLOCK_JUMPS, Fault.REDIS_FLUSHED, Fault.REDIS_GONE)
AT_COMMIT = (Fault.KILLED_BEFORE, Fault.ANSWER_LOST, Fault.PROCESS_KILLED)


async def say(pg: psycopg.AsyncConnection[Any], fault: Fault) -> None:
    """Let the server fail the transaction with the code of this fault. Always raises."""
    await pg.execute(f"DO $$ BEGIN RAISE EXCEPTION 'simulated' USING ERRCODE = '{fault.value}'; END $$".encode())
    raise AssertionError("unreachable")


async def end_backend(control: psycopg.AsyncConnection[Any], pg: psycopg.AsyncConnection[Any]) -> None:
    """The server ends a connection, and has ended it when this returns."""
    await control.execute("SELECT pg_terminate_backend(%s, 5000)", (pg.info.backend_pid,))


def lose_answer_of_commit(pg: psycopg.AsyncConnection[Any]) -> None:
    """COMMIT, wait until the server has answered, and close our socket without having read it. Always raises.

    It blocks the loop for as long as the server writes its log, so nothing else can come between.
    """
    pg.pgconn.send_query(b"COMMIT")
    while pg.pgconn.flush():
        pass
    select.select([pg.pgconn.socket], [], [])
    drop(pg)
    pg.pgconn.finish()
    raise psycopg.OperationalError("the connection was lost (simulated)")


def drop(pg: psycopg.AsyncConnection[Any]) -> None:
    """Close the wire as the kernel does for a process that was killed: no farewell, no ROLLBACK."""
    if not pg.closed:
        with socket.socket(fileno=os.dup(pg.pgconn.socket)) as wire:
            wire.shutdown(socket.SHUT_RDWR)
