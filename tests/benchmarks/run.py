"""The benchmark: one job on several designs, round by round in turn, and what it cost.

`make bench`, `make bench-guarantee`, or `python tests/benchmarks/run.py`. README.md beside it tells the settings.

1. The order of the designs changes from round to round: what the machine does in the long run hits all of them.
2. It exits with 1 if a design lost or repeated a message, or if the guarantee costs more than `report.LIMIT` allows.
3. QUICK=1 is all of it in small, in under two minutes; then no timing makes it fail.
"""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import jobs
from designs import DESIGNS
from page import page
from report import FLOORS, Results, Verdict, describe_machine, judge, one_line, print_verdict
from server import ROOT, postgres

HERE = Path(__file__).parent


@dataclass(frozen=True)
class Setup:
    """How to run it, from the environment."""

    job: str
    designs: tuple[str, ...]
    databases: tuple[str, ...]
    contacts: int
    naive_contacts: int
    runs: int
    workers: int | None
    latency_seconds: float
    quick: bool
    folder: str

    @classmethod
    def from_env(cls) -> "Setup":
        given = os.environ
        quick = given.get("QUICK", "") not in ("", "0")
        sizes = _QUICK if quick else _FULL
        contacts = int(given.get("CONTACTS") or sizes.contacts)
        databases = "postgresql" if given.get("DATABASE_URL") else "sqlite,postgresql"
        latency = float(given.get("LATENCY_SECONDS") or 0)
        naive = _NAIVE_LATE if latency else sizes.naive_contacts
        designs = "naive,ours" if jobs.JOB == "mixed" else "naive,raw,sdk,ours"
        setup = cls(
            job=jobs.JOB,
            designs=tuple((given.get("DESIGNS") or designs).split(",")),
            databases=tuple((given.get("DATABASES") or databases).split(",")),
            contacts=contacts,
            naive_contacts=int(given.get("NAIVE_CONTACTS") or min(contacts, naive)),
            runs=int(given.get("RUNS") or sizes.runs),
            workers=int(given.get("WORKERS") or 0) or None,
            latency_seconds=latency,
            quick=quick,
            folder=given.get("BENCH_DIR") or str(ROOT / ".campaigns" / "bench"),
        )
        setup.require_possible()
        return setup

    def require_possible(self) -> None:
        """End with a sentence if it asks for what there is not."""
        kinds = {"DESIGNS": (self.designs, DESIGNS), "DATABASES": (self.databases, ("sqlite", "postgresql"))}
        for setting, (given, known) in kinds.items():
            if unknown := sorted(set(given).difference(known)):
                sys.exit(f"{setting}: {', '.join(unknown)}: expected some of {', '.join(known)}")
        if self.job == "mixed" and (floors := set(FLOORS).intersection(self.designs)):
            sys.exit(f"DESIGNS: {', '.join(sorted(floors))} knows no calls; take JOB=texts or JOB=mail")


class Sizes(NamedTuple):
    """How much is done if nothing is said."""

    contacts: int
    naive_contacts: int
    runs: int


_FULL = Sizes(contacts=20_000, naive_contacts=2000, runs=5)
_NAIVE_LATE = 300
"""Of a provider that takes its time the naive design gets a handful of answers a second."""
_QUICK = Sizes(contacts=2000, naive_contacts=300, runs=1)


def main() -> int:
    """Run everything, print it, write it."""
    setup = Setup.from_env()
    machine = describe_machine()
    print(f"{machine['cores']} cores, {machine['processor']}, Python {machine['python']}, load {machine['load']:.1f}")
    print(
        f"{setup.contacts} contacts, naive: {setup.naive_contacts}; each gets {', '.join(jobs.STEPS[jobs.JOB])}",
        flush=True,
    )
    with _databases(setup) as urls:
        done = _rounds(setup, urls)
    verdicts = {database: judge(results) for database, results in done.items()}
    for database, verdict in verdicts.items():
        print_verdict(database, verdict)
    file = _write(setup, machine, verdicts, done)
    print(f"\nwritten to {file} and {file.with_suffix('.html').name} beside it")
    return 0 if all(not verdict.wrong and (setup.quick or verdict.good) for verdict in verdicts.values()) else 1


@contextmanager
def _databases(setup: Setup) -> Iterator[Mapping[str, str]]:
    """DATABASE_URL by database; empty for SQLite, which is a new file each time."""
    given = os.environ.get("DATABASE_URL", "")
    if "postgresql" not in setup.databases:
        yield dict.fromkeys(setup.databases, "")
    elif given:
        yield {name: given if name == "postgresql" else "" for name in setup.databases}
    else:
        with postgres(Path(setup.folder) / "server") as url:
            yield {name: url if name == "postgresql" else "" for name in setup.databases}


def _rounds(setup: Setup, urls: Mapping[str, str]) -> dict[str, Results]:
    done: dict[str, Results] = {database: {name: [] for name in setup.designs} for database in urls}
    for number in range(setup.runs):
        for database, url in urls.items():
            for name in setup.designs if number % 2 == 0 else reversed(setup.designs):
                contacts = setup.naive_contacts if name == "naive" else setup.contacts
                folder = Path(setup.folder) / "work" / f"{name}-{database}-{number + 1}"
                result = _repeat(name, contacts, folder, DATABASE_URL=url)
                done[database][name].append(result)
                print(f"  {number + 1} {database:10} {name:9} {one_line(result)}", flush=True)
    return done


def _repeat(name: str, contacts: int, folder: Path, **env: str) -> dict[str, Any]:
    """One repetition in a process of its own; its folder is kept only if it fails or is profiled."""
    shutil.rmtree(folder, ignore_errors=True)
    words = (sys.executable, str(HERE / "once.py"), name, str(contacts), str(folder))
    ended = subprocess.run(words, stdout=subprocess.PIPE, text=True, check=False, cwd=ROOT, env=os.environ | env)
    if ended.returncode:
        sys.exit(f"{name} failed; its logs are in {folder / 'logs'}")
    if not os.environ.get("PROFILE"):
        shutil.rmtree(folder)
    return json.loads(ended.stdout)


def _write(
    setup: Setup, machine: Mapping[str, Any], verdicts: Mapping[str, Verdict], done: Mapping[str, Results]
) -> Path:
    """The result as JSON and as a page, under the moment it was begun. Returns the former."""
    moment = datetime.fromisoformat(machine["at"]).astimezone(UTC)
    name = "-".join((f"{moment:%Y-%m-%dT%H%M%SZ}", setup.job, *setup.designs, *setup.databases))
    file = Path(setup.folder) / f"{name}.json"
    databases = {name: asdict(verdicts[name]) | {"runs": results} for name, results in done.items()}
    record = {"machine": machine, "setup": asdict(setup), "databases": databases}
    file.write_text(json.dumps(record, indent=2))
    file.with_suffix(".html").write_text(page(json.loads(file.read_text())))
    return file


if __name__ == "__main__":
    sys.exit(main())
