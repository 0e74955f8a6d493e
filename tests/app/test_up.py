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

pytestmark = [pytest.mark.xdist_group("up"), pytest.mark.timeout(300)]

PATIENCE_S = 90.0


class Up:
    """One `holdfast up` and what can be seen of it from outside."""

    def __init__(self, data: Path, *options: str, home: Path | None = None, output: Path | None = None) -> None:
        self.home = home or data
        self.output = output or data.with_name(f"{data.name}.log")
        environment = {**os.environ, "PYTHONPATH": str(CHECKOUT / "src"), "COLUMNS": "80"}
        for name in ("DATABASE_URL", "DATABASE_OWNER_URL", "REDIS_URL"):
            environment.pop(name, None)
        with self.output.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "holdfast", "up", "--data", str(data), *options],
                stdout=log, stderr=log, env=environment, cwd=data.parent,
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


def lives(process: psutil.Process) -> bool:
    """Whether it runs. A container may have nobody who buries the children of a parent that was killed."""
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


@pytest.fixture(scope="module")
def data() -> Iterator[Path]:
    """A data directory, with a space in its name, that the tests of this file use one after another."""
    above = Path(tempfile.mkdtemp(prefix="holdfast-up-"))
    # As root, PostgreSQL runs as nobody and must get in; pytest's own directories are closed.
    above.chmod(0o711)
    yield above / "my data"
    shutil.rmtree(above)


@pytest.fixture(scope="module")
def up(data: Path) -> Iterator[Up]:
    """One that most tests share; the one that kills it is their last."""
    started = Up(data, "--port", "0").until_ready()
    yield started
    if started.process.poll() is None:
        started.stop()


def test_it_greets_on_80_columns_and_keeps_its_secrets(up: Up, data: Path) -> None:
    assert len(up.children()) >= 4, up.text
    greeting = up.text.split("Holdfast is ready")[1].splitlines()
    assert all(len(line) <= 80 for line in greeting if str(data) not in line and "|" not in line)
    assert (data / "secrets.json").stat().st_mode & 0o777 == 0o600
    assert (data / "running.json").stat().st_mode & 0o777 == 0o600


def test_a_child_that_dies_is_started_again(up: Up) -> None:
    for name in ("redis", "worker", "postgres"):
        killed = up.children()[name]
        killed.kill()
        up.until(lambda name=name: any(line.startswith(name) and "runs again" in line for line in up.text.splitlines()))  # type: ignore[misc]
        up.until(up.answers)
        assert any(line.startswith(name) and "ended (signal SIGKILL)" in line for line in up.text.splitlines()), up.text
        assert up.children()[name].pid != killed.pid


def test_connections_wait_while_the_web_server_is_replaced(up: Up) -> None:
    port = httpx.URL(up.running.base_url).port
    assert port is not None
    up.children()["web"].kill()
    with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        assert connection.recv(100).startswith(b"HTTP/1.1 ")


def test_what_prevents_a_start_is_said_plainly(up: Up, data: Path) -> None:
    second = Up(data, "--port", "0", output=data.with_name("second.log"))
    other = Up(data.with_name("other"), "--port", str(httpx.URL(up.running.base_url).port))
    assert (second.process.wait(PATIENCE_S), other.process.wait(PATIENCE_S)) == (1, 1)
    assert f"Another Holdfast (process {up.process.pid}) uses the data directory {data}." in second.text
    assert "on 127.0.0.1 cannot be used: Address already in use. Choose another: ./holdfast up --port" in other.text
    assert "Traceback" not in second.text + other.text


def test_killing_it_prevents_no_start_and_stopping_it_leaves_nothing(up: Up, data: Path) -> None:
    port = httpx.URL(up.running.base_url).port
    children = list(up.children().values())
    up.process.kill()
    up.process.wait()

    again = Up(data, "--port", str(port)).until_ready()
    again.until(lambda: not any(map(lives, children)))
    children = list(again.children().values())
    assert again.stop(signal.SIGINT) == 0, again.text
    assert not any(map(lives, children))
    assert not (data / "running.json").exists()
    assert not (data / "run").exists()


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
