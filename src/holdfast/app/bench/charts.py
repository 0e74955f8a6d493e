"""Charts of what was measured, as SVG that reads on light and on dark pages."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from xml.sax.saxutils import escape

from holdfast.app.bench.figures import Measured
from holdfast.app.bench.world import Machine

RATES, LATENCIES = "bench-rates.svg", "bench-latencies.svg"

_WIDTH = 760
_LEFT = 130
_RIGHT = 210
_ROW = 46
_TOP = 64
_BAR = 15
_STYLE = """
  text { font: 13px system-ui, sans-serif; fill: #24292f }
  .title { font-size: 16px; font-weight: 600 } .small { font-size: 11px; fill: #57606a }
  .ours { fill: #1a7f37 } .theirs { fill: #8c959f } .p50 { fill: #1a7f37 } .p95 { fill: #bf8700 } .p99 { fill: #cf222e }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3 } .small { fill: #9198a1 }
    .ours { fill: #3fb950 } .theirs { fill: #6e7681 } .p50 { fill: #3fb950 } .p95 { fill: #d29922 } .p99 { fill: #f85149 }
  }
"""


def draw(directory: Path, machine: Machine, measured: Sequence[Measured]) -> list[Path]:
    """Write both charts; returns where they are."""
    drawn = {RATES: rates(machine, measured), LATENCIES: latencies(machine, measured)}
    for name, text in drawn.items():
        (directory / name).write_text(text, encoding="utf-8")
    return [directory / name for name in drawn]


def rates(machine: Machine, measured: Sequence[Measured]) -> str:
    """Two bars for each scenario, ours and its baseline, each row to its own scale: what matters is the ratio."""
    rows: list[str] = []
    for number, each in enumerate(measured):
        top, longest = _TOP + number * _ROW, max(each.rate, each.baseline, 1e-9)
        rows += [
            _text(_LEFT - 10, top + 20, each.name, anchor="end"),
            _bar(top, each.rate / longest, "ours", f"{each.rate:,.0f} {each.unit}, ratio {each.ratio:.2f}"),
            _bar(top + _BAR + 2, each.baseline / longest, "theirs", f"{each.baseline:,.0f} {each.compared_with.value}"),
        ]
    return _svg("Holdfast, and what it is compared with", _caption(machine, measured), _TOP + len(measured) * _ROW, rows)


def latencies(machine: Machine, measured: Sequence[Measured]) -> str:
    """How long half, 95 % and 99 % of the answers took at most, all to one scale."""
    timed = [each for each in measured if each.percentile("p99_ms")]
    longest = max((each.percentile("p99_ms") or 0.0 for each in timed), default=1.0)
    rows: list[str] = []
    for number, each in enumerate(timed):
        top = _TOP + number * _ROW
        rows.append(_text(_LEFT - 10, top + 20, each.name, anchor="end"))
        shown = [(name, each.percentile(f"{name}_ms") or 0.0) for name in ("p50", "p95", "p99")]
        # The longest first, so that the shorter ones lie on it.
        rows += [
            f'<rect x="{_LEFT}" y="{top + 5}" width="{_width(ms / longest):.1f}" height="20" class="{name}"/>' for name, ms in shown[::-1]
        ]
        rows.append(
            _text(_LEFT + _width(shown[-1][1] / longest) + 8, top + 20, " / ".join(f"{ms:.1f}" for _, ms in shown) + " ms", "small")
        )
    return _svg("p50 / p95 / p99 of an answer", _caption(machine, measured), _TOP + len(timed) * _ROW, rows)


def _bar(top: float, share: float, kind: str, label: str) -> str:
    width = _width(share)
    rect = f'<rect x="{_LEFT}" y="{top}" width="{width:.1f}" height="{_BAR}" class="{kind}"/>'
    return rect + _text(_LEFT + width + 8, top + 12, label, "small")


def _width(share: float) -> float:
    return max(share * (_WIDTH - _LEFT - _RIGHT), 1.0)


def _text(x: float, y: float, text: str, kind: str = "", anchor: str = "start") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" class="{kind}" text-anchor="{anchor}">{escape(text)}</text>'


def _caption(machine: Machine, measured: Sequence[Measured]) -> str:
    rounds = len(measured[0].rounds) if measured else 0
    version = machine.postgres.get("server_version", "")
    busy = f", others took {machine.busy_before:.0%}" if machine.busy_before > 0.01 else ""  # noqa: PLR2004
    return f"{machine.processors} processors, {machine.file_system}, PostgreSQL {version}, durability on; medians of {rounds} rounds{busy}"


def _svg(title: str, caption: str, height: float, rows: Iterable[str]) -> str:
    body = "\n".join(rows)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height:.0f}" role="img" aria-label="{escape(title)}">\n'
        f"<style>{_STYLE}</style>\n{_text(16, 26, title, 'title')}\n{_text(16, 46, caption, 'small')}\n{body}\n</svg>\n"
    )
