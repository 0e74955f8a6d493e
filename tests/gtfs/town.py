"""A little feed that is right in every respect, to be spoilt by tests."""

import zipfile
from collections.abc import Mapping
from pathlib import Path

from holdfast.common.money import egp
from holdfast.routes.gtfs import FeedFaulty, Lines, Wanted, choose_lines, open_source, read_feed

TOWN: dict[str, str] = {
    "agency.txt": "agency_id,agency_name,agency_url,agency_timezone\nBIG,Big Buses,https://example.org,Africa/Cairo\nSMALL,Small,,Africa/Cairo\n",
    "stops.txt": (
        "stop_id,stop_name,stop_lat,stop_lon,zone_id\n"
        "A,Ramses,30.06,31.24,Z1\nB,Abbaseya,30.07,31.28,Z1\nC,Nasr City,30.05,31.33,Z2\nD,Giza,30.01,31.20,Z3\n"
    ),
    "routes.txt": (
        "route_id,agency_id,route_short_name,route_long_name,route_type\n"
        "R1,BIG,1,Ramses - Nasr City,3\nR2,SMALL,2,Giza - Ramses,3\nM,BIG,M,Metro,1\n"
    ),
    "trips.txt": "route_id,service_id,trip_id,direction_id\nR1,d,R1-out,0\nR1,d,R1-back,1\nR2,d,R2-out,0\nM,d,M-out,0\n",
    "stop_times.txt": (
        "trip_id,arrival_time,departure_time,stop_id,stop_sequence\n"
        "R1-out,06:00:00,06:00:00,A,1\nR1-out,06:10:00,06:10:00,B,5\nR1-out,06:20:00,06:20:00,C,9\n"
        "R1-back,25:00:00,25:00:00,C,1\nR1-back,25:20:00,25:20:00,A,2\n"
        "R2-out,06:00:00,06:00:00,D,1\nR2-out,06:20:00,06:20:00,A,2\n"
        "M-out,06:00:00,06:00:00,A,1\nM-out,06:20:00,06:20:00,D,2\n"
    ),
    "frequencies.txt": "trip_id,start_time,end_time,headway_secs\nR1-out,06:00:00,26:30:00,300\n",
    "fare_attributes.txt": "fare_id,price,currency_type,payment_method,transfers\nlong,7.5,EGP,0,0\nshort,3,EGP,0,0\n",
    "fare_rules.txt": "fare_id,route_id,origin_id,destination_id\nlong,R1,,\nshort,M,Z1,Z3\n",
    "feed_info.txt": "feed_publisher_name,feed_publisher_url,feed_lang\nTown of Tests,https://example.org,en\n",
}
FIVE = Wanted(default_fare=egp(5))


def town(**files: str | None) -> dict[str, str]:
    """The feed with some of its files replaced, or left out (None): ``stops="..."``."""
    wanted = dict(TOWN)
    for name, text in files.items():
        if text is None:
            wanted.pop(f"{name}.txt", None)
        else:
            wanted[f"{name}.txt"] = text
    return wanted


def written(folder: Path, files: Mapping[str, str | bytes]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    return folder


def zipped(path: Path, files: Mapping[str, str | bytes], inside: str = "") -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(f"{inside}{name}", content)
    return path


def lines_of(path: Path, wanted: Wanted = FIVE, name: str | None = None) -> Lines:
    with open_source(path) as source:
        return choose_lines(read_feed(source, lambda _: None, name=name), wanted)


def faults_of(path: Path) -> list[str]:
    """What is wrong with a feed; an empty list where nothing is."""
    try:
        lines_of(path)
    except FeedFaulty as error:
        return [str(fault) for fault in error.faults]
    return []
