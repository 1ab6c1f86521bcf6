"""Watches every message the provider takes and every commit, and says what must never have happened.

It goes by the provider's ledger and by the order of commits, not by what the product thinks of itself: an attempt is
known from what a claim gave out, a stop from the call that committed it. What the rows themselves must keep to is in
`rows.py`.
"""

import sqlite3
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from channels.messages import ChannelKind
from channels.results import RANK, Keyword, Receipt
from tests.simulation.provider import Delivery, Record
from tests.simulation.rows import Rows, RowWatcher
from tests.simulation.world import SECOND, World
from worker.domain.attempt import AttemptFacts, AttemptStatus
from worker.domain.dispositions import SYSTEM
from worker.domain.enrollment import FINAL, EnrollmentStatus
from worker.domain.run import RunStatus
from worker.engine import outcomes
from worker.runtime.reports import TAKEN, Report
from worker.runtime.settings import Settings

_NEVER_TAKEN: Final = frozenset({"CAMPAIGN_CANCELLED", "SUPPRESSED_DNC"})
"""Dispositions of messages that were stopped before they left."""
_QUARANTINED: Final = "quarantined"
"""How the reason begins where five workers in a row died over an enrollment: then it is failed, and that is right."""


@dataclass(frozen=True, slots=True)
class Intent:
    """A claim gave this attempt out, as the commit of this number."""

    facts: AttemptFacts
    commit: int


@dataclass(frozen=True, slots=True)
class Stop:
    """Somebody is not to be written to any more: at this address on a channel, or in these enrollments on any."""

    commit: int
    at: int
    address: str
    channel: str
    enrollments: frozenset[str] = frozenset()

    def covers(self, facts: AttemptFacts) -> bool:
        by_address = facts.to == self.address and self.channel in (str(facts.channel), "*")
        return by_address or facts.enrollment_id in self.enrollments


class Judge:
    """The invariants of sending. The first that is violated ends the world, with a sentence."""

    def __init__(self, world: World, settings: Settings, database: sqlite3.Connection, *, by_ledger_only: bool) -> None:
        self.commits = self.work = 0
        """Commits, and those of them that were more than the lease of a tick."""
        self.decided: set[str] = set()
        """Attempts that a person sent again or dropped on a whim; what follows is theirs to answer for."""
        self._world, self._db = world, database
        self._longest_flight = int((settings.lease_seconds / 2 + 3 * settings.http_timeout_seconds) * SECOND)
        self._watcher = RowWatcher(world, database, blind=by_ledger_only)
        self._changes = database.total_changes
        self._intents: dict[str, Intent] = {}
        self._taken: dict[tuple[Any, ...], list[Record]] = defaultdict(list)
        self._stops: list[Stop] = []
        self._heard: set[str] = set()
        self._suppressed: set[tuple[str, str]] = set()
        self._stopped: dict[str, int] = {}
        """By run that is paused or cancelled: the commit that did it."""
        self._quiet: dict[str, int] = {}
        """By run: when pause or cancel said that nothing more leaves."""

    # What the provider takes

    def taken(self, record: Record) -> None:
        """Called at the instant the provider takes a message."""
        intent = self._intents.get(record.attempt_id)
        if intent is None:
            self._world.fail(f"the provider took {record.attempt_id}, which no claim gave out")
            return
        facts = intent.facts
        before = self._taken[facts.enrollment_id, *facts.key]
        self._once(record, before)
        before.append(record)
        if intent.commit > self._stopped.get(facts.run_id, intent.commit):
            self._world.fail(f"{record.attempt_id} was claimed after its run had been stopped, and sent")
        if record.written_at > self._quiet.get(facts.run_id, record.written_at):
            self._world.fail(f"{record.attempt_id} left after pause or cancel had said that nothing more leaves")
        for stop in self._stops:
            if stop.covers(facts) and intent.commit > stop.commit:
                self._world.fail(f"{record.attempt_id} was claimed after its person had said stop, and sent")
            elif stop.covers(facts) and record.at > stop.at + self._longest_flight:
                self._world.fail(f"{record.attempt_id} left long after its person had said stop")

    def _once(self, record: Record, before: Sequence[Record]) -> None:
        """No second one, but where the first has ended in a way whose disposition asks for another."""
        for other in before:
            ended = other.end(self._world.now)
            code = ended and outcomes.of_receipt(record.kind, ended)
            may_follow = bool(code) and SYSTEM[code].retry is not None
            if not may_follow and other.attempt_id not in self.decided:
                ids = f"{other.attempt_id} and {record.attempt_id}"
                self._world.fail(f"sent twice: the provider has taken {ids}, of one message")

    # What is committed

    def saw(self, name: str, args: Sequence[Any], came_to: Any) -> bool:
        """A call of the store has returned. Whether it wrote anything."""
        if self._db.total_changes == self._changes:
            return False
        self._changes = self._db.total_changes
        self.commits += 1
        self.work += name != "take_lease"
        match name, args:
            case "claim_messages", _:
                self._intents |= {facts.attempt_id: Intent(facts, self.commits) for facts in came_to.attempts}
            case "change_run_status", (_, run_id, status, *_):
                self._quiet.pop(run_id, None)
                self._stopped[run_id] = self.commits
                if status is RunStatus.RUNNING:
                    del self._stopped[run_id]
            case "inbox_add", (entries, *_):
                for entry in entries:
                    if entry.payload.get("keyword") == Keyword.STOP and entry.event_key not in self._heard:
                        self._heard.add(entry.event_key)  # the provider tells it again until it is answered
                        self._person_said_stop(entry.payload["sender"])
        self._watcher.look()
        self._note_suppressions()
        return True

    def quiet(self, run_id: str) -> None:
        """Pause or cancel of this run returned True."""
        if run_id in self._stopped:
            self._quiet[run_id] = self._world.now

    def _person_said_stop(self, address: str) -> None:
        """Never by text again; and on no channel in the runs that have written to them and are not over for them."""
        rows = self._watcher.rows
        texts = (m for m in rows.messages.values() if m["channel"] == ChannelKind.SMS and m["address"] == address)
        written = {text["enrollment_id"] for text in texts}
        still_open = {name for name in written if rows.enrollments[name]["finished_at"] is None}
        self._stops.append(Stop(self.commits, self._world.now, address, ChannelKind.SMS, frozenset(still_open)))

    def _note_suppressions(self) -> None:
        for channel, address in self._db.execute("SELECT channel, address FROM suppressions"):
            if (channel, address) not in self._suppressed:
                self._suppressed.add((channel, address))
                self._stops.append(Stop(self.commits, self._world.now, address, channel))

    # The end

    def final(self, reports: Sequence[Report], ledger: Sequence[Record], told: Sequence[Delivery]) -> None:
        """Faults are over and everything had its time: everybody is final, and the books agree."""
        rows, world = self._watcher.read(), self._world
        for name, row in rows.enrollments.items():
            if row["status"] not in FINAL:
                world.fail(f"enrollment {name} is {row['status']} at the end")
            if row["status"] == EnrollmentStatus.FAILED and not row["reason"].startswith(_QUARANTINED):
                world.fail(f"enrollment {name} failed: {row['reason']}")
        for name, row in rows.messages.items():
            if row["status"] != "settled":
                world.fail(f"message {name} is {row['status']} at the end")
            self._was_sent(name, row, rows)
        self._news_is_kept(rows, told)
        for report in reports:
            self._adds_up(report, rows, ledger)

    def _was_sent(self, name: str, row: Mapping[str, Any], rows: Rows) -> None:
        attempts = [attempt for attempt in rows.attempts.values() if attempt["message_id"] == name]
        excused = any(a["status"] == "refused" or a["attempt_id"] in self.decided for a in attempts)
        key = (row["enrollment_id"], row["state"], row["action"], row["visit"])
        if not (self._taken[key] or excused or row["disposition"] in _NEVER_TAKEN):
            self._world.fail(f"message {name} ended as {row['disposition']}, and the provider never had it")

    def _news_is_kept(self, rows: Rows, told: Sequence[Delivery]) -> None:
        """What we said that we have is known of the attempt, unless it counts as never sent or more is known."""
        by_ref = {row["provider_ref"]: row for row in rows.attempts.values() if row["provider_ref"]}
        for news in (delivery.news for delivery in told if delivery.answered):
            if isinstance(news, Receipt):
                row = rows.attempts.get(news.attempt_id) or by_ref.get(news.provider_ref)
                if row and row["status"] == AttemptStatus.ACCEPTED and row["rank"] < RANK[news.kind]:
                    self._world.fail(f"that {row['attempt_id']} is {news.kind} was taken in and is not known")

    def _adds_up(self, report: Report, rows: Rows, ledger: Sequence[Record]) -> None:
        """A report says what the ledger says; what a person decided against it is left out on both sides."""
        run, counts, world = report.run, report.counts, self._world
        if run.status not in (RunStatus.COMPLETED, RunStatus.CANCELLED) or run.finished_at is None:
            world.fail(f"{run.run_id} is {run.status} at the end")
        of_run = [row for row in rows.enrollments.values() if row["run_id"] == run.run_id]
        if run.status is RunStatus.COMPLETED and not run.enrolled:
            world.fail(f"{run.run_id} is completed without its audience")
        if not counts.audience == sum(counts.enrollments.values()) == len(of_run):
            world.fail(f"an audience of {counts.audience}, and enrollments {dict(counts.enrollments)}")
        facts = {name: intent.facts for name, intent in self._intents.items() if intent.facts.run_id == run.run_id}
        ours = Counter({ChannelKind(kind): count for kind, count in report.accepted().items()})
        ours -= Counter(facts[n].channel for n in self.decided & facts.keys() if rows.attempts[n]["status"] in TAKEN)
        theirs = Counter(
            record.kind for record in ledger if record.attempt_id in facts and record.attempt_id not in self.decided
        )
        if +ours != +theirs:
            world.fail(f"the report says {dict(+ours)} were accepted, the provider's ledger {dict(theirs)}")
