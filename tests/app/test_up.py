"""`up` as a person meets it: a process that is started, disturbed and stopped."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import msgspec
import psutil
import pytest

from holdfast.app.embedded import Home
from holdfast.app.running import CHECKOUT, Running

pytestmark = [pytest.mark.xdist_group("up"), pytest.mark.timeout(180)]

PATIENCE_S = 60.0


class Up:
    """One `holdfast up` and what can be seen of it from outside."""

    def __init__(self, data: Path, *options: str, home: Path | None = None) -> None:
        self.home = home or data
        self.output = data.with_name(f"{data.name}.log")
        environment = {**os.environ, "PYTHONPATH": str(CHECKOUT / "src"), "COLUMNS": "80"}
        for name in ("DATABASE_URL", "DATABASE_OWNER_URL", "REDIS_URL"):
            environment.pop(name, None)
        with self.output.open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "holdfast", "up", "--data", str(data), *options],
                stdout=output, stderr=output, env=environment, cwd=data.parent,
            )  # fmt: skip

    @property
    def text(self) -> str:
        return self.output.read_text()

    @property
    def running(self) -> Running:
        return msgspec.json.decode((self.home / "running.json").read_bytes(), type=Running)

    def until(self, is_so: Callable[[], bool]) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while not is_so():
            assert time.monotonic() < deadline, self.text
            assert self.process.poll() is None, self.text
            time.sleep(0.05)

    def until_ready(self) -> "Up":
        self.until(lambda: "Holdfast is ready" in self.text and self.answers())
        return self

    def answers(self) -> bool:
        try:
            return httpx.get(f"{self.running.base_url}/", timeout=5).status_code < 500
        except (httpx.HTTPError, FileNotFoundError):
            return False

    def children(self) -> dict[str, psutil.Process]:
        names = {"postgres": "postgres", "redis-server": "redis", "serve": "web", "worker": "worker"}
        found = {}
        for child in psutil.Process(self.process.pid).children():
            words = child.cmdline()
            found[
                next((name for word, name in names.items() if any(part.endswith(word) for part in words[:1] + words[4:6])), str(words))
            ] = child
        return found

    def stop(self, how: signal.Signals = signal.SIGTERM) -> int:
        self.process.send_signal(how)
        return self.process.wait(PATIENCE_S)


@pytest.fixture(scope="module")
def data() -> Iterator[Path]:
    """A data directory, with a space in its name, that the tests of this file use one after another."""
    above = Path(tempfile.mkdtemp(prefix="holdfast-up-"))
    # As root, PostgreSQL runs as nobody and must get in; pytest's own directories are closed.
    above.chmod(0o711)
    yield above / "my data"
    shutil.rmtree(above)


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_it_starts_and_stops_and_leaves_nothing(data: Path, how: signal.Signals) -> None:
    up = Up(data, "--port", "0").until_ready()
    children = list(up.children().values())
    assert len(children) >= 4, up.text
    assert all(len(line) <= 80 for line in up.text.split("Holdfast is ready")[1].splitlines() if str(data) not in line and "|" not in line)
    assert (data / "secrets.json").stat().st_mode & 0o777 == 0o600
    assert (data / "running.json").stat().st_mode & 0o777 == 0o600
    assert up.stop(how) == 0, up.text
    assert not any(child.is_running() and child.status() != psutil.STATUS_ZOMBIE for child in children)
    assert not (data / "running.json").exists()
    assert not (data / "run").exists()


def test_a_child_that_dies_is_started_again(data: Path) -> None:
    up = Up(data, "--port", "0").until_ready()
    for name in ("redis", "web", "worker", "postgres"):
        killed = up.children()[name]
        killed.kill()
        up.until(lambda name=name: any(line.startswith(name) and "runs again" in line for line in up.text.splitlines()))  # type: ignore[misc]
        up.until(up.answers)
        assert any(line.startswith(name) and "ended (signal SIGKILL)" in line for line in up.text.splitlines()), up.text
        assert up.children()[name].pid != killed.pid
    assert up.stop() == 0, up.text


def test_killing_the_parent_takes_the_children_along_and_prevents_nothing(data: Path) -> None:
    up = Up(data, "--port", "0").until_ready()
    port = httpx.URL(up.running.base_url).port
    children = list(up.children().values())
    up.process.kill()
    up.process.wait()
    again = Up(data, "--port", str(port)).until_ready()
    assert not any(child.is_running() and child.status() != psutil.STATUS_ZOMBIE for child in children)
    assert again.stop() == 0, again.text


def test_what_prevents_a_start_is_said_plainly(data: Path) -> None:
    up = Up(data, "--port", "0").until_ready()
    port = str(httpx.URL(up.running.base_url).port)

    second = Up(data, "--port", "0")
    assert second.process.wait(PATIENCE_S) == 1
    # The output of both goes to files of the same name: the second's replaced the first's.
    assert f"Another Holdfast (process {up.process.pid}) uses the data directory" in second.text

    other = Up(data.with_name("other"), "--port", port)
    assert other.process.wait(PATIENCE_S) == 1
    assert f"Port {port} on 127.0.0.1 cannot be used: Address already in use." in other.text
    assert "Traceback" not in second.text + other.text
    assert up.stop() == 0, up.text


def test_a_setting_that_is_wrong_is_named(data: Path) -> None:
    os.environ["HOLDFAST_HOLD_SECONDS"] = "never"
    try:
        up = Up(data.with_name("wrong"), "--port", "0")
        assert up.process.wait(PATIENCE_S) == 1
    finally:
        del os.environ["HOLDFAST_HOLD_SECONDS"]
    assert "HOLDFAST_HOLD_SECONDS" in up.text
    assert "Traceback" not in up.text


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a small disk")
def test_a_full_disk_is_said_plainly(data: Path) -> None:
    disk = data.with_name("disk")
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=20m", "tmpfs", disk], check=False).returncode != 0:
        pytest.skip("this container may not mount")
    try:
        disk.chmod(0o711)
        up = Up(disk / "data", "--port", "0")
        assert up.process.wait(PATIENCE_S) == 1
        assert "the disk is full" in up.text
        assert "Traceback" not in up.text
        assert not (disk / "data" / "postgres").exists()
    finally:
        subprocess.run(["umount", disk], check=True)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root cannot let nobody into its own directories")
def test_root_in_a_closed_directory_keeps_its_data_elsewhere(data: Path) -> None:
    closed = data.with_name("closed")
    closed.mkdir(mode=0o700)
    elsewhere = Home(closed / "data").path
    assert elsewhere.parent == Path("/var/lib/holdfast")
    up = Up(closed / "data", "--port", "0", home=elsewhere)
    try:
        up.until_ready()
        assert f"data in {elsewhere}" in up.text
        assert up.stop() == 0
        assert closed.stat().st_mode & 0o777 == 0o700
    finally:
        up.process.kill()
        shutil.rmtree(elsewhere, ignore_errors=True)


def test_a_path_too_long_for_sockets_works(data: Path) -> None:
    long = data.with_name("x" * 120)
    up = Up(long, "--port", "0").until_ready()
    short = (long / "run").readlink()
    assert up.stop() == 0, up.text
    assert not short.exists()


def test_the_port_is_kept_while_the_web_server_is_replaced(data: Path) -> None:
    up = Up(data, "--port", "0").until_ready()
    port = httpx.URL(up.running.base_url).port
    assert port is not None
    up.children()["web"].kill()
    with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        assert connection.recv(100).startswith(b"HTTP/1.1 ")
    up.stop()
