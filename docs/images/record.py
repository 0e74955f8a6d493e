"""Records the README's first sale as a picture: starts a fresh `up --demo`, pastes the README's lines, and keeps what the terminal shows.

Run it with `.venv/bin/python docs/images/record.py` after changing either. It writes `first-sale.svg` beside it.
"""

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from io import StringIO
from pathlib import Path

from rich.console import Console
from rich.text import Text

ROOT = Path(__file__).parents[2]
ADDRESS = "http://127.0.0.1:8000"
WIDTH = 132
PATIENCE_S = 120.0
_BLOCK = re.compile(r"^```sh\n(api=.*?)^```$", re.MULTILINE | re.DOTALL)
_FONT = re.compile(r"@font-face \{[^}]*\}\s*")
_MARK = "\x1e"


def main() -> None:
    above = Path(tempfile.mkdtemp(prefix="holdfast-picture-"))
    # As root, PostgreSQL runs as nobody and must get in.
    above.chmod(0o711)
    shown = above / "shown"
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "COLUMNS": str(WIDTH), "FORCE_COLOR": "1"}
    with shown.open("wb") as output:
        up = subprocess.Popen(
            [sys.executable, "-m", "holdfast", "up", "--demo", "--data", str(above / "data")], stdout=output, stderr=output, env=environment
        )
    try:
        _wait(up, shown)
        console = Console(record=True, width=WIDTH, file=StringIO(), force_terminal=True, color_system="truecolor")
        _print_start(console, shown.read_text())
        _print_sale(console)
        # Without the fonts that Rich would load from elsewhere: any of fixed width does.
        picture = _FONT.sub("", console.export_svg(title="A first sale"))
        Path(__file__).with_name("first-sale.svg").write_text(picture)
    finally:
        up.send_signal(signal.SIGINT)
        up.wait(60)
        shutil.rmtree(above)


def _wait(up: subprocess.Popen[bytes], shown: Path) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while "Holdfast is ready" not in shown.read_text():
        if up.poll() is not None or time.monotonic() > deadline:
            raise SystemExit(shown.read_text())
        time.sleep(0.1)


def _print_start(console: Console, text: str) -> None:
    _prompt(console, "./holdfast up --demo")
    before, greeting = text.split("Holdfast is ready", 1)
    ours = [line for line in before.splitlines() if Text.from_ansi(line).plain.split("|")[0].strip() in ("holdfast", "migrate", "demo")]
    for line in [*ours, *greeting.splitlines()[1:5]]:
        if "Data" not in line:
            console.print(Text.from_ansi(line), soft_wrap=True)


def _print_sale(console: Console) -> None:
    found = _BLOCK.search((ROOT / "README.md").read_text())
    if found is None:
        raise SystemExit("the README has no first sale")
    paragraphs = found[1].strip().split("\n\n")
    script = "token=\n" + "\n".join(f"printf '{_MARK}'\ncat <<'PASTED'\n{each}\nPASTED\nprintf '{_MARK}'\n{each}" for each in paragraphs)
    done = subprocess.run(["/bin/sh", "-c", script], capture_output=True, text=True, check=True)
    pieces = done.stdout.split(_MARK)[1:]
    for pasted, answer in zip(pieces[::2], pieces[1::2], strict=True):
        console.print()
        is_open = False
        for line in pasted.rstrip().splitlines():
            if line.startswith("#"):
                console.print(Text(line, style="green"))
            else:
                _prompt(console, line, "> " if is_open else "$ ")
                is_open = line.endswith("\\") or is_open != bool(line.count("'") % 2)
        if answer.strip():
            console.print(Text(answer.rstrip(), style="bold"))


def _prompt(console: Console, line: str, sign: str = "$ ") -> None:
    console.print(Text.assemble((sign, "cyan"), line), soft_wrap=True)


if __name__ == "__main__":
    main()
