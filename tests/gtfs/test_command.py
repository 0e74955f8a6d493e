"""``holdfast import-gtfs`` as people run it."""

import sys
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest
from tests.gtfs.town import TOWN, town, written, zipped

from holdfast.app.cli import main

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], database_url: str) -> Run:
    """Runs the command; answers its exit code, output and errors."""
    monkeypatch.setenv("DATABASE_URL", database_url)

    def run_it(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["holdfast", "import-gtfs", *map(str, arguments)])
        code = 0
        try:
            main()
        except SystemExit as end:
            code = int(end.code or 0)
        said = capsys.readouterr()
        return code, said.out, said.err

    return run_it


def _count(database_url: str, table: str) -> int:
    with psycopg.connect(database_url) as connection:
        found = connection.execute(f"SELECT count(*) FROM {table}".encode()).fetchone()
    assert found is not None
    return int(found[0])


def test_it_says_what_it_did_and_that_nothing_is_left_to_do(run: Run, database_url: str, tmp_path: Path) -> None:
    path = zipped(tmp_path / "feed.zip", TOWN)
    assert run(path, "--default-fare", "5.00", "--seats", "BIG=14") == (
        0,
        "Feed town-of-tests: 4 routes, 4 stations.\nRoutes: 4 created, 0 changed.\nStations: 4 created, 0 changed.\n",
        "",
    )
    code, out, _ = run(path, "--default-fare", "5.00", "--seats", "BIG=14")
    assert (code, "Routes: 0 created, 0 changed." in out, "Stations: 0 created, 0 changed." in out) == (0, True, True)
    assert _count(database_url, "routes WHERE usual_seats = 14") == 3


def test_it_takes_what_is_asked_for(run: Run, database_url: str, tmp_path: Path) -> None:
    code, out, _ = run(written(tmp_path, TOWN), "--agency", "BIG", "--route-type", "3", "--name", "big")
    assert (code, out.splitlines()[0]) == (0, "Feed big: 2 routes, 3 stations.")
    assert _count(database_url, "routes") == 2


def test_faults_are_told_and_nothing_is_changed(run: Run, database_url: str, tmp_path: Path) -> None:
    stops = TOWN["stops.txt"] + "".join(f"S{number},x,north,31,\n" for number in range(60))
    code, out, err = run(written(tmp_path, town(stops=stops)), "--default-fare", "5")
    lines = err.splitlines()
    assert (code, out) == (1, "")
    assert lines[0] == f"holdfast: {tmp_path} has 60 faults, so nothing was changed:"
    assert lines[1] == '  stops.txt:6: stop_lat "north" is no number'
    assert (len(lines), lines[-1]) == (52, "  ... and 10 more")
    assert _count(database_url, "stations") == 0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "Routes R2 have no fare in the feed"),
        (("--default-fare", "free"), "free is no number"),
        (("--default-fare", "5.001"), "at most 2 digits"),
        (("--default-fare", "-1"), "a fare lies between 0 and 1000000.00 EGP"),
        (("--default-fare", "5", "--currency", "pounds"), "three capital letters"),
        (("--seats", "BIG"), "such as --seats P_O_14=14"),
        (("--seats", "BIG=99"), "1 to 60 seats"),
        (("--agency", "NONE"), "The feed has no agency NONE"),
    ],
)
def test_plain_words_for_what_cannot_be_done(run: Run, tmp_path: Path, arguments: tuple[str, ...], said: str) -> None:
    code, out, err = run(written(tmp_path, TOWN), *arguments)
    assert (code, out) == (1, "")
    assert said in err
    assert "Traceback" not in err


def test_plain_words_for_no_feed(run: Run, tmp_path: Path) -> None:
    code, _, err = run(tmp_path / "nowhere")
    assert (code, err) == (1, f"holdfast: There is nothing at {tmp_path / 'nowhere'}.\n")
