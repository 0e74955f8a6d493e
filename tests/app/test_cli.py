"""The command line itself."""

import re
import subprocess
import sys

from holdfast.app.running import CHECKOUT

HEAVY = {"sqlalchemy", "litestar", "psycopg", "pydantic", "uvicorn", "alembic", "redis", "procrastinate", "socketio", "httpx", "structlog"}


def test_help_imports_nothing_heavy() -> None:
    asked = "import sys, holdfast.app.cli; print(*{name.split('.')[0] for name in sys.modules})"
    loaded = subprocess.run(
        [sys.executable, "-c", asked], capture_output=True, text=True, check=True, env={"PYTHONPATH": str(CHECKOUT / "src")}
    )
    assert HEAVY & set(loaded.stdout.split()) == set()


def test_every_command_says_what_it_is_for() -> None:
    run = [sys.executable, "-m", "holdfast"]
    shown = subprocess.run(
        [*run, "--help"], capture_output=True, text=True, check=True, env={"PYTHONPATH": str(CHECKOUT / "src"), "COLUMNS": "80"}
    )
    commands = re.findall(r"^│ ([a-z-]+) +[A-Z]", shown.stdout, re.MULTILINE)
    assert {"up", "serve", "worker", "migrate", "test", "lint", "docs"} <= set(commands)
    assert all(len(line) <= 80 for line in shown.stdout.splitlines())
