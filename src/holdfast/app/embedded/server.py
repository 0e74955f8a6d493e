"""What every server of ours has in common."""

import signal
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path

from holdfast.app.embedded.account import ENVIRONMENT, Account, fault
from holdfast.app.leash import leashed

START_TIMEOUT_S = 120.0
STOP_TIMEOUT_S = 20.0
POLL_S = 0.02


class Server:
    """A program of somebody else's that we run as a child, foreground, tied to our life."""

    name: str
    stop_signal: signal.Signals
    kill_signal: signal.Signals = signal.SIGKILL

    def __init__(self, account: Account | None) -> None:
        self.account = account
        self._child: subprocess.Popen[bytes] | None = None

    def prepare(self) -> None:
        """Make its files and take away what a crash left behind. Call before every start."""
        raise NotImplementedError

    def command(self) -> list[str]:
        """What to run, in the foreground."""
        raise NotImplementedError

    def is_ready(self) -> bool:
        """Whether it answers."""
        raise NotImplementedError

    def arguments(self) -> list[str]:
        """The command, on its leash and under its account."""
        return leashed(self.command(), self.stop_signal, self.account)

    @property
    def environment(self) -> Mapping[str, str]:
        return ENVIRONMENT

    def start(self, output: Path) -> None:
        """Start it and wait until it answers; what it prints goes to the file ``output``. Raises EmbeddedFault."""
        self.prepare()
        with output.open("wb") as file:
            self._child = subprocess.Popen(
                self.arguments(), stdin=subprocess.DEVNULL, stdout=file, stderr=file, env=ENVIRONMENT, cwd="/", start_new_session=True
            )
        deadline = time.monotonic() + START_TIMEOUT_S
        while not self.is_ready():
            if self._child.poll() is not None or time.monotonic() > deadline:
                self.stop()
                raise fault(f"{self.name} did not start", output.read_text(errors="replace"))
            time.sleep(POLL_S)

    def stop(self) -> None:
        """Stop it, and wait until it is gone."""
        if self._child is None:
            return
        if self._child.poll() is None:
            self._child.send_signal(self.stop_signal)
            try:
                self._child.wait(STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                self._child.send_signal(self.kill_signal)
                self._child.wait(STOP_TIMEOUT_S)
        self._child = None

    @property
    def pid(self) -> int | None:
        return None if self._child is None else self._child.pid
