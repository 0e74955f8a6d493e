"""The ledger as an admin sees it, and as nobody else does."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime

import httpx
import pytest
from tests.ledger.books import SANDBOX, ZONE, posted, transfer
from tests.payments.till import FewRoutes, signed_in, somebody
from tests.servers import serving

from holdfast.app.http import create_app
from holdfast.common.actor import Role, UserId
from holdfast.common.money import egp
from holdfast.config import Settings
from holdfast.database import Database
from holdfast.ledger import Account
from holdfast.ledger.module import build

DRIVER = UserId.new()
DAYS = "from=2026-05-01&to=2026-05-02"


@pytest.fixture
async def client(database: Database) -> AsyncIterator[httpx.AsyncClient]:
    await posted(database, [transfer(SANDBOX, Account.payee(DRIVER), egp(30), datetime(2026, 5, 1, 12, tzinfo=UTC))])
    program = FewRoutes(Settings(_env_file=None), [build(database, zone=ZONE).router])  # type: ignore[call-arg]
    async with serving(create_app(program)) as url, httpx.AsyncClient(base_url=f"{url}/api/v1/admin/ledger", trust_env=False) as client:
        yield client


async def test_an_admin_reads_the_books(client: httpx.AsyncClient) -> None:
    admin = signed_in(somebody(Role.ADMIN))
    trial = await client.get("/trial-balance", headers=admin)
    assert trial.status_code == 200, trial.text
    assert trial.json()["isBalanced"] is True
    assert b'"balance":-30.00' in trial.content
    before = await client.get("/trial-balance?at=2026-05-01T12:00:00Z", headers=admin)
    assert {row["balance"] for row in before.json()["rows"]} <= {0.0}

    (account,) = (await client.get(f"/accounts?kind=PAYEE&owner={DRIVER}", headers=admin)).json()["data"]
    assert (account["owner"], account["currency"], account["balance"]) == (str(DRIVER), "EGP", 30.0)
    (entry,) = (await client.get(f"/accounts/{account['id']}/entries", headers=admin)).json()["data"]
    assert (entry["purpose"], entry["amount"]) == ("CAPTURE", 30.0)

    statement = (await client.get(f"/accounts/{account['id']}/statement?{DAYS}", headers=admin)).json()
    assert (statement["opening"], statement["closing"], len(statement["lines"])) == (0.0, 30.0, 1)
    table = await client.get(f"/accounts/{account['id']}/statement.csv?{DAYS}", headers=admin)
    assert table.headers["content-type"].startswith("text/csv")
    assert table.headers["content-disposition"].endswith('_2026-05-01_2026-05-02.csv"')
    assert "CAPTURE" in table.text
    paper = await client.get(f"/accounts/{account['id']}/statement.pdf?{DAYS}", headers={**admin, "Accept-Language": "ar"})
    assert paper.headers["content-type"] == "application/pdf"
    assert paper.content.startswith(b"%PDF-")


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/accounts?kind=gold", 422, "invalid"),
        ("/accounts?owner=usr_nobody", 422, "invalid"),
        ("/trial-balance?at=2026-05-01T12:00:00", 422, "invalid"),
        ("/trial-balance?at=1999-05-01T12:00:00Z", 422, "invalid"),
        ("/accounts/acc_01h455vb4pex5vsknk084sn02q/entries", 404, "account_unknown"),
        ("/accounts/acc_01h455vb4pex5vsknk084sn02q/statement?from=2026-05-02&to=2026-05-01", 422, "invalid"),
        ("/accounts/acc_01h455vb4pex5vsknk084sn02q/statement.csv", 404, "account_unknown"),
        ("/accounts/acc_01h455vb4pex5vsknk084sn02q/statement.pdf", 404, "account_unknown"),
    ],
)
async def test_what_cannot_be_answered_is_refused(client: httpx.AsyncClient, path: str, status: int, code: str) -> None:
    refused = await client.get(path, headers=signed_in(somebody(Role.ADMIN)))
    assert (refused.status_code, refused.json()["code"]) == (status, code)


@pytest.mark.parametrize("role", [role for role in Role if role not in (Role.ADMIN, Role.SYSTEM)])
@pytest.mark.parametrize(
    "path",
    ["/trial-balance", "/accounts", *(f"/accounts/acc_x/{each}" for each in ("entries", "statement", "statement.csv", "statement.pdf"))],
)
async def test_nobody_else_does(client: httpx.AsyncClient, role: Role, path: str) -> None:
    assert (await client.get(path, headers=signed_in(somebody(role)))).status_code == 403
