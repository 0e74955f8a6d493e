"""Feeds that are wrong: every fault by file and line, and never a traceback."""

import re
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.gtfs.town import TOWN, faults_of, lines_of, town, written, zipped

from holdfast.routes.gtfs import FeedFaulty, FeedUnreadable, Lines, WantedUnknown, table
from holdfast.routes.gtfs.faults import KEPT_MAX


def _spoilt(tmp_path: Path, file: str, old: str, new: str) -> list[str]:
    assert old in TOWN[f"{file}.txt"]
    return faults_of(written(tmp_path, town(**{file: TOWN[f"{file}.txt"].replace(old, new, 1)})))


@pytest.mark.parametrize(
    ("file", "old", "new", "faults"),
    [
        ("agency", "Africa/Cairo", "Africa/Atlantis", ['agency.txt:2: agency_timezone "Africa/Atlantis" is no IANA time zone']),
        ("agency", "SMALL", "BIG", ["agency.txt:3: there is another agency BIG above", "routes.txt:3: there is no agency SMALL"]),
        ("agency", "Big Buses", "", ["agency.txt:2: agency_name is empty"]),
        ("stops", "30.06", "north", ['stops.txt:2: stop_lat "north" is no number']),
        ("stops", "30.06", "1e1", ['stops.txt:2: stop_lat "1e1" is no number']),
        ("stops", "30.06", "nan", ['stops.txt:2: stop_lat "nan" is no number']),
        ("stops", "30.06", "٣٠", ['stops.txt:2: stop_lat "٣٠" is no number']),
        ("stops", "30.06", "93.1", ['stops.txt:2: stop_lat "93.1" does not lie between -90 and 90']),
        ("stops", "31.33", "", ["stops.txt:4: stop_lon is empty"]),
        ("stops", "30.06,31.24", "0,0.0", ["stops.txt:2: the stop lies at 0,0, which is in the sea"]),
        ("stops", "Abbaseya", "", ["stops.txt:3: stop_name is empty"]),
        ("stops", "Abbaseya", "x" * 201, ["stops.txt:3: stop_name is longer than 200 characters"]),
        ("stops", "Abbaseya", "Abb\x07aseya", ["stops.txt:3: the line has control characters"]),
        ("stops", "Abbaseya", "Abb,aseya", ["stops.txt:3: the row has 6 fields, the header has 5"]),
        ("stops", "Abbaseya", 'Abb"aseya"x', []),
        ("stops", "Abbaseya", '"Abb"aseya', ["stops.txt:3: the row cannot be read as CSV: ',' expected after '\"'"]),
        ("stops", "stop_lat", "latitude", ["stops.txt:1: there is no column stop_lat"]),
        ("stops", "zone_id", "stop_lon", ['stops.txt:1: there are two columns "stop_lon"']),
        ("routes", "R2,SMALL", "R1,SMALL", ["routes.txt:3: there is another route R1 above", "trips.txt:4: there is no route R2"]),
        ("routes", ",3\n", ",bus\n", ['routes.txt:2: route_type "bus" is no whole number']),
        ("routes", ",3\n", ",9999\n", ['routes.txt:2: route_type "9999" is more than 1799']),
        ("routes", "R2,SMALL", "R2,", ["routes.txt:3: agency_id is empty, and there are several agencies"]),
        ("routes", "2,Giza - Ramses", ",", ["routes.txt:3: there is neither a route_short_name nor a route_long_name"]),
        ("trips", "R1-out,0", "R1-out,2", ['trips.txt:2: direction_id "2" is more than 1']),
        ("trips", "R1-back", "R1-out", ["trips.txt:3: there is another trip R1-out above", "stop_times.txt:5: there is no trip R1-back",
                                        "stop_times.txt:6: there is no trip R1-back"]),
        ("stop_times", "A,1", "E,1", ["stop_times.txt:2: there is no stop E"]),
        ("stop_times", "B,5", "B,1", ["stop_times.txt:3: trip R1-out has another stop_sequence 1 above"]),
        ("stop_times", "B,5", "B,-5", ['stop_times.txt:3: stop_sequence "-5" is no whole number']),
        ("stop_times", "06:10:00", "6.10", ['stop_times.txt:3: arrival_time "6.10" is no time such as 25:30:00']),
        ("frequencies", "06:00:00", "27:00:00",
         ["frequencies.txt:2: end_time is not after start_time (half past one at night is 25:30:00)"]),
        ("frequencies", "300", "0", ["frequencies.txt:2: headway_secs is 0"]),
        ("frequencies", "R1-out", "R7-out", ["frequencies.txt:2: there is no trip R7-out"]),
        ("fare_attributes", "7.5", "-7.5", ['fare_attributes.txt:2: price "-7.5" is no price']),
        ("fare_attributes", "7.5", "7.505",
         ['fare_attributes.txt:2: price "7.505": An amount in EGP has at most 2 digits after the point']),
        ("fare_attributes", "7.5", "99999999", ['fare_attributes.txt:2: price "99999999" is more than any fare']),
        ("fare_attributes", "EGP", "pounds", ['fare_attributes.txt:2: currency_type "pounds" is no currency such as EGP']),
        ("fare_rules", "long,R1", "wide,R1", ["fare_rules.txt:2: there is no fare wide"]),
        ("fare_rules", "long,R1", "long,R7", ["fare_rules.txt:2: there is no route R7"]),
    ],
)  # fmt: skip
def test_each_fault_is_told_by_file_and_line(tmp_path: Path, file: str, old: str, new: str, faults: list[str]) -> None:
    found = _spoilt(tmp_path, file, old, new)
    assert found[: len(faults)] == faults
    assert bool(found) == bool(faults)


def test_all_faults_are_told_at_once(tmp_path: Path) -> None:
    stops = TOWN["stops.txt"].replace("30.06", "north").replace("31.33", "")
    trips = TOWN["trips.txt"].replace("R2,d,R2-out,0", "R8,d,R2-out,0")
    words = "table_name,field_name,language,translation\nstops,stop_name,ar,\n"
    assert faults_of(written(tmp_path, town(stops=stops, trips=trips, translations=words))) == [
        'stops.txt:2: stop_lat "north" is no number',
        "stops.txt:4: stop_lon is empty",
        "trips.txt:4: there is no route R8",
        "translations.txt:2: translation is empty",
        "translations.txt:2: neither record_id nor field_value says what is translated",
    ]


def test_missing_and_empty_files(tmp_path: Path) -> None:
    assert faults_of(written(tmp_path / "none", {})) == [
        f"{name}.txt: the file is missing" for name in ("agency", "stops", "routes", "trips", "stop_times")
    ]
    assert faults_of(written(tmp_path / "empty", town(agency="")))[0] == "agency.txt: the file is empty"
    (tmp_path / "folder").mkdir()
    written(tmp_path / "folder", town(stops=None))
    (tmp_path / "folder" / "stops.txt").mkdir()
    assert faults_of(tmp_path / "folder") == ["stops.txt: the file is missing"]


def test_text_that_is_not_utf8(tmp_path: Path) -> None:
    files = TOWN | {"stops.txt": TOWN["stops.txt"].replace("Abbaseya", "Abbaséya")}
    latin = {name: text.encode("latin-1") for name, text in files.items()}
    assert faults_of(written(tmp_path / "latin", latin)) == ["stops.txt:3: byte 8 of the line is not UTF-8"]
    utf16 = {name: text.encode("utf-16") for name, text in files.items()}
    assert faults_of(written(tmp_path / "utf16", utf16))[0].startswith("agency.txt:1: ")


def test_lines_and_quotes_without_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = _spoilt(tmp_path / "quote", "stops", "Abbaseya", '"Abbaseya')
    assert found[0] == "stops.txt:3: the row cannot be read as CSV: unexpected end of data"
    monkeypatch.setattr(table, "LINE_BYTES_MAX", 100)
    found = _spoilt(tmp_path / "line", "stops", "Abbaseya", "x" * 200)
    assert "stops.txt:3: the line is longer than 100 bytes: the rest of the file was not read" in found


def test_a_flood_of_faults_is_counted_and_not_kept(tmp_path: Path) -> None:
    stops = TOWN["stops.txt"] + "".join(f"S{number},x,north,east,\n" for number in range(3 * KEPT_MAX))
    with pytest.raises(FeedFaulty) as faulty:
        lines_of(written(tmp_path, town(stops=stops)))
    assert (faulty.value.count, len(faulty.value.faults)) == (6 * KEPT_MAX, KEPT_MAX)


_ODD = ["", '"', ",", "\n", "\r", "\x00", "-1", "nan", "1e999", "9" * 20, "25:61:00", "٣", "\ufeff", "'", ";", "\t", "\\", "A", "R1"]
_JUNK = st.one_of(st.sampled_from(_ODD), st.text(max_size=8), st.binary(max_size=8).map(lambda raw: raw.decode("latin-1")))


@st.composite
def _damaged(draw: st.DrawFn) -> dict[str, bytes]:
    """The town with some of its fields, rows or bytes replaced by something else."""
    files = {name: text.encode() for name, text in TOWN.items()}
    for _ in range(draw(st.integers(1, 4))):
        name = draw(st.sampled_from(sorted(files)))
        content = files[name]
        match draw(st.sampled_from(["field", "row", "bytes", "cut", "gone"])):
            case "field":
                fields = re.split(rb"([,\n])", content)
                fields[draw(st.integers(0, len(fields) - 1))] = draw(_JUNK).encode("utf-8", "surrogatepass")
                content = b"".join(fields)
            case "row":
                rows = content.split(b"\n")
                rows.insert(draw(st.integers(0, len(rows))), rows[draw(st.integers(0, len(rows) - 1))])
                content = b"\n".join(rows)
            case "bytes":
                place = draw(st.integers(0, len(content)))
                content = content[:place] + draw(st.binary(min_size=1, max_size=6)) + content[place + draw(st.integers(0, 6)) :]
            case "cut":
                content = content[: draw(st.integers(0, len(content)))]
            case _:
                del files[name]
                break
        files[name] = content
    return files


_FAULT = re.compile(r"[a-z_]+\.txt(:\d+)?: .+", re.DOTALL)


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(files=_damaged(), packed=st.booleans())
def test_whatever_is_damaged_there_is_a_line_and_never_a_traceback(tmp_path: Path, files: dict[str, bytes], packed: bool) -> None:
    if packed:
        path = zipped(tmp_path / "feed.zip", files)
    else:
        path = tmp_path / "feed"
        for old in path.glob("*"):
            old.unlink()
        written(path, files)
    told = _told_of(path, files)
    if isinstance(told, Lines):
        _check(told)


def _told_of(path: Path, files: Mapping[str, bytes] | None = None) -> Lines | str:
    """The lines of a feed, or why there are none."""
    try:
        return lines_of(path)
    except FeedFaulty as error:
        faults, count = error.faults, error.count
    except (FeedUnreadable, WantedUnknown) as refusal:
        said = str(refusal)
        assert said
        return said
    assert count >= 1
    for fault in faults:
        assert _FAULT.fullmatch(str(fault)), str(fault)
        assert fault.file in TOWN
        assert fault.line >= 0
        assert files is None or fault.line <= files.get(fault.file, b"").count(b"\n") + 2
    return str(faults[0])


def _check(lines: Lines) -> None:
    for station in lines.stations:
        assert -90 <= station.latitude <= 90
        assert "\x00" not in (station.name_en or "") + (station.name_ar or "") + station.feed_code
        assert station.name_en or station.name_ar
    for route in lines.routes:
        assert len(route.station_codes) == len(set(route.station_codes)) >= 2


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(place=st.integers(0, 3000), flip=st.integers(1, 255))
def test_a_damaged_archive_never_ends_in_a_traceback(tmp_path: Path, place: int, flip: int) -> None:
    path = zipped(tmp_path / "feed.zip", TOWN)
    content = bytearray(path.read_bytes())
    content[place % len(content)] ^= flip
    path.write_bytes(content)
    _told_of(path)
