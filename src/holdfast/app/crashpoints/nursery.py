"""The process from which those that are killed are forked: it has built the program and connected to nothing, so a new one costs little.

``python -m holdfast.app.crashpoints.nursery LISTENER ORDERS [MODULE:FUNCTION]`` gets two open sockets. Over the second it is told
``web``, or ``work`` and what to do, and answers with the number of the new process. FUNCTION changes the program before it is built:
a control takes a guard away there.
"""

import asyncio
import importlib
import os
import signal
import socket
import sys
import traceback
from collections.abc import Mapping
from functools import partial

import msgspec
import psycopg
import uvicorn
from msgspec import Struct

from holdfast.app import heap, logs
from holdfast.app.background import Step
from holdfast.app.edge.corked import CorkedProtocol
from holdfast.app.http import create_app
from holdfast.app.leash import end_with_parent
from holdfast.app.settings import load_settings
from holdfast.app.wiring import Program, build_program
from holdfast.common.errors import Overloaded
from holdfast.database import OutcomeUnknown
from holdfast.database.retries import ConnectionLost
from holdfast.events.consumers import consume_next, follow_next

FAILURES_MAX = 5
FAULT = "FAULT"
"""What the log says of an error that no loop of the worker expects."""


class Order(Struct, frozen=True):
    """What a new process is to do: serve, or those of the worker's steps that are named, once; all until nothing is left where none is."""

    serves: bool = False
    steps: tuple[str, ...] = ()


def steps_of(program: Program) -> Mapping[str, Step]:
    """What the worker's loops do over and over, by name."""
    consumers = {consumer.name: partial(consume_next, program.database, consumer) for consumer in program.consumers}
    followers = {follower.name: partial(follow_next, program.database, follower) for follower in program.followers}
    return {**program.steps, **consumers, **followers}


async def work(program: Program, names: tuple[str, ...]) -> None:
    """Do some steps once, or all of them until nothing is left. A database that is away is tried again, as the loops do."""
    steps, failures = steps_of(program), 0
    is_done = False
    while not is_done and failures < FAILURES_MAX:
        is_done = True
        for name in names or steps:
            try:
                is_done = bool(await steps[name]() == 0 or names) and is_done
            except (psycopg.OperationalError, ConnectionLost, OutcomeUnknown, Overloaded):
                failures, is_done = failures + 1, False
            except Exception:
                print(FAULT, traceback.format_exc(), flush=True)
                return


def raise_children(listener: socket.socket, orders: socket.socket) -> None:
    """Fork a process for each order, until whoever gives them is gone."""
    settings = load_settings()
    logs.configure(settings)
    program = build_program(settings)
    app = create_app(program)
    heap.freeze()
    # Nobody asks what they ended with.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    orders.sendall(b"0\n")
    nursery = os.getpid()
    for line in orders.makefile("rb"):
        order = msgspec.json.decode(line, type=Order)
        child = os.fork()
        if child:
            orders.sendall(b"%d\n" % child)
            continue
        end_with_parent(nursery, signal.SIGKILL)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        orders.close()
        if order.serves:
            config = uvicorn.Config(app, loop="uvloop", http=CorkedProtocol, lifespan="off", log_config=None, access_log=False)
            uvicorn.Server(config).run(sockets=[listener])
        else:
            asyncio.run(work(program, order.steps))
        os._exit(0)


if __name__ == "__main__":
    if len(sys.argv) > 3:  # noqa: PLR2004
        module, _, function = sys.argv[3].partition(":")
        getattr(importlib.import_module(module), function)()
    raise_children(socket.socket(fileno=int(sys.argv[1])), socket.socket(fileno=int(sys.argv[2])))
