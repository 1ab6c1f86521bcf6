"""The result as one page that needs nothing else: charts drawn here, as SVG, and the figures behind them.

1. Values that lie far apart are dots on a logarithmic axis, a line from the least to the most; parts of a whole are
   bars of one length.
2. All databases share an axis.

`python page.py FILE.json` draws the page of a result again, beside it.
"""

import json
import math
import statistics
import sys
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any, NamedTuple

from report import FIGURES, ratio_sentences

_WIDTH, _LEFT, _RIGHT, _ROW = 760, 170, 96, 26
_SMALLEST_SHARE = 0.02
_COLORS = {
    "sms": 0,
    "workers": 1,
    "control": 2,
    "launch": 3,
    "email": 4,
    "events": 5,
    "database": 6,
    "other": 7,
    "voice": 1,
    "beat": 7,
}
"""Of programs, in the order of the legend. The last two share theirs with what has none of them."""
_BACKLOG = (
    "All are due at once, so most of it is the backlog; naive has {naive_contacts:,} contacts, the others {contacts:,}."
)
_STYLE = """
:root { color-scheme: light dark; --paper: #fcfcfa; --ink: #22262b; --quiet: #6c737c; --line: #dfe1e4; --ours: #c2410c;
  --c0: #c2410c; --c1: #2f6f9f; --c2: #d99a2b; --c3: #4d8a57; --c4: #8466a8; --c5: #b05c7a; --c6: #5a6f86;
  --c7: #9a9fa6; }
@media (prefers-color-scheme: dark) { :root { --paper: #16191d; --ink: #e4e6e9; --quiet: #98a0aa; --line: #343a42;
  --ours: #fb8a4c; --c0: #f08850; --c1: #6aaedd; --c2: #e5b75d; --c3: #7fbb88; --c4: #b39ad2; --c5: #d98fac;
  --c6: #93a8c0; --c7: #767d86; } }
body { margin: 3rem auto; max-width: 48rem; padding: 0 1.5rem; background: var(--paper); color: var(--ink);
  font: 15px/1.55 system-ui, sans-serif; }
h1 { font-size: 1.6rem; margin: 0 0 .3rem } h2 { font-size: 1.1rem; margin: 2.6rem 0 .2rem }
p { margin: .2rem 0 } .quiet { color: var(--quiet) }
svg { display: block; width: 100%; height: auto; margin-top: .6rem; font: 13px system-ui, sans-serif }
svg text { fill: var(--ink) } svg .quiet { fill: var(--quiet); font-size: 11px } svg .group { font-weight: 600 }
svg line { stroke: var(--line) } .mark { stroke: var(--quiet); fill: var(--quiet) } .ours { stroke: var(--ours);
  fill: var(--ours) } line.mark, line.ours { stroke-width: 2 }
.wide { overflow-x: auto } table { border-collapse: collapse; margin-top: .6rem; font-variant-numeric: tabular-nums }
th, td { padding: .25rem .8rem .25rem 0; text-align: right; border-bottom: 1px solid var(--line); white-space: nowrap }
th:first-child { text-align: left; font-weight: 400 } thead th { font-weight: 600 } td small { color: var(--quiet) }
"""


class Row(NamedTuple):
    """One line of a chart of dots: the values, from the least to the most, and what is written at its end."""

    design: str
    values: Sequence[float]
    low: float
    high: float
    said: str


def page(record: Mapping[str, Any]) -> str:
    """The page of a result, as `run.py` writes it as JSON."""
    databases, setup = record["databases"], record["setup"]
    sections = (
        ("Messages a second", "Median, least and most. More is better.", _figure(databases, "messages_per_second", "")),
        (
            "CPU per message",
            "Our processes and the database server, microseconds. Less is better.",
            _figure(databases, "total_cpu_us_per_message", " us"),
        ),
        ("Where the CPU goes", "Shares of the CPU per message, by program.", _shares(databases)),
        (
            "From due to accepted",
            f"p50, p95 and p99, milliseconds. {_BACKLOG.format(**setup)}",
            _latencies(databases),
        ),
    )
    charts = "".join(f'<h2>{title}</h2><p class="quiet">{said}</p>{svg}' for title, said, svg in sections)
    tables = "".join(_table(name, verdict) for name, verdict in databases.items())
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f"<title>Benchmark: {escape(setup['job'])}</title><style>{_STYLE}</style>"
        f"<h1>Benchmark: {escape(setup['job'])}</h1>{_about(record)}{charts}{tables}</html>"
    )


def _about(record: Mapping[str, Any]) -> str:
    machine, setup = record["machine"], record["setup"]
    versions = {"python": machine["python"], **machine["versions"]}
    for verdict in record["databases"].values():
        for rounds in verdict["runs"].values():
            versions |= rounds[0]["servers"]
    runs = "1 run" if setup["runs"] == 1 else f"{setup['runs']} runs"
    lines = (
        f"{machine['at']} · {machine['cores']} cores, {machine['processor']} · {machine['system']}",
        f"{setup['contacts']:,} contacts, {runs}, {setup['workers'] or 'default'} workers",
        f"the provider takes {1000 * setup['latency_seconds']:g} ms",
        ", ".join(f"{name} {number}" for name, number in versions.items()),
    )
    return "".join(f'<p class="quiet">{escape(line)}</p>' for line in lines)


# Dots on an axis


def _figure(databases: Mapping[str, Any], figure: str, unit: str) -> str:
    groups = {}
    for database, verdict in databases.items():
        spreads = {design: figures[figure] for design, figures in verdict["summary"].items()}
        groups[database] = [
            Row(design, (one["median"],), one["min"], one["max"], f"{_short(one['median'])}{unit}")
            for design, one in spreads.items()
        ]
    return _dots(groups)


def _latencies(databases: Mapping[str, Any]) -> str:
    groups = {}
    for database, verdict in databases.items():
        rows = []
        for design, figures in verdict["summary"].items():
            values = [figures[f"late_ms_{name}"]["median"] for name in ("p50", "p95", "p99")]
            rows.append(Row(design, values, values[0], values[-1], f"p99 {_short(values[-1])} ms"))
        groups[database] = rows
    return _dots(groups)


def _dots(groups: Mapping[str, Sequence[Row]]) -> str:
    rows = [row for of_group in groups.values() for row in of_group]
    ticks = _ticks(min(row.low for row in rows), max(row.high for row in rows))
    span = math.log10(ticks[-1] / ticks[0])

    def at(value: float) -> float:
        return _LEFT + (_WIDTH - _LEFT - _RIGHT) * math.log10(max(value, ticks[0]) / ticks[0]) / span

    height = _ROW * (len(rows) + len(groups)) + 24
    parts = [
        f'<line x1="{at(tick):.1f}" x2="{at(tick):.1f}" y1="4" y2="{height - 20}"/>'
        f'<text class="quiet" x="{at(tick):.1f}" y="{height - 5}" text-anchor="middle">{_short(tick)}</text>'
        for tick in ticks
    ]
    for y, row in _lines(groups, parts):
        kind = "ours" if row.design == "ours" else "mark"
        parts.append(f'<line class="{kind}" x1="{at(row.low):.1f}" x2="{at(row.high):.1f}" y1="{y}" y2="{y}"/>')
        parts += [f'<circle class="{kind}" cx="{at(value):.1f}" cy="{y}" r="4.5"/>' for value in row.values]
        parts.append(f'<text x="{_WIDTH}" y="{y + 4}" text-anchor="end">{escape(row.said)}</text>')
    return _svg(height, parts)


def _ticks(low: float, high: float) -> list[float]:
    """Round values from one below `low` to one above `high`; their steps are 1, 2, 5 where there is room."""
    low = max(low, 0.1)
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    every = [digit * 10.0**power for power in powers for digit in (1, 2, 5)]
    first = max((tick for tick in every if tick <= low), default=every[0])
    last = min((tick for tick in every if tick > high), default=10 * every[-1])
    within = [tick for tick in every if first <= tick <= last]
    tens = [tick for tick in within if tick in (first, last) or math.log10(tick).is_integer()]
    return within if len(within) <= 9 else tens


# Bars of one length


def _shares(databases: Mapping[str, Any]) -> str:
    groups = {
        database: [(design, _programs(rounds)) for design, rounds in verdict["runs"].items()]
        for database, verdict in databases.items()
    }
    found = {name for of_group in groups.values() for _, shares in of_group for name in shares}
    names = sorted(found, key=list(_COLORS).index)
    color = {name: f"var(--c{_COLORS[name]})" for name in names}
    height = _ROW * sum(len(of_group) + 1 for of_group in groups.values()) + _ROW * math.ceil(len(names) / 6)
    parts: list[str] = []
    for y, (_, shares) in _lines(groups, parts):
        total, x = sum(shares.values()), float(_LEFT)
        for name, value in shares.items():
            width = (_WIDTH - _LEFT - _RIGHT) * value / total
            title = f"<title>{escape(name)}: {value:.1f} us</title>"
            parts.append(
                f'<rect x="{x:.1f}" y="{y - 8}" width="{max(width - 1, 0):.1f}" height="16" rx="2"'
                f' fill="{color[name]}">{title}</rect>'
            )
            x += width
        parts.append(f'<text x="{_WIDTH}" y="{y + 4}" text-anchor="end">{_short(total)} us</text>')
    top = height - _ROW * math.ceil(len(names) / 6) + 14
    for place, name in enumerate(names):
        x, y = _LEFT + place % 6 * 98, top + place // 6 * _ROW
        parts.append(f'<rect x="{x}" y="{y - 9}" width="10" height="10" rx="2" fill="{color[name]}"/>')
        parts.append(f'<text class="quiet" x="{x + 15}" y="{y}">{escape(name)}</text>')
    return _svg(height, parts)


def _programs(rounds: Sequence[Mapping[str, Any]]) -> Mapping[str, float]:
    """Medians by program, what has but one kind of process as `workers`, what is next to nothing as
    `other`."""
    used: defaultdict[str, list[float]] = defaultdict(list)
    for one in rounds:
        of_round: defaultdict[str, float] = defaultdict(float)
        for name, value in one["cpu_us_by_program"].items():
            of_round[name if name in _COLORS else "workers"] += value
        of_round["database"] = one["server_cpu_us_per_message"]
        for name, value in of_round.items():
            used[name].append(value)
    medians = {name: statistics.median(values) for name, values in used.items()}
    least = _SMALLEST_SHARE * sum(medians.values())
    shown = {name: value for name, value in medians.items() if value >= least}
    rest = sum(medians.values()) - sum(shown.values())
    return shown | ({"other": rest} if rest > 0 else {})


# What both have


def _lines(groups: Mapping[str, Sequence[Any]], parts: list[str]) -> Iterable[tuple[int, Any]]:
    """The height of each row; writes the names of groups and rows to `parts`."""
    y = 0
    for group, rows in groups.items():
        y += _ROW
        parts.append(f'<text class="group" x="0" y="{y - 8}">{escape(group)}</text>')
        for row in rows:
            parts.append(f'<text x="14" y="{y + 14}">{escape(row[0])}</text>')
            yield y + 10, row
            y += _ROW


def _svg(height: int, parts: Iterable[str]) -> str:
    return f'<svg viewBox="0 0 {_WIDTH} {height}" role="img">{"".join(parts)}</svg>'


def _table(database: str, verdict: Mapping[str, Any]) -> str:
    designs = list(verdict["summary"])
    head = "".join(f"<th>{escape(design)}</th>" for design in designs)
    rows = []
    for figure, label in FIGURES.items():
        cells = (verdict["summary"][design][figure] for design in designs)
        texts = (f"{_short(c['median'])} <small>{_short(c['min'])} - {_short(c['max'])}</small>" for c in cells)
        rows.append(f"<tr><th>{escape(label)}</th>{''.join(f'<td>{text}</td>' for text in texts)}</tr>")
    ratios = "".join(f"<p>{escape(sentence)}</p>" for sentence in ratio_sentences(verdict))
    wrong = f"<p><b>NOT EXACTLY ONCE: {escape(', '.join(verdict['wrong']))}</b></p>" if verdict["wrong"] else ""
    table = f"<table><thead><tr><th></th>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table>"
    return f'<h2>{escape(database)}</h2>{ratios}{wrong}<div class="wide">{table}</div>'


def _short(value: float) -> str:
    return f"{value:,.0f}" if value >= 20 or value == int(value) else f"{value:.1f}"


if __name__ == "__main__":
    source = Path(sys.argv[1])
    source.with_suffix(".html").write_text(page(json.loads(source.read_text())))
