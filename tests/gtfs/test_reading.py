"""Feeds that are right, in all the shapes in which they come."""

import zipfile
from pathlib import Path

import pytest
from tests.gtfs.town import FIVE, TOWN, faults_of, lines_of, town, written, zipped

from holdfast.common.money import Amount, egp
from holdfast.routes.gtfs import FeedUnreadable, Lines, Wanted, WantedUnknown, open_source
from holdfast.routes.gtfs import source as source_module


def _ways(lines: Lines) -> dict[str, list[str]]:
    return {
        route.feed_code.removeprefix(f"{lines.feed_name}:"): [code.rpartition(":")[2] for code in route.station_codes]
        for route in lines.routes
    }


def test_one_line_for_each_route_and_direction(tmp_path: Path) -> None:
    lines = lines_of(written(tmp_path, TOWN))
    assert lines.feed_name == "town-of-tests"
    assert _ways(lines) == {"M:0": ["A", "D"], "R1:0": ["A", "B", "C"], "R1:1": ["C", "A"], "R2:0": ["D", "A"]}
    by_code = {route.feed_code: route for route in lines.routes}
    out, back = by_code["town-of-tests:R1:0"], by_code["town-of-tests:R1:1"]
    assert (out.name_en, out.name_ar, out.code, out.fare, out.is_own_fare) == ("Ramses – Nasr City", None, "1", egp(7, 50), True)
    assert back.name_en == "Nasr City – Ramses"
    assert [(route.fare, route.is_own_fare) for route in lines.routes if ":R2:" in route.feed_code] == [(egp(5), False)]
    assert by_code["town-of-tests:M:0"].fare == egp(3)
    assert {(station.name_en, station.zone) for station in lines.stations} == {
        (name, "Africa/Cairo") for name in ("Ramses", "Abbaseya", "Nasr City", "Giza")
    }


def test_choosing_by_agency_and_type(tmp_path: Path) -> None:
    path = written(tmp_path, TOWN)
    assert set(_ways(lines_of(path, Wanted(agencies=["SMALL"], default_fare=egp(5))))) == {"R2:0"}
    assert set(_ways(lines_of(path, Wanted(route_types=[1])))) == {"M:0"}
    buses = lines_of(path, Wanted(agencies=["BIG"], route_types=[3], seats={"BIG": 14}))
    assert {route.usual_seats for route in buses.routes} == {14}
    assert len(buses.stations) == 3
    for wanted, said in (
        (Wanted(agencies=["NONE"]), "no agency NONE. It has: BIG, SMALL"),
        (Wanted(route_types=[7]), "no route type 7. It has: 1, 3"),
        (Wanted(seats={"NONE": 8}), "no agency NONE"),
        (Wanted(), "Routes R2 have no fare in the feed"),
        (Wanted(agencies=["SMALL"], route_types=[1]), "No route of the feed can be taken"),
    ):
        with pytest.raises(WantedUnknown, match=said):
            lines_of(path, wanted)


def test_what_untidy_feeds_look_like(tmp_path: Path) -> None:
    plain = _ways(lines_of(written(tmp_path / "plain", TOWN)))
    crlf = {name: "\ufeff" + text.replace("\n", "\r\n") for name, text in TOWN.items()}
    assert _ways(lines_of(written(tmp_path / "crlf", crlf))) == plain
    spaced = {name: text.replace(",", " , ").replace("\n", "\n\n") for name, text in TOWN.items()}
    assert _ways(lines_of(written(tmp_path / "spaced", spaced))) == plain
    shuffled = town(stop_times="\n".join([*TOWN["stop_times.txt"].split("\n")[:1], *reversed(TOWN["stop_times.txt"].split("\n")[1:])]))
    assert _ways(lines_of(written(tmp_path / "shuffled", shuffled))) == plain
    quoted = town(stops=TOWN["stops.txt"].replace("Ramses", '"Ramses, ""the"" square\nof stations"'))
    assert lines_of(written(tmp_path / "quoted", quoted)).stations[0].name_en == 'Ramses, "the" square\nof stations'


def test_a_zip_archive_is_read_like_a_folder(tmp_path: Path) -> None:
    plain = lines_of(written(tmp_path / "plain", TOWN))
    assert lines_of(zipped(tmp_path / "flat.zip", TOWN)) == plain
    assert lines_of(zipped(tmp_path / "nested.zip", TOWN, inside="feed/2026/")) == plain
    with zipfile.ZipFile(tmp_path / "nested.zip", "a") as archive:
        archive.writestr("__MACOSX/stops.txt", b"\0\1")
    assert lines_of(tmp_path / "nested.zip") == plain


def test_archives_that_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refusal(path: Path) -> str:
        with pytest.raises(FeedUnreadable) as refused, open_source(path):
            pass
        return str(refused.value)

    for evil in ("../stops.txt", "/etc/stops.txt", "a/../../stops.txt", "..\\stops.txt", "C:\\stops.txt"):
        assert "elsewhere" in refusal(zipped(tmp_path / "evil.zip", {evil: "x"})), evil
    assert "zip bomb" in refusal(zipped(tmp_path / "bomb.zip", {**TOWN, "stop_times.txt": b"0" * (20 << 20)}))
    assert "1001 files" in refusal(zipped(tmp_path / "many.zip", {f"{number}.txt": "" for number in range(1001)}))
    two = TOWN | {f"other/{name}": text for name, text in TOWN.items()}
    assert "more than one feed" in refusal(zipped(tmp_path / "two.zip", two))
    assert "neither a folder nor a zip" in refusal(written(tmp_path, {"feed.rar": "no archive"}) / "feed.rar")
    assert "nothing at" in refusal(tmp_path / "nowhere")
    monkeypatch.setattr(source_module, "BYTES_MAX", 100)
    assert "at most 100 are read" in refusal(zipped(tmp_path / "large.zip", TOWN))


def test_damaged_archives_are_faults(tmp_path: Path) -> None:
    path = zipped(tmp_path / "feed.zip", TOWN)
    content = bytearray(path.read_bytes())
    place = content.index(b"stops.txt") + 40
    content[place] ^= 0xFF
    path.write_bytes(content)
    assert any(fault.startswith("stops.txt") and "cannot be read any further" in fault for fault in faults_of(path))


def test_the_way_gone_most_often_is_the_route(tmp_path: Path) -> None:
    trips = "route_id,service_id,trip_id,direction_id\nR1,d,short,0\nR1,d,long,0\nR1,d,longer,0\n"
    ways = {"short": "AC", "long": "ABC", "longer": "ABCD"}
    rows = [f"{trip},{stop},{place}" for trip, stops in ways.items() for place, stop in enumerate(stops)]
    times = "\n".join(["trip_id,stop_id,stop_sequence", *rows, ""])
    head = "trip_id,start_time,end_time,headway_secs\n"

    def way(name: str, frequencies: str | None) -> list[str]:
        files = town(
            trips=trips,
            stop_times=times,
            frequencies=frequencies,
            routes="route_id,agency_id,route_short_name,route_type\nR1,BIG,1,3\n",
            fare_attributes=None,
            fare_rules=None,
        )
        return _ways(lines_of(written(tmp_path / name, files)))["R1:0"]

    assert way("longest", None) == ["A", "B", "C", "D"]
    assert way("frequent", head + "short,06:00:00,07:00:00,60\nlong,06:00:00,07:00:00,600\n") == ["A", "C"]
    assert way("night", head + "long,22:00:00,26:00:00,600\nshort,06:00:00,07:00:00,600\n") == ["A", "B", "C"]


def test_platforms_count_as_their_station_and_loops_once(tmp_path: Path) -> None:
    stops = (
        "stop_id,stop_name,stop_lat,stop_lon,location_type,parent_station\n"
        "S,Ramses Station,30.06,31.24,1,\nA,Platform 1,30.06,31.24,0,S\nA2,Platform 2,30.06,31.24,,S\n"
        "B,Abbaseya,30.07,31.28,,\nC,Nasr City,30.05,31.33,,\nD,Giza,30.01,31.20,,\nN,,,,3,S\n"
    )
    times = TOWN["stop_times.txt"] + "R2-out,06:30:00,06:30:00,B,3\nR2-out,06:40:00,06:40:00,A2,4\n"
    lines = lines_of(written(tmp_path, town(stops=stops, stop_times=times, fare_rules="fare_id,route_id\nlong,R1\nshort,M\n")))
    assert _ways(lines)["R2:0"] == ["D", "S", "B"]
    assert _ways(lines)["R1:0"] == ["S", "B", "C"]
    assert {station.name_en for station in lines.stations} == {"Ramses Station", "Abbaseya", "Nasr City", "Giza"}


def test_names_in_two_languages(tmp_path: Path) -> None:
    head = "table_name,field_name,language,translation,record_id,record_sub_id,field_value\n"
    words = head + (
        "stops,stop_name,ar,رمسيس,A,,\nstops,stop_name,ar-EG,مدينة نصر,,,Nasr City\nstops,stop_name,fr,Ramsès,A,,\n"
        "stops,stop_name,en,Al Giza,D,,\nstops,stop_name,ar,الجيزة,D,,\nfeed_info,feed_publisher_name,ar,الناشر,,,\n"
    )
    stops = TOWN["stops.txt"].replace("Abbaseya", "العباسية")
    lines = lines_of(written(tmp_path, town(translations=words, stops=stops)))
    names = {station.feed_code.rpartition(":")[2]: (station.name_ar, station.name_en) for station in lines.stations}
    assert names == {"A": ("رمسيس", "Ramses"), "B": ("العباسية", None), "C": ("مدينة نصر", "Nasr City"), "D": ("الجيزة", "Al Giza")}
    routes = {route.feed_code.partition(":")[2]: (route.name_ar, route.name_en) for route in lines.routes}
    assert routes["R1:0"] == ("رمسيس – مدينة نصر", "Ramses – Nasr City")


def test_a_name_that_is_in_one_language_at_each_end(tmp_path: Path) -> None:
    stops = TOWN["stops.txt"].replace("Giza", "الجيزة")
    lines = lines_of(written(tmp_path, town(stops=stops)))
    assert [(route.name_ar, route.name_en) for route in lines.routes if ":R2:" in route.feed_code] == [(None, "الجيزة – Ramses")]


def test_fares_of_the_second_kind(tmp_path: Path) -> None:
    files = town(
        fare_attributes=None,
        fare_rules=None,
        fare_products=(
            "fare_product_id,fare_product_name,amount,currency,rider_category_id\n"
            "bus,,6.00,EGP,\nbus,,6.50,EGP,\nbus,,1.00,EGP,child\nfar,,9,EGP,\n"
        ),
        fare_leg_rules="network_id,from_area_id,to_area_id,fare_product_id\nbuses,,,bus\n,east,west,far\n",
        route_networks="network_id,route_id\nbuses,R1\n",
        stop_areas="area_id,stop_id\neast,A\nwest,D\n",
    )
    fares = {route.feed_code.partition(":")[2]: (route.fare, route.is_own_fare) for route in lines_of(written(tmp_path, files)).routes}
    assert fares == {"R1:0": (egp(6), True), "R1:1": (egp(6), True), "M:0": (egp(9), True), "R2:0": (egp(5), False)}


def test_fares_in_currencies_with_other_digits(tmp_path: Path) -> None:
    files = town(fare_attributes="fare_id,price,currency_type\nlong,150,JPY\nshort,0.255,KWD\n")
    fares = {route.feed_code.partition(":")[2]: route.fare for route in lines_of(written(tmp_path, files)).routes}
    assert (fares["R1:0"], fares["M:0"]) == (Amount("JPY", 150), Amount("KWD", 255))


def test_what_cannot_be_taken_is_left_out_and_told(tmp_path: Path) -> None:
    files = town(
        routes=TOWN["routes.txt"] + "R9,BIG,9,Nowhere,3\n",
        trips=TOWN["trips.txt"] + "R2,d,R2-back,1\n",
        stop_times=TOWN["stop_times.txt"] + "R2-back,,,A,1\n",
    )
    lines = lines_of(written(tmp_path, files), FIVE)
    assert lines.notes == ("route R9 has no trips: left out", "route R2, direction 1 calls at 1 stations: left out")
    assert "R2:1" not in _ways(lines)


def test_a_feed_can_be_named(tmp_path: Path) -> None:
    files = town(feed_info=None)
    assert lines_of(written(tmp_path, files)).feed_name == "big-buses"
    assert lines_of(tmp_path, name="Our Town!").feed_name == "our-town"
