"""What a chaos run came to: one table, and the same as JSON."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from tests.chaos.evidence import Evidence
from tests.chaos.happened import Facts
from tests.chaos.judge import Judgement, percentile, recoveries
from tests.chaos.schedule import Kind


def describe(verdict: Sequence[Judgement], seen: Evidence, facts: Facts, setup: Mapping[str, Any]) -> dict[str, Any]:
    """Everything the table shows, as plain data."""
    times = recoveries(seen, facts)
    injected = Counter(one.kind for one in facts.happened)
    return {
        "setup": dict(setup),
        "passed": all(one.holds for one in verdict),
        "judgements": [asdict(one) for one in verdict],
        "recoveries": [_recovery(kind, injected[kind], times.get(kind, [])) for kind in Kind if injected[kind]],
        "seconds_from_last_fault_to_end": facts.finished and round(facts.finished - facts.healed, 1),
        "accepted": len(seen.lines),
        "callbacks": _callbacks(seen, facts),
    }


def _recovery(kind: Kind, count: int, seconds: Sequence[float]) -> dict[str, Any]:
    if not seconds:
        return {"fault": kind, "n": count, "p50": None, "p95": None}
    return {"fault": kind, "n": count, "p50": percentile(seconds, 0.5), "p95": percentile(seconds, 0.95)}


def _callbacks(seen: Evidence, facts: Facts) -> dict[str, Any]:
    waits = seen.answered_ms or [0.0]
    return {
        "answered": len(seen.answered_ms),
        "unanswered": seen.unanswered,
        "forged": dict(facts.forged),
        "unknown_ids": dict(facts.unknown_ids),
        **{f"p{share}_ms": percentile(waits, share / 100) for share in (50, 95, 99)},
    }


def show(result: Mapping[str, Any], console: Console) -> None:
    """Print the table."""
    setup = result["setup"]
    table = Table(title=" · ".join(f"{name} {value}" for name, value in setup.items()), title_justify="left")
    for name, justify in (("what", "left"), ("found", "right"), ("demanded", "right"), ("", "left")):
        table.add_column(name, justify=justify)
    for one in result["judgements"]:
        table.add_row(one["name"], one["found"], one["demanded"], "ok" if one["holds"] else "[bold red]WRONG[/]")
        for example in one["examples"]:
            table.add_row(f"  [red]{example}[/]")
    table.add_section()
    for one in result["recoveries"]:
        timed = "" if one["p50"] is None else f"p50 {one['p50']:.2f} s, p95 {one['p95']:.2f} s"
        table.add_row(f"{one['fault']} x {one['n']}", timed, "", "" if one["p50"] is None else "to the next send")
    table.add_section()
    calls = result["callbacks"]
    waits = f"p50 {calls['p50_ms']:.0f}, p95 {calls['p95_ms']:.0f}, p99 {calls['p99_ms']:.0f} ms"
    table.add_row(f"callbacks answered: {calls['answered']}", waits)
    last = result["seconds_from_last_fault_to_end"]
    table.add_row("from the last fault to the end of all runs", "not in time" if last is None else f"{last} s")
    console.print(table)
    console.print("passed" if result["passed"] else "[bold red]FAILED[/]")


def write(result: Mapping[str, Any], path: Path) -> None:
    """The same as JSON."""
    path.write_text(json.dumps(result, indent=2) + "\n")
