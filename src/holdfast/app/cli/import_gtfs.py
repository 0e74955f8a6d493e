"""``holdfast import-gtfs``."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from holdfast.routes.gtfs import FeedFaulty, Imported, Lines, Wanted

FAULTS_SHOWN = 50


def import_gtfs(
    feed: Annotated[Path, typer.Argument(help="A folder or a zip archive of GTFS files.", metavar="DIR|ZIP", show_default=False)],
    agency: Annotated[
        list[str] | None, typer.Option(help="Only routes of this agency_id. Again for more.", metavar="ID", show_default=False)
    ] = None,
    route_type: Annotated[
        list[int] | None, typer.Option(help="Only routes of this route_type (3 is a bus). Again for more.", min=0, show_default=False)
    ] = None,
    default_fare: Annotated[
        str | None,
        typer.Option(help="Of one seat, on routes without a fare in the feed, such as 5.00.", metavar="AMOUNT", show_default=False),
    ] = None,
    currency: Annotated[str, typer.Option(help="Of the default fare.", metavar="CODE")] = "EGP",
    seats: Annotated[
        list[str] | None,
        typer.Option(help="How many seats the vehicles of an agency usually have. Again for more.", metavar="ID=N", show_default=False),
    ] = None,
    name: Annotated[
        str | None,
        typer.Option(
            help="Tells this feed from others; keep it from import to import.  [dim]\\[default: its publisher's][/]", show_default=False
        ),
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option(help="Directory of the running installation.  [dim]\\[default: .holdfast in the checkout][/]", show_default=False),
    ] = None,
) -> None:
    """Put the routes and stations of a GTFS feed in. All of it or nothing; a second time changes only what the feed tells otherwise."""
    import asyncio

    from holdfast.app.faults import Fault
    from holdfast.app.preflight import check_database
    from holdfast.app.settings import settings_of
    from holdfast.routes.gtfs import FeedFaulty, FeedUnreadable, WantedUnknown

    wanted = _wanted(agency or (), route_type or (), default_fare, currency, seats or ())
    settings = settings_of(data)
    check_database(settings.database_url, wait_s=0)
    try:
        lines = _read(feed, wanted, name)
    except FeedFaulty as error:
        raise Fault(_told(feed, error)) from None
    except (FeedUnreadable, WantedUnknown) as error:
        raise Fault(str(error)) from None
    _report(lines, asyncio.run(_put(settings.database_url, lines)))


def _wanted(agencies: Sequence[str], route_types: Sequence[int], default_fare: str | None, currency: str, seats: Sequence[str]) -> "Wanted":
    from holdfast.app.faults import Fault
    from holdfast.common.money import Amount, minor_units
    from holdfast.routes.gtfs import Wanted
    from holdfast.routes.models import BASE_FARE_MAX, SEATS_MAX

    by_agency = {}
    for given in seats:
        agency_id, _, number = given.rpartition("=")
        if not agency_id or not number.isdecimal() or not 1 <= int(number) <= SEATS_MAX:
            raise Fault(f"--seats {given}: write the agency_id and 1 to {SEATS_MAX} seats, such as --seats P_O_14=14.")
        by_agency[agency_id] = int(number)
    fare = None
    if default_fare is not None:
        if len(currency) != 3 or not currency.isascii() or not currency.isupper():  # noqa: PLR2004 - ISO 4217.
            raise Fault(f"--currency {currency}: write three capital letters, such as EGP.")
        try:
            fare = Amount(currency, minor_units(default_fare, currency))
        except ValueError as error:
            raise Fault(f"--default-fare {default_fare}: {error}.") from None
        if not 0 <= fare.minor <= BASE_FARE_MAX:
            raise Fault(f"--default-fare {default_fare}: a fare lies between 0 and {Amount(currency, BASE_FARE_MAX)}.")
    return Wanted(frozenset(agencies), frozenset(route_types), fare, by_agency)


def _read(path: Path, wanted: "Wanted", name: str | None) -> "Lines":
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeElapsedColumn

    from holdfast.routes.gtfs import choose_lines, open_source, read_feed
    from holdfast.routes.gtfs.feed import files_size

    columns = (TextColumn("Reading the feed"), BarColumn(), DownloadColumn(), TimeElapsedColumn())
    console = Console(stderr=True)
    shown = Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
    with open_source(path) as source, shown as progress:
        task = progress.add_task("", total=files_size(source))
        feed = read_feed(source, lambda count: progress.advance(task, count), name=name)
    return choose_lines(feed, wanted)


async def _put(url: str, lines: "Lines") -> "Imported":
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    from holdfast.common.actor import SYSTEM
    from holdfast.database import Database
    from holdfast.routes.gtfs import FeedImport
    from holdfast.stations import StationRegistry

    database = Database(url, connections=1, name="holdfast import-gtfs", patient=True)
    columns = (TextColumn("Putting it in"), BarColumn(), TimeElapsedColumn())
    console = Console(stderr=True)
    try:
        with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
            progress.add_task("", total=None)
            return await FeedImport(database, StationRegistry()).put(SYSTEM, lines)
    finally:
        await database.close()


def _report(lines: "Lines", imported: "Imported") -> None:
    for note in imported.notes:
        print(f"note: {note}")
    print(f"Feed {lines.feed_name}: {imported.routes:,} routes, {imported.stations:,} stations.")
    print(f"Routes: {imported.routes_created:,} created, {imported.routes_changed:,} changed.")
    print(f"Stations: {imported.stations_created:,} created, {imported.stations_changed:,} changed.")


def _told(path: Path, error: "FeedFaulty") -> str:
    shown = [str(fault) for fault in error.faults[:FAULTS_SHOWN]]
    more = [f"... and {error.count - len(shown):,} more"] if error.count > len(shown) else []
    count = "one fault" if error.count == 1 else f"{error.count:,} faults"
    return "\n  ".join([f"{path} has {count}, so nothing was changed:", *shown, *more])
