"""What the README and the guide for clients tell people to paste works, word for word."""

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.app.test_up import Up
from tests.docs.pages import ROOT, blocks

pytestmark = [pytest.mark.xdist_group("up"), pytest.mark.timeout(180)]

ADDRESS = "http://127.0.0.1:8000"


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """Where `up --demo` listens."""
    above = Path(tempfile.mkdtemp(prefix="holdfast-readme-"))
    # As root, PostgreSQL runs as nobody and must get in; pytest's own directories are closed.
    above.chmod(0o711)
    up = Up(above / "data", "--demo", "--port", "0").until_ready()
    yield up.running.base_url
    up.stop()
    shutil.rmtree(above)


def test_a_first_sale_is_confirmed(address: str) -> None:
    assert _pasted(ROOT / "README.md", address).splitlines()[-1] == "CONFIRMED"


def test_the_guide_for_clients_signs_in(address: str) -> None:
    token = _pasted(ROOT / "docs" / "how-to" / "sign-in-and-integrate.md", address, 'echo "$token"').strip()
    assert token.count(".") == 2


def _pasted(page: Path, address: str, *more: str) -> str:
    """What the page's lines for the terminal print."""
    script = next(block for block in blocks(page, "sh") if block.startswith(f"api={ADDRESS}"))
    lines = ["set -eu", "token=", script.replace(ADDRESS, address), *more]
    done = subprocess.run(["/bin/sh", "-c", "\n".join(lines)], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
