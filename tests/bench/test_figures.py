"""What becomes of samples."""

import xml.etree.ElementTree as ET
from collections.abc import Mapping

import msgspec
import pytest

from holdfast.app.bench import charts, report
from holdfast.app.bench.figures import Baseline, Cpu, Measured, Round, Sample, Verdict, median, percentile
from holdfast.app.bench.load import LoadResult
from holdfast.app.bench.world import Machine

MACHINE = Machine(2, 8.0, "/tmp/x", "ext4", {"fsync": "on", "server_version": "18.6"}, 0.25)


def measured(*rounds: tuple[float, float], errors: int = 0, violations: tuple[str, ...] = ()) -> Measured:
    made = [
        Round(
            Sample(ours, errors, 1.0, 2.0, 3.0, Cpu(0.4, 0.3, 0.1)),
            {Baseline.PGBENCH: Sample(theirs, 0), Baseline.SIGN_IN: Sample(50.0, 0)},
        )
        for ours, theirs in rounds
    ]
    verdict = Verdict("rate / best pgbench", 2.0, 1.5, 3.0)
    return Measured("hold-hot", "Everybody wants <one> session.", "holds/s", Baseline.PGBENCH, made, [verdict], violations)


def test_a_percentile_is_one_of_the_values() -> None:
    ordered = [float(number) for number in range(1, 101)]
    assert [percentile(ordered, share) for share in (0.5, 0.95, 0.99, 1.0)] == [50.0, 95.0, 99.0, 100.0]
    assert percentile([7.0], 0.99) == 7.0
    assert percentile([1.0, 2.0, 3.0], 0.0) == 1.0
    with pytest.raises(ValueError, match="nothing"):
        percentile([], 0.5)


def test_one_bad_round_does_not_move_the_medians() -> None:
    found = measured((1000, 500), (10, 490), (1100, 1))
    assert (found.rate, found.baseline) == (1000, 490)
    assert found.ratio == pytest.approx(1000 / 490)
    assert median([1.0, 2.0]) == 1.5
    assert found.percentile("p99_ms") == 3.0
    assert found.cpu() == Cpu(0.4, 0.3, 0.1)
    assert found.rate_of(Baseline.SIGN_IN) == 50.0


def test_errors_and_violations_fail_but_a_missed_bar_does_not() -> None:
    assert not measured((1, 500)).has_failed
    assert measured((1, 500), errors=1).has_failed
    assert measured((1, 500), violations=("I1",)).has_failed


@pytest.mark.parametrize(
    ("value", "at_least", "met", "aim_met"), [(1.5, True, True, False), (1.4, True, False, False), (3.0, True, True, True)]
)
def test_bars_that_want_much(value: float, at_least: bool, met: bool, aim_met: bool) -> None:
    verdict = Verdict("", value, 1.5, 3.0, at_least=at_least)
    assert (verdict.is_met, verdict.is_aim_met) == (met, aim_met)


@pytest.mark.parametrize(("value", "met", "aim_met"), [(6.0, True, False), (6.1, False, False), (3.0, True, True)])
def test_bars_that_want_little(value: float, met: bool, aim_met: bool) -> None:
    verdict = Verdict("", value, 6.0, 3.0, at_least=False)
    assert (verdict.is_met, verdict.is_aim_met) == (met, aim_met)


def test_rates_between_two_moments() -> None:
    buckets = [10] * 10 + [2] * 10
    result = LoadResult(1000.0, 2.0, {201: 120}, 0, "", 1, 2, 3, 0.1, buckets)
    assert result.rate_between(1000.0, 1001.0) == pytest.approx(100)
    assert result.rate_between(1001.0, 1002.0) == pytest.approx(20)
    assert result.rate_between(1001.01, 1001.02) == pytest.approx(20)
    assert result.count(201, 409) == 120


def test_the_json_is_what_was_promised() -> None:
    whole = msgspec.json.decode(report.as_json(MACHINE, [measured((1000, 500))]), type=Mapping[str, object])
    assert isinstance(whole["scenarios"], list)
    (scenario,) = whole["scenarios"]
    assert {"name", "rate", "baseline", "ratio", "p50_ms", "p95_ms", "p99_ms", "errors", "violations", "cpu"} <= scenario.keys()
    assert (scenario["name"], scenario["rate"], scenario["baseline"], scenario["ratio"]) == ("hold-hot", 1000, 500, 2.0)
    assert scenario["baselines"] == {"pgbench": 500, "sign-in": 50}
    assert scenario["bars"][0]["is_met"] is True


@pytest.mark.parametrize("chart", [charts.rates, charts.latencies])
def test_charts_are_well_formed(chart: object) -> None:
    assert callable(chart)
    drawn = chart(MACHINE, [measured((1000, 500)), measured((1, 500))])
    root = ET.fromstring(drawn)
    assert len(root.findall("{http://www.w3.org/2000/svg}rect")) >= 4
    assert "others took 25%" in drawn
