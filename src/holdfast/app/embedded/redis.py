"""Redis as a child of ours."""

import json
import os
import signal
import socket
from pathlib import Path
from urllib.parse import quote

from holdfast.app.embedded.account import Account
from holdfast.app.embedded.server import Server


class RedisServer(Server):
    """A Redis in memory only: everything in it can be lost at any time, so nothing is written to disk."""

    name = "redis"
    stop_signal = signal.SIGTERM

    def __init__(self, sockets: Path, password: str, *, program: Path, account: Account | None = None) -> None:
        super().__init__(account)
        self.sockets = sockets
        self._password = password
        self._program = program

    @property
    def url(self) -> str:
        """Its address, as redis-py reads it."""
        return f"unix://:{quote(self._password, safe='')}@{quote(str(self.sockets / 'redis.sock'))}"

    def prepare(self) -> None:
        (self.sockets / "redis.sock").unlink(missing_ok=True)
        file = self.sockets / "redis.conf"
        file.unlink(missing_ok=True)
        # The password stands in a file, because everybody can read the arguments of a program.
        lines = [
            "port 0",
            f"unixsocket {json.dumps(str(self.sockets / 'redis.sock'), ensure_ascii=False)}",
            "unixsocketperm 700",
            f"requirepass {self._password}",
            'save ""',
            "appendonly no",
            "maxmemory 256mb",
            "maxmemory-policy volatile-lru",
            "loglevel warning",
        ]
        with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as opened:
            opened.write("\n".join(lines) + "\n")
        if self.account is not None:
            os.chown(file, *self.account)

    def command(self) -> list[str]:
        return [str(self._program), str(self.sockets / "redis.conf")]

    def is_ready(self) -> bool:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(1)
            try:
                connection.connect(str(self.sockets / "redis.sock"))
                connection.sendall(b"PING\r\n")
                # It asks for the password: so it listens.
                return connection.recv(64).startswith(b"-NOAUTH")
            except OSError:
                return False
