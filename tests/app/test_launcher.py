"""`./holdfast` before there is anything but a shell: what it says, and what it leaves alone."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """As much of a checkout as the launcher looks at, in a directory with a space in its name."""
    made = tmp_path / "my checkout"
    made.mkdir()
    shutil.copy(ROOT / "holdfast", made)
    shutil.copytree(ROOT / "requirements", made / "requirements")
    return made


def run(command: Path, *arguments: str, cwd: str = "/", **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(command), *arguments], capture_output=True, text=True, check=False, cwd=cwd, timeout=100,
        env={"PATH": os.environ["PATH"], "HOME": "/nonexistent", **environment},
    )  # fmt: skip


def program(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


def installed(checkout: Path) -> Path:
    """A virtual environment that looks installed, whose Python only says how it was called."""
    venv = checkout / ".venv"
    program(venv / "bin" / "python", 'printf "%s\\n" "$PYTHONPATH" "$PYTHONSAFEPATH" "$@"')
    shutil.copy(checkout / "requirements" / "runtime.txt", venv / "installed-runtime.txt")
    return venv


def test_it_runs_from_anywhere_and_through_links(checkout: Path, tmp_path: Path) -> None:
    installed(checkout)
    (tmp_path / "near").symlink_to("my checkout/holdfast")
    (tmp_path / "far").symlink_to(tmp_path / "near")
    for command in (checkout / "holdfast", tmp_path / "far"):
        ran = run(command, "up", "--data", "a b", cwd=str(tmp_path))
        assert ran.stdout.splitlines() == [f"{checkout}/src", "1", "-m", "holdfast", "up", "--data", "a b"], ran.stderr


def test_an_old_python_is_named(checkout: Path, tmp_path: Path) -> None:
    old = program(tmp_path / "old", "echo 3.9 >&2; exit 1")
    ran = run(checkout / "holdfast", "up", HOLDFAST_PYTHON=str(old))
    assert ran.returncode == 1
    assert "is Python 3.9, and Python 3.11 or newer is needed" in ran.stderr
    assert not (checkout / ".venv").exists()


def test_no_python_is_said(checkout: Path) -> None:
    ran = run(checkout / "holdfast", "up", HOLDFAST_PYTHON="/nonexistent/python")
    assert ran.returncode == 1
    assert "there is no /nonexistent/python here" in ran.stderr


def test_the_missing_package_is_named(checkout: Path, tmp_path: Path) -> None:
    path = tmp_path / "python"
    program(path, f'case "$2" in *ensurepip*) exit 1;; *realpath*) echo "{path}";; *) echo python3.11;; esac')
    ran = run(checkout / "holdfast", "up", HOLDFAST_PYTHON=str(path))
    assert ran.returncode == 1
    assert "apt install python3.11-venv" in ran.stderr


def test_what_is_no_environment_is_left_alone(checkout: Path, tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "letter").write_text("dear")
    ran = run(checkout / "holdfast", "up", HOLDFAST_VENV=str(precious))
    assert ran.returncode == 1
    assert "is no virtual environment" in ran.stderr
    assert (precious / "letter").read_text() == "dear"


def test_a_missing_network_is_said_and_the_next_try_starts_anew(checkout: Path) -> None:
    offline = {"PIP_INDEX_URL": "http://127.0.0.1:9/simple", "PIP_RETRIES": "1", "PIP_CONFIG_FILE": "/dev/null", "PIP_NO_CACHE_DIR": "1"}
    ran = run(checkout / "holdfast", "up", **offline)
    assert ran.returncode == 1
    assert "the package index cannot be reached" in ran.stderr
    assert (checkout / ".venv" / "being-installed").exists()
    again = run(checkout / "holdfast", "up", **offline)
    assert "First use" in again.stderr


def test_changed_requirements_are_installed(checkout: Path) -> None:
    venv = installed(checkout)
    program(venv / "bin" / "python", 'echo "$@" >>"$0.calls"')
    with (checkout / "requirements" / "runtime.txt").open("a") as file:
        file.write("# changed\n")
    ran = run(checkout / "holdfast", "up")
    assert "requirements have changed" in ran.stderr
    calls = (venv / "bin" / "python.calls").read_text().splitlines()
    assert any(call.startswith("-m pip install --require-hashes") for call in calls)
    assert calls[-1] == "-m holdfast up"
    assert run(checkout / "holdfast", "up").stderr == ""


def test_the_tests_need_more_than_the_program(checkout: Path) -> None:
    venv = installed(checkout)
    program(venv / "bin" / "python", 'echo "$@" >>"$0.calls"')
    run(checkout / "holdfast", "test", "-k", "x")
    assert (venv / "installed-dev.txt").read_text() == (checkout / "requirements" / "dev.txt").read_text()


def test_what_the_program_needs_is_part_of_what_the_tests_need() -> None:
    def pins(name: str) -> set[str]:
        return {line.split()[0] for line in (ROOT / "requirements" / name).read_text().splitlines() if "==" in line}

    assert pins("runtime.txt") <= pins("dev.txt")
