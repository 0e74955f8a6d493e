"""The routes and stations of the demonstration, from a feed of our own."""

from pathlib import Path

from holdfast.common.actor import SYSTEM
from holdfast.database import Database
from holdfast.routes.gtfs import FeedImport, Imported, Wanted, choose_lines, open_source, read_feed
from holdfast.stations import StationRegistry

FEED = Path(__file__).with_name("feed")
SEATS = {"MB14": 14, "MB8": 8}


async def put_city(database: Database) -> Imported:
    """Put the demonstration's routes and stations in. A second time changes nothing."""
    with open_source(FEED) as source:
        lines = choose_lines(read_feed(source, lambda _: None), Wanted(seats=SEATS))
    return await FeedImport(database, StationRegistry()).put(SYSTEM, lines)
