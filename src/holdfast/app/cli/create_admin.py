"""``holdfast create-admin``."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from holdfast.config import Settings


def create_admin(
    phone: Annotated[str, typer.Argument(help="A mobile number, such as +201234567890.", show_default=False)],
    data: Annotated[
        Path | None, typer.Option(help="Directory of the database.  [dim]\\[default: .holdfast in the checkout][/]", show_default=False)
    ] = None,
) -> None:
    """Make an admin, and print a line that signs in as that person, once."""
    import asyncio
    import json

    with _installation(data) as (settings, base_url, is_running):
        challenge_id, code = asyncio.run(_invite(settings, phone))
    body = json.dumps({"challengeId": challenge_id, "code": code})
    print(f"{phone} is an admin. To sign in, within 5 minutes{'' if is_running else ' and with Holdfast running'}:\n")
    print(f"curl {base_url}/api/v1/auth/verify-otp -H 'Content-Type: application/json' -d '{body}'")


async def _invite(settings: "Settings", phone: str) -> tuple[str, str]:
    from holdfast.app.faults import Fault
    from holdfast.auth.challenges import Invitations
    from holdfast.auth.sign_ins import SignInsOfPeople
    from holdfast.common.errors import Invalid
    from holdfast.database import Database
    from holdfast.users import People
    from holdfast.vault import Vault

    people = People()
    people.sign_ins = SignInsOfPeople()
    database = Database(settings.database_url, connections=1, name="holdfast create-admin")
    vault = Vault(settings.vault_key.get_secret_value(), settings.vault_key_previous.get_secret_value())
    try:
        invitations = Invitations(database, people, vault, default_region=settings.default_region)
        challenge, code = await invitations.invite_admin(phone)
    except Invalid as refusal:
        raise Fault(f"{phone} is not a mobile number. Write it with its country code, such as +201234567890.") from refusal
    finally:
        await database.close()
    return str(challenge.id), code


@contextmanager
def _installation(data: Path | None) -> Iterator[tuple["Settings", str, bool]]:
    """The settings and address of the installation to work on, and whether it runs. One that does not gets its database for a moment."""
    import os

    from holdfast.app.faults import Fault
    from holdfast.app.preflight import check_database
    from holdfast.app.running import find_running
    from holdfast.app.settings import load_settings

    if data is None and (os.environ.get("DATABASE_URL") or load_settings().database_url):
        settings = load_settings()
        check_database(settings.database_url, wait_s=0)
        yield settings, settings.public_url or f"http://{settings.host}:{settings.port}", True
        return
    try:
        running = find_running(data)
    except Fault:
        running = None
    if running is not None:
        yield load_settings(**running.environment), running.base_url, True
        return
    with _database_for_a_moment(data) as settings:
        yield settings, settings.public_url or f"http://{settings.host}:{settings.port}", False


@contextmanager
def _database_for_a_moment(data: Path | None) -> Iterator["Settings"]:
    import os

    from holdfast.app.embedded import Home, PostgresServer, postgres_programs
    from holdfast.app.faults import Fault
    from holdfast.app.migration import migrate
    from holdfast.app.running import DEFAULT_DATA
    from holdfast.app.settings import load_settings

    home = Home((data or DEFAULT_DATA).absolute())
    if not (home.path / "postgres").exists():
        raise Fault(
            f"There is no Holdfast in {home.path}. Start one with `./holdfast up`, name its directory with --data, or set DATABASE_URL."
        )
    with home:
        postgres = PostgresServer(
            home.path / "postgres", home.sockets, home.secrets, programs=postgres_programs(home.account), account=home.account
        )
        postgres.start(home.path / "create-admin.out")
        try:
            migrate(postgres.owner_url)
            kept = {"HOLDFAST_VAULT_KEY": home.secrets.vault_key, "HOLDFAST_TOKEN_KEY": home.secrets.token_key}
            own = {name: value for name, value in kept.items() if not os.environ.get(name)}
            yield load_settings(DATABASE_URL=postgres.app_url, **own)
        finally:
            postgres.stop()
            (home.path / "create-admin.out").unlink(missing_ok=True)
