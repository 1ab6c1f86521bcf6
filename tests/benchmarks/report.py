"""What the figures of the rounds come to: medians, ratios, and whether the guarantee is cheap enough."""

import os
import platform
import sqlite3
import statistics
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

_PACKAGES = ("celery", "redis", "sqlalchemy", "psycopg", "twilio", "sendgrid")
LIMIT = 0.75
"""Of the messages/s without the guarantee, what must be left with it."""

FIGURES = {
    "messages_per_second": "messages/s",
    "cpu_us_per_message": "CPU us/message",
    "server_cpu_us_per_message": "database server CPU us",
    "total_cpu_us_per_message": "both, CPU us/message",
    "late_ms_p50": "from due to accepted, ms: p50",
    "late_ms_p95": "p95",
    "late_ms_p99": "p99",
    "peak_rss_mb": "peak memory, sum MB",
    "largest_process_mb": "largest process MB",
}

FLOORS = ("raw", "sdk")
"""Designs that do the least that can be done: ours is told as a multiple of them, not the other way round."""

Results = dict[str, list[dict[str, Any]]]
"""By design, round by round."""


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What came out on one database."""

    summary: Mapping[str, Mapping[str, Mapping[str, float]]]
    """Median, least and most: by design and figure."""
    speed_ratios: Mapping[str, list[float]]
    """By design: our messages/s, divided by its own, round by round."""
    cpu_ratios: Mapping[str, list[float]]
    """By design: its CPU per message, the database server's included, divided by ours."""
    floor_ratios: Mapping[str, list[float]]
    """By floor: our CPU per message, the database server's included, divided by its own."""
    guarantee: float | None
    """Of the messages/s without the guarantee, what is left with it, by the medians."""
    wrong: tuple[str, ...] = field(default=())
    """Designs that lost or repeated a message."""

    @property
    def good(self) -> bool:
        """Nothing was lost or repeated, and the guarantee is cheap enough if it was measured."""
        return not self.wrong and (self.guarantee is None or self.guarantee >= LIMIT)


def judge(results: Results) -> Verdict:
    """The verdict on one database."""
    summary = {name: _summarize(rounds) for name, rounds in results.items()}
    speed = {name: figures["messages_per_second"]["median"] for name, figures in summary.items()}
    others = [name for name in results if name != "ours" and "ours" in results]
    total = "total_cpu_us_per_message"
    return Verdict(
        summary=summary,
        speed_ratios={name: _ratios(results["ours"], results[name], "messages_per_second") for name in others},
        cpu_ratios={name: _ratios(results[name], results["ours"], total) for name in others if name not in FLOORS},
        floor_ratios={name: _ratios(results["ours"], results[name], total) for name in others if name in FLOORS},
        guarantee=speed["ours"] / speed["unguarded"] if "unguarded" in others else None,
        wrong=tuple(name for name, rounds in results.items() if not all(r["exactly_once"] for r in rounds)),
    )


def _ratios(above: list[dict[str, Any]], below: list[dict[str, Any]], figure: str) -> list[float]:
    return [round(a[figure] / b[figure], 3) for a, b in zip(above, below, strict=True)]


def _summarize(rounds: list[dict[str, Any]]) -> dict[str, dict[str, float]]:
    return {
        figure: {"median": statistics.median(values), "min": min(values), "max": max(values)}
        for figure in FIGURES
        if (values := [result[figure] for result in rounds])
    }


def one_line(result: Mapping[str, Any]) -> str:
    """One repetition."""
    parts = " ".join(f"{k} {v:g}" for k, v in result["cpu_us_by_program"].items())
    apart = " ".join(f"{k} {v:g}" for k, v in result["apart_cpu_us_by_program"].items())
    return (
        f"{result['messages_per_second']:8,.0f} messages/s {result['total_cpu_us_per_message']:7,.0f} us"
        f" ({parts}; apart: {apart}) {result['peak_rss_mb']:.0f} MB"
        f" {'exactly once' if result['exactly_once'] else 'NOT EXACTLY ONCE: ' + str(result['stub'])}"
    )


def print_verdict(database: str, verdict: Verdict) -> None:
    """The table of one database, and the verdict."""
    designs = list(verdict.summary)
    print(f"\n{database + ', median (least - most)':34}" + "".join(f"{name:>26}" for name in designs))
    for figure, label in FIGURES.items():
        cells = (verdict.summary[name][figure] for name in designs)
        texts = (f"{c['median']:,.0f} ({c['min']:,.0f} - {c['max']:,.0f})" for c in cells)
        print(f"{label:34}" + "".join(f"{text:>26}" for text in texts))
    for sentence in ratio_sentences(asdict(verdict)):
        print(sentence)
    if verdict.guarantee is not None:
        holds = "holds" if verdict.guarantee >= LIMIT else "COSTS TOO MUCH"
        print(f"with the guarantee {verdict.guarantee:.2f} of the messages/s without it; {LIMIT} is the limit: {holds}")
    if verdict.wrong:
        print(f"NOT EXACTLY ONCE: {', '.join(verdict.wrong)}")


def ratio_sentences(verdict: Mapping[str, Any]) -> list[str]:
    """What ours is against each other design; the verdict as in the JSON."""
    spread = {name: _spread(ratios) for name, ratios in verdict["speed_ratios"].items()}
    return [
        *(
            f"ours against {name}: {spread[name]} times the messages/s; it takes {_spread(cpu)} times our CPU"
            for name, cpu in verdict["cpu_ratios"].items()
        ),
        *(
            f"ours against the floor {name}: {spread[name]} of its messages/s; ours takes {_spread(cpu)} times its CPU"
            for name, cpu in verdict["floor_ratios"].items()
        ),
    ]


def _spread(ratios: list[float]) -> str:
    return f"{statistics.median(ratios):.2f} ({min(ratios):.2f} - {max(ratios):.2f})"


def describe_machine() -> dict[str, Any]:
    """What the figures depend on."""
    return {
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "processor": _processor(),
        "system": platform.platform(),
        "python": platform.python_version(),
        "versions": {name: version(name) for name in _PACKAGES} | {"sqlite": sqlite3.sqlite_version},
        "load": os.getloadavg()[0],
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown")
