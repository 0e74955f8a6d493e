"""``holdfast serve``."""

from typing import Annotated

import typer

GRACE_S = 5
END_WITHIN_S = 13
KEEP_ALIVE_S = 65
BACKLOG = 2048


def serve(
    socket: Annotated[int, typer.Option(hidden=True, help="The number of an open listening socket, handed over by `up`.")] = -1,
) -> None:
    """Run the web server: the HTTP interface and Socket.IO."""
    from dataclasses import replace
    from socket import socket as open_socket
    from types import FrameType

    import uvicorn

    from holdfast.app import heap, logs
    from holdfast.app.edge.corked import CorkedProtocol
    from holdfast.app.http import create_app
    from holdfast.app.internal import InternalApp, internal_server, new_registry
    from holdfast.app.leash import end_within
    from holdfast.app.preflight import check_database
    from holdfast.app.settings import load_settings
    from holdfast.app.wiring import build_program

    settings = load_settings()
    logs.configure(settings)
    check_database(settings.database_url)
    program, registry = build_program(settings), new_registry()
    for measure in program.measures:
        registry.register(measure)
    internal = InternalApp(
        settings.database_url,
        registry,
        is_draining=lambda: server.should_exit,
        count_overdue_differences=program.count_overdue_differences,
    )
    internal_port = settings.internal_port or settings.port + 1
    program = replace(program, lifespan=[*program.lifespan, lambda _: internal_server(internal, internal_port)])
    config = uvicorn.Config(
        create_app(program, registry),
        host=settings.host, port=settings.port, backlog=BACKLOG,
        loop="uvloop", http=CorkedProtocol, ws="websockets-sansio", lifespan="on",
        log_config=None, access_log=False,
        # The app itself reads X-Forwarded-For, as far as HOLDFAST_TRUSTED_PROXIES says.
        proxy_headers=False, server_header=False,
        timeout_keep_alive=KEEP_ALIVE_S, timeout_graceful_shutdown=GRACE_S,
    )  # fmt: skip

    class Server(uvicorn.Server):
        def handle_exit(self, sig: int, frame: FrameType | None) -> None:
            end_within(END_WITHIN_S)
            super().handle_exit(sig, frame)

    server = Server(config)
    heap.freeze()
    server.run(sockets=[open_socket(fileno=socket)] if socket >= 0 else None)
    if not server.started:
        raise SystemExit(1)
