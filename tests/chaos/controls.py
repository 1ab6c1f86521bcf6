"""The negative controls: the same run with a guarantee taken out must fail, and for the right reason.

`make chaos-controls`. A judge that passes a system without intent or fencing would prove nothing about ours.
Exit codes: 0 each control failed as it should, 1 one did not.
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import Final

from tests.chaos.site import ROOT

CONTROLS: Final = {
    "tests.unguarded.no_intent_app": frozenset({"messages accepted twice"}),
    # An answer that comes late overwrites what is known by then: people wait for somebody to look into a message that a
    # callback has long settled. Who wakes up at the wrong moment also sends again.
    "tests.unguarded.no_fencing_app": frozenset(
        {"messages accepted twice", "never sent, without a reason", "held although their fate could be known"}
    ),
}
"""Celery application -> the judgements of which at least one must be wrong."""


def main() -> int:
    """Run each control and say what became of it."""
    missed = [app for app, wrong in CONTROLS.items() if not _fails(app, wrong)]
    for app in missed:
        sys.stdout.write(f"{app} was not caught: the run proves nothing\n")
    return 1 if missed else 0


def _fails(app: str, wrong: frozenset[str]) -> bool:
    folder = ROOT / ".campaigns" / "chaos" / app.rpartition(".")[2]
    verdict = folder / "postgres-seed1.json"
    verdict.unlink(missing_ok=True)
    sizes = ("--seconds", "90", "--contacts", "1000", "--seed", "1")
    command = (sys.executable, "-m", "tests.chaos.run", *sizes, "--app", app, "--data-dir", str(folder))
    subprocess.run(command, cwd=ROOT, check=False)
    return bool(_wrong(verdict) & wrong)


def _wrong(verdict: Path) -> set[str]:
    """The judgements that did not hold; none where the run came to no verdict."""
    if not verdict.exists():
        return set()
    return {one["name"] for one in json.loads(verdict.read_text())["judgements"] if not one["holds"]}


if __name__ == "__main__":
    sys.exit(main())
