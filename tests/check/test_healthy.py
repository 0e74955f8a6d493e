from tests.audit.log import sealed_log
from tests.check.town import CONSUMER, build_town

from holdfast.app.check import examine
from holdfast.database import Database


async def test_nothing_is_wrong_with_an_empty_database(database_url: str) -> None:
    assert (await examine(database_url, test_clock=True)).broken == []


async def test_nothing_is_wrong_with_a_town_in_good_order(database: Database, database_url: str, owner_url: str) -> None:
    build_town(owner_url)
    await sealed_log(database, 6)
    found = await examine(database_url, consumers=[CONSUMER], test_clock=True)
    assert {finding.name: finding.rows for finding in found.findings if not finding.holds} == {}
