"""The chaos run: a whole system of real processes, broken again and again, judged by what its provider took.

`make chaos`, or `python -m tests.chaos.run`. README.md beside it tells what happens and how to read the table.
Exit codes: 0 everything held, 1 something did not.
"""

import argparse
import os
import platform
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from rich.console import Console

from channels.sandbox.ledger import LineKind, read_ledger
from tests.chaos import gathering, table
from tests.chaos.audience import CAMPAIGNS, MAIN, Campaign, Person, make_audience, write_contacts
from tests.chaos.desk import Desk
from tests.chaos.evidence import read_evidence
from tests.chaos.happened import Facts
from tests.chaos.judge import judge
from tests.chaos.nemesis import Nemesis
from tests.chaos.schedule import Fault, faults_end, make_plan
from tests.chaos.site import FREEZE_SECONDS, HTTP_SECONDS, ROOT, Plan, Site, engine_of, open_site, start_workers
from tests.postgres import binaries
from worker.runtime.embedded import redis_binary
from worker.runtime.supervisor import wait_until

_PATIENCE_SECONDS: Final = 120.0
"""After the quiet, for everything to come to its end."""
_SPREAD: Final = 0.6
"""The share of the time of faults that the texts of the main campaign would fill if nothing happened."""


def main() -> int:
    """Run, judge, print, write."""
    setup = _arguments()
    setup.data_dir.mkdir(parents=True, exist_ok=True)
    console = Console(width=120, highlight=False, log_path=False)
    result = run(setup, console)
    table.show(result, console)
    file = setup.data_dir / f"{setup.database}-seed{setup.seed}.json"
    table.write(result, file)
    console.print(f"written to {file}; logs and the ledger are in {setup.data_dir / 'site'}")
    return 0 if result["passed"] else 1


def run(setup: argparse.Namespace, console: Console) -> dict[str, Any]:
    """One run and what it came to."""
    folder = setup.data_dir / "site"
    shutil.rmtree(folder, ignore_errors=True)
    faults = make_plan(setup.seconds, setup.seed, setup.database, FREEZE_SECONDS)
    (setup.data_dir / "plan.txt").write_text("\n".join(map(_line, faults)) + "\n")
    console.log(f"seed {setup.seed}: {len(faults)} faults within {faults_end(setup.seconds):g} s, see plan.txt")
    people = make_audience(setup.contacts)
    plan = Plan(folder=folder, database=setup.database, sms_per_second=_texts_per_second(people, setup.seconds))
    with open_site(plan) as site:
        facts = _survive(site, setup, people, faults, console)
        ledger = site.ledger
        console.log("gathered")
    seen = read_evidence(read_ledger(ledger))
    return table.describe(judge(seen, facts), seen, facts, _described(setup))


def _survive(
    site: Site, setup: argparse.Namespace, people: list[Person], faults: list[Fault], console: Console
) -> Facts:
    """Launch, let the nemesis at it, wait for the end."""
    start_workers(site, setup.app)
    runs = _launch(site, people)
    console.log(f"launched {', '.join(runs.values())}")
    wait_until(lambda: _begun(site), seconds=180, what="the first text of each campaign to be accepted")
    desk = Desk(site, runs, people, setup.seed)
    nemesis = Nemesis(site, desk, setup.seed)
    console.log("the first texts have left; here it comes")
    nemesis.run(faults, faults_end(setup.seconds))
    console.log("healed; waiting for everything to come to its end")
    engine = engine_of(site)
    quiet = setup.seconds - faults_end(setup.seconds)
    finished = _wait_for_the_end(site, lambda: gathering.still_going(engine) == 0, quiet + _PATIENCE_SECONDS)
    for line in desk.gave_up:
        console.print(f"[yellow]an operator gave up: {line}[/]")
    facts = Facts(
        people=people,
        senders={sender: campaign.name for campaign in CAMPAIGNS for sender in (campaign.sms, campaign.mail)},
        http_seconds=HTTP_SECONDS,
        happened=nemesis.happened,
        stops=desk.stops,
        reports={name: site.must("report", run_id) for name, run_id in runs.items()},
        endings=gathering.endings(engine),
        held=gathering.held(engine),
        leftovers=gathering.leftovers(engine),
        forged=nemesis.forged,
        unknown_ids=nemesis.unknown_ids,
        healed=nemesis.healed,
        finished=finished,
    )
    engine.dispose()
    return facts


def _launch(site: Site, people: list[Person]) -> dict[str, str]:
    """Import and launch every campaign, as operators would, each at a desk of their own. Campaign -> run id."""

    def launch(campaign: Campaign) -> str:
        contacts = write_contacts(people, campaign, site.folder / f"{campaign.name}.csv")
        site.must("import", str(contacts), "--list", campaign.name, "--rejects", f"{contacts}.rejects")
        definitions = site.folder / f"{campaign.name}.yaml"
        definitions.write_text(campaign.documents)
        run_id: str = site.must("launch", str(definitions), "--list", campaign.name)["runId"]
        return run_id

    with ThreadPoolExecutor(len(CAMPAIGNS)) as desks:
        return {campaign.name: run_id for campaign, run_id in zip(CAMPAIGNS, desks.map(launch, CAMPAIGNS), strict=True)}


def _begun(site: Site) -> bool:
    """Whether every campaign has sent something."""
    taken = {line["from"] for line in read_ledger(site.ledger) if line["kind"] == LineKind.ACCEPTED}
    return taken >= {campaign.sms for campaign in CAMPAIGNS}


def _wait_for_the_end(site: Site, over: Callable[[], bool], seconds: float) -> float | None:
    """When it was over, None if it was not in time."""
    ends = time.monotonic() + seconds
    while time.monotonic() < ends:
        site.tend()
        if over():
            return time.time()
        time.sleep(0.5)
    return None


def _texts_per_second(people: list[Person], seconds: float) -> float:
    """So that there is something to send for as long as there are faults."""
    texts = sum(1 + (person.last == "sms") for person in people if person.campaign == MAIN.name)
    return round(texts / (faults_end(seconds) * _SPREAD), 2)


def _line(fault: Fault) -> str:
    lasts = f" for {fault.seconds:g} s" if fault.seconds else ""
    return f"{fault.at:7.1f} s  {fault.kind} {fault.target}{lasts}".rstrip()


def _described(setup: argparse.Namespace) -> dict[str, Any]:
    """What the figures depend on."""
    return {
        "seed": setup.seed,
        "seconds": setup.seconds,
        "contacts": setup.contacts,
        "database": _server_version() if setup.database == "postgres" else "sqlite",
        "redis": _first_version(redis_binary(), "--version"),
        "celery": version("celery"),
        "python": platform.python_version(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "app": setup.app,
    }


def _server_version() -> str:
    return f"postgres {_first_version(str(binaries() / 'postgres'), '--version')}"


def _first_version(*command: str) -> str:
    """The first word with a number in it."""
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return next(word.removeprefix("v=") for word in said.split() if any(c.isdigit() for c in word))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.run", description=__doc__)
    add = parser.add_argument
    add("--seconds", type=float, default=600, help="from the first send on; the last quarter is quiet")
    add("--contacts", type=int, default=10_000, help="people, with three messages each")
    add("--seed", type=int, default=1, help="of the plan and of the provider's faults")
    add("--database", choices=("postgres", "sqlite"), default="postgres")
    add("--app", default="worker.tasks.app", metavar="MODULE", help="Celery application of the workers under test")
    add("--data-dir", type=Path, default=ROOT / ".campaigns" / "chaos", help="where logs, ledger and verdict go")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
