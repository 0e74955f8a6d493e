"""``holdfast create-admin`` on an installation that does not run."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from tests.auth.front_door import SECRET, FrontDoor

from holdfast.app.embedded import Home, PostgresServer, postgres_programs
from holdfast.app.migration import migrate
from holdfast.auth import ChallengeId
from holdfast.auth.errors import CodeExpired, RefreshRefused
from holdfast.common.actor import Role
from holdfast.common.language import Language
from holdfast.database import Database
from holdfast.vault import Vault

PHONE = "+201099999999"
CURL = re.compile(r"^curl (?P<url>\S+) -H 'Content-Type: application/json' -d '(?P<body>.*)'$", re.MULTILINE)


def _create_admin(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("HOLDFAST_", "DATABASE_", "REDIS_"))}
    return subprocess.run(
        [sys.executable, "-m", "holdfast", "create-admin", *arguments],
        check=False,
        capture_output=True,
        text=True,
        env=inherited | environment | {"PYTHONPATH": "src", "PYTHONWARNINGS": "error"},
    )


def _challenge(printed: str) -> tuple[str, ChallengeId, str]:
    curl = CURL.search(printed)
    assert curl is not None, printed
    body = json.loads(curl["body"])
    return curl["url"], ChallengeId.parse(body["challengeId"]), body["code"]


async def test_on_a_running_database_it_makes_an_admin_who_signs_in_once(database: Database, database_url: str) -> None:
    done = _create_admin(PHONE, DATABASE_URL=database_url, HOLDFAST_VAULT_KEY=SECRET, HOLDFAST_PORT="8123")
    assert done.returncode == 0, done.stderr
    url, challenge, code = _challenge(done.stdout)
    assert url == "http://127.0.0.1:8123/api/v1/auth/verify-otp"
    door = FrontDoor(database)
    credentials = await door.service.verify_code(challenge, code, None, Language.EN)
    assert (credentials.user.role, credentials.user.phone) == (Role.ADMIN, PHONE)
    assert (await door.who(credentials.access_token)).is_admin
    with pytest.raises(CodeExpired):
        await door.service.verify_code(challenge, code, None, Language.EN)


async def test_somebody_who_becomes_an_admin_signs_in_anew(database: Database, database_url: str) -> None:
    door = FrontDoor(database)
    before = await door.sign_in("+201000012345")
    done = _create_admin("01000012345", DATABASE_URL=database_url, HOLDFAST_VAULT_KEY=SECRET)
    assert done.returncode == 0, done.stderr
    await door.service._revocations.catch_up()
    with pytest.raises(RefreshRefused):
        await door.service.refresh(before.refresh_token)


@pytest.mark.parametrize("phone", ["nobody", "+20223456789"])
def test_what_is_no_phone_is_said_plainly(database_url: str, phone: str) -> None:
    done = _create_admin(phone, DATABASE_URL=database_url)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"holdfast: {phone} is not a mobile number. Write it with its country code, such as +201234567890.\n"


def test_where_nothing_is_it_says_so(tmp_path: Path) -> None:
    done = _create_admin(PHONE, "--data", str(tmp_path / "nothing"))
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("holdfast: There is no Holdfast in")
    assert not (tmp_path / "nothing").exists()


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A directory that the account of the servers can reach."""
    tmp_path.chmod(0o755)
    return tmp_path / "data"


async def test_on_one_that_does_not_run_it_starts_the_database_for_a_moment(data: Path) -> None:
    with Home(data) as home:
        where, secrets = home.path, home.secrets
        postgres = PostgresServer(where / "postgres", home.sockets, secrets, programs=postgres_programs(home.account), account=home.account)
        postgres.start(where / "postgres.out")
        try:
            migrate(postgres.owner_url)
        finally:
            postgres.stop()
        taken = _create_admin(PHONE, "--data", str(data))
        assert taken.returncode == 1
        assert "uses the data directory" in taken.stderr
    done = _create_admin(PHONE, "--data", str(data))
    assert done.returncode == 0, done.stderr
    _, challenge, code = _challenge(done.stdout)
    assert "with Holdfast running" in done.stdout
    with Home(data) as home:
        postgres = PostgresServer(where / "postgres", home.sockets, secrets, programs=postgres_programs(home.account), account=home.account)
        postgres.start(where / "postgres.out")
        try:
            database = Database(postgres.app_url, connections=2)
            door = FrontDoor(database, vault=Vault(secrets.vault_key))
            assert (await door.service.verify_code(challenge, code, None, Language.EN)).user.role is Role.ADMIN
            await database.close()
        finally:
            postgres.stop()
