"""What PostgreSQL alone does: pgbench with our scripts, over the socket, each hold one statement and one transaction."""

import os
import re
import subprocess
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

from holdfast.app.bench.figures import Sample
from holdfast.app.bench.plan import EVEN, Spread
from holdfast.app.bench.site import Site
from holdfast.app.embedded import fault

SCRIPTS = Path(__file__).parents[4] / "bench" / "baseline"
CLIENTS = (1, 4, 16, 64)
THREADS = 2
_DONE = re.compile(r"number of transactions actually processed: (\d+)")
_RATE = re.compile(r"tps = ([\d.]+) \(without initial connection time\)")


def best(
    site: Site, script: str, seconds: float, *, first: int, last: int, clients: Sequence[int] = CLIENTS, spread: Spread = EVEN
) -> Sample:
    """The best of several numbers of clients, each for ``seconds``. ``first`` to ``last`` number the pools."""
    samples = [run(site, script, seconds, number, first=first, last=last, spread=spread) for number in clients]
    found = max(samples, key=lambda sample: sample.rate)
    return Sample(
        rate=found.rate,
        errors=sum(sample.errors for sample in samples),
        note=", ".join(f"{number}: {sample.rate:,.0f}/s" for number, sample in zip(clients, samples, strict=True)),
    )


def run(
    site: Site, script: str, seconds: float, clients: int, *, first: int, last: int, transactions: int = 0, spread: Spread = EVEN
) -> Sample:
    """One run, for ``seconds`` or of so many ``transactions``. A hold that is not in the database is an error. Raises EmbeddedFault."""
    length = ["-t", str(transactions)] if transactions else ["-T", str(max(round(seconds), 1))]
    before = site.count_holds()
    command = [
        str(site.world.programs / "pgbench"), "-n", "-M", "prepared", "-f", str(SCRIPTS / f"{script}.sql"),
        "-c", str(clients), "-j", str(min(THREADS, clients)), *length,
        "-D", f"first={first}", "-D", f"last={last}", "-D", f"people={site.people}",
        "-D", f"hot={round(100 * spread.hot_share)}", "-D", f"hot_last={first + max(spread.hot_targets, 1) - 1}",
    ]  # fmt: skip
    done = subprocess.run(command, check=False, capture_output=True, text=True, env=_environment(site.settings.database_url))
    if done.returncode != 0:
        raise fault("pgbench failed", done.stderr)
    processed, rate = (pattern.search(done.stdout) for pattern in (_DONE, _RATE))
    # Where none was done in time it says no rate.
    if processed is None or (rate is None and int(processed[1])):
        raise fault("pgbench printed something else than was expected", done.stdout)
    held = site.count_holds() - before
    return Sample(rate=float(rate[1]) if rate else 0.0, errors=abs(held - int(processed[1])))


def _environment(url: str) -> dict[str, str]:
    """libpq's variables: a password on the command line could be read by everybody."""
    parts = urlsplit(url)
    return {
        "PATH": os.defpath,
        "LC_ALL": "C",
        "PGHOST": parse_qs(parts.query)["host"][0],
        "PGUSER": unquote(parts.username or ""),
        "PGPASSWORD": unquote(parts.password or ""),
        "PGDATABASE": unquote(parts.path.lstrip("/")),
    }
