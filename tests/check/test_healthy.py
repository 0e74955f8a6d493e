from tests.check.town import CONSUMER, build_town

from holdfast.app.check import examine


async def test_nothing_is_wrong_with_an_empty_database(database_url: str) -> None:
    assert (await examine(database_url, test_clock=True)).broken == []


async def test_nothing_is_wrong_with_a_town_in_good_order(database_url: str, owner_url: str) -> None:
    build_town(owner_url)
    found = await examine(database_url, consumers=[CONSUMER], test_clock=True)
    assert {finding.name: finding.rows for finding in found.findings if not finding.holds} == {}
