"""What operators and people do while everything breaks: pause, resume, cancel, edit, opt out.

1. Operators work through the command line, and ask again when the surroundings are not ready or a call is unanswered.
2. What counts as stopped is only what a command has promised by exit code 0.
"""

import random
import threading
import time
from collections.abc import Mapping
from typing import Final

import requests

from channels.sandbox.ledger import LineKind, read_ledger
from tests.chaos.audience import CANCELLED, MAIN, PAUSED, Person
from tests.chaos.happened import Stop
from tests.chaos.site import Site

_PATIENCE_SECONDS: Final = 120.0
_OPT_OUTS: Final = ("STOP", "REMOVE")
"""The second is a word of ours only: the provider goes on taking texts for that person, so that only we stop them."""


class Desk:
    """Each method may be called from a thread of its own. `runs`: campaign -> run id."""

    def __init__(self, site: Site, runs: Mapping[str, str], people: list[Person], seed: int) -> None:
        self._site = site
        self._runs = runs
        self._chance = random.Random(seed)
        self._left = {person.phone: person for person in people}
        self._share = max(1, round(len(people) * 0.02 / 4))
        self._pausing = threading.Lock()
        self.stops: list[Stop] = []
        self.gave_up: list[str] = []
        """Commands that never came to exit code 0."""

    def pause(self, seconds: float) -> None:
        """Pause for so long, then resume. One after the other: two pauses of one run are one."""
        with self._pausing:
            promised = self._insist("pause", PAUSED.name)
            since = time.time()
            time.sleep(seconds)
            if promised:
                self.stops.append(Stop(campaign=PAUSED.name, since=since, until=time.time(), word="pause"))
            self._insist("resume", PAUSED.name)  # also where nothing was promised: it may be paused all the same

    def cancel(self) -> None:
        """End a campaign midway."""
        if self._insist("cancel", CANCELLED.name):
            self.stops.append(Stop(campaign=CANCELLED.name, since=time.time(), until=float("inf"), word="cancel"))

    def edit(self) -> None:
        """Save other texts under the same name; the people under way must never see them."""
        file = self._site.folder / "edited.yaml"
        file.write_text(MAIN.version("v2"))
        self._command("save", str(file))

    def let_people_opt_out(self) -> int:
        """Half a percent of the people, who have had the first text and not the last. Returns how many."""
        lines = [line for line in read_ledger(self._site.ledger) if line["kind"] == LineKind.ACCEPTED]
        begun = {line["to"]: line["from"] for line in lines if "/first/" in str(line.get("body"))}
        done = {line["to"] for line in lines if "/last/" in str(line.get("body"))}
        ready = sorted(phone for phone in begun.keys() - done if phone in self._left)
        chosen = self._chance.sample(ready, min(self._share, len(ready)))
        for place, phone in enumerate(chosen):
            del self._left[phone]
            said = {"person": phone, "to": begun[phone], "body": _OPT_OUTS[place % 2]}
            requests.post(f"{self._site.provider_url}/sandbox/replies", json=said, timeout=10).raise_for_status()
        return len(chosen)

    def _insist(self, command: str, campaign: str) -> bool:
        return self._command(command, self._runs[campaign])

    def _command(self, *words: str) -> bool:
        """Give a command until it is carried out."""
        ends = time.monotonic() + _PATIENCE_SECONDS
        while True:
            code, answer = self._site.campaigns(*words)
            if code == 0:
                return True
            if "completed" in str(answer.get("error")) or time.monotonic() > ends:
                self.gave_up.append(f"{words[0]}: exit {code}, {str(answer.get('error'))[-300:]}")
                return False
            time.sleep(0.5)
