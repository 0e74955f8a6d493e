"""GTFS feeds (https://gtfs.org/documentation/schedule/reference/): read whole, every fault told by file and line, then put in at once."""

from holdfast.routes.gtfs.faults import Faults, FeedFaulty
from holdfast.routes.gtfs.feed import Feed, read_feed
from holdfast.routes.gtfs.importer import FeedImport, Imported
from holdfast.routes.gtfs.lines import Lines, Wanted, WantedUnknown, choose_lines
from holdfast.routes.gtfs.source import FeedUnreadable, open_source

__all__ = [
    "Faults",
    "Feed",
    "FeedFaulty",
    "FeedImport",
    "FeedUnreadable",
    "Imported",
    "Lines",
    "Wanted",
    "WantedUnknown",
    "choose_lines",
    "open_source",
    "read_feed",
]
