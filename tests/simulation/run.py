"""Plays runs, and shows the first that violates anything: `make simulate RUNS=20000 SEED=1`.

A run is replayed, with every event, by `.venv/bin/python -m tests.simulation.run --seed SEED --trace`.
"""

import argparse
import time

from tests.simulation.series import Tally, explain, lines, play, silently
from tests.simulation.simulation import simulate


def main() -> int:
    """0 where no run violated anything, else 1."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=1, help="of the first run; the others have the numbers after it")
    parser.add_argument("--runs", type=int, default=1, help="how many")
    parser.add_argument("--trace", action="store_true", help="show every event of the first run")
    parser.add_argument("--keep-going", action="store_true", help="show every run that violates something")
    asked = parser.parse_args()
    if asked.trace:
        with silently():
            print("\n".join(lines(simulate(asked.seed).trace)))
    tally, began = Tally(), time.process_time()
    for outcome in play(range(asked.seed, asked.seed + asked.runs)):
        tally.add(outcome)
        if outcome.violation:
            print(explain(outcome), flush=True)
            if not asked.keep_going:
                break
    print(f"{tally}; {(time.process_time() - began) / tally.runs * 1000:.0f} ms of CPU a run")
    return 1 if tally.violations else 0


if __name__ == "__main__":
    raise SystemExit(main())
