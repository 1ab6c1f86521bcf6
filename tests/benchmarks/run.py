"""The benchmark: the same job on the naive design and on ours, several times in turn, and what it cost.

`make bench`, or `python tests/benchmarks/run.py`. README.md beside it tells the settings and how to read it.
"""

import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
FIGURES = {
    "messages_per_second": "messages/s",
    "cpu_us_per_message": "CPU us/message",
    "peak_rss_mb": "peak memory, sum MB",
    "largest_process_mb": "largest process MB",
}


@dataclass(frozen=True)
class Setup:
    """How to run it, from the environment."""

    contacts: int
    naive_contacts: int
    runs: int
    latency_seconds: float
    database: str
    folder: str

    @classmethod
    def from_env(cls) -> "Setup":
        given = os.environ
        contacts = int(given.get("CONTACTS") or 20_000)
        return cls(
            contacts=contacts,
            naive_contacts=int(given.get("NAIVE_CONTACTS") or min(contacts, 2000)),
            runs=int(given.get("RUNS") or 3),
            latency_seconds=float(given.get("LATENCY_SECONDS") or 0),
            database=(given.get("DATABASE_URL") or "sqlite").partition(":")[0],
            folder=given.get("BENCH_DIR") or str(ROOT / ".campaigns" / "bench"),
        )


def main() -> int:
    """Run everything, print it, write it. 1 when a design lost or repeated a message."""
    setup = Setup.from_env()
    machine = describe_machine()
    print(f"{machine['cores']} cores, {machine['processor']}, Python {machine['python']}, {setup.database}", flush=True)
    print(f"ours: {setup.contacts} contacts, naive: {setup.naive_contacts}; a text, a mail and a call each")
    done: dict[str, list[dict[str, Any]]] = {"naive": [], "ours": []}
    for number in range(setup.runs):
        for name, contacts in (("naive", setup.naive_contacts), ("ours", setup.contacts)):
            result = one(name, contacts, Path(setup.folder) / "work" / f"{name}-{number + 1}")
            done[name].append(result)
            print(_line(name, number + 1, result), flush=True)
    summary = {name: summarize(results) for name, results in done.items()}
    ratios = compare(summary)
    print_summary(summary, ratios)
    file = write(
        setup, {"machine": machine, "setup": asdict(setup), "summary": summary, "ratios": ratios, "runs": done}
    )
    print(f"\nwritten to {file}")
    bad = [name for name, results in done.items() if not all(result["exactly_once"] for result in results)]
    if bad:
        print(f"NOT EXACTLY ONCE: {', '.join(bad)}")
    return 1 if bad else 0


def one(name: str, contacts: int, folder: Path) -> dict[str, Any]:
    """One repetition in a process of its own; its folder is kept only if it fails or is profiled."""
    shutil.rmtree(folder, ignore_errors=True)
    words = (sys.executable, str(HERE / "once.py"), name, str(contacts), str(folder))
    ended = subprocess.run(words, stdout=subprocess.PIPE, text=True, check=False, cwd=ROOT)
    if ended.returncode:
        sys.exit(f"{name} failed; its logs are in {folder / 'logs'}")
    if not os.environ.get("PROFILE"):
        shutil.rmtree(folder)
    return json.loads(ended.stdout)


def summarize(results: list[dict[str, Any]]) -> dict[str, dict[str, float]]:
    """Median, least and most of each figure."""
    return {
        figure: {"median": statistics.median(values), "min": min(values), "max": max(values)}
        for figure in FIGURES
        if (values := [result[figure] for result in results])
    }


def compare(summary: dict[str, dict[str, dict[str, float]]]) -> dict[str, float]:
    """How many times better the medians of ours are; below 1 they are worse."""
    ratios = {}
    for figure in FIGURES:
        naive, ours = (summary[name][figure]["median"] for name in ("naive", "ours"))
        ratios[figure] = round(ours / naive if figure == "messages_per_second" else naive / ours, 2)
    return ratios


def describe_machine() -> dict[str, Any]:
    """What the figures depend on."""
    return {
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "processor": _processor(),
        "system": platform.platform(),
        "python": platform.python_version(),
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown")


def _line(name: str, number: int, result: dict[str, Any]) -> str:
    parts = " ".join(f"{k} {v:g}" for k, v in result["cpu_us_by_program"].items())
    apart = " ".join(f"{k} {v:g}" for k, v in result["apart_cpu_us_by_program"].items())
    return (
        f"  {number} {name:5} {result['messages_per_second']:8,.0f} messages/s {result['cpu_us_per_message']:7,.0f} us"
        f" ({parts}; apart: {apart}) {result['peak_rss_mb']:.0f} MB"
        f" {'exactly once' if result['exactly_once'] else 'NOT EXACTLY ONCE: ' + str(result['stub'])}"
    )


def print_summary(summary: dict[str, dict[str, dict[str, float]]], ratios: dict[str, float]) -> None:
    """The table."""
    print(f"\n{'median (min-max)':24}{'naive':>26}{'ours':>26}{'better by':>12}")
    for figure, label in FIGURES.items():
        cells = [
            f"{spread['median']:,.0f} ({spread['min']:,.0f}-{spread['max']:,.0f})"
            for spread in (summary["naive"][figure], summary["ours"][figure])
        ]
        print(f"{label:24}{cells[0]:>26}{cells[1]:>26}{ratios[figure]:>11.1f}x")
    print(
        "CPU: user and system of the design's processes, children included; the stub, Redis and a database server apart"
    )


def write(setup: Setup, content: dict[str, Any]) -> Path:
    """The result as JSON, under the moment it was begun."""
    moment = content["machine"]["at"].replace(":", "").replace("+0000", "Z")
    file = Path(setup.folder) / f"{moment}-{setup.database}.json"
    file.write_text(json.dumps(content, indent=2))
    return file


if __name__ == "__main__":
    sys.exit(main())
