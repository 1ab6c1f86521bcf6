"""What accepted events lead to: people enter runs that listen, or leave what they have open. One transaction a batch.

1. An event is marked in the transaction in which it has its effect; what follows from it is there once, or not at all.
2. The runs are held in their status, and each contact is locked before it is asked what is known of them: two events
   of one person cannot both find that nobody has entered yet.
3. Who leaves is ended here, and what was queued for them is settled: nothing of it is sent after this commit. A message
   in flight that comes back to the queue is stopped by the gate.
4. Events are applied in the order in which they were accepted; one batch may bring somebody in and take them out again.
5. An event that no run takes, and of which one could not tell whether to, is dead: it lacks what a condition asks for.
6. What takes people out also keeps out whoever an earlier event would bring in later (`event_traces`).
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any

from sqlalchemy import Connection

from worker.domain.events import Happened
from worker.domain.queue_event import QueueEvent
from worker.engine.render import Facts
from worker.engine.triggers import Earlier, Enroll, Listening, PassOver
from worker.store import dialect, event_enrollments, event_people, event_traces, events, signals
from worker.store.codec import millis
from worker.store.event_enrollments import Open
from worker.store.event_people import CONTACT_ID, Identity, Person, Unknown, identities
from worker.store.event_rows import Applied, EventRow, EventStatus
from worker.store.event_runs import ListeningRun, hold, under_way
from worker.store.event_traces import Entering, Trace
from worker.store.rows import StepCommit
from worker.store.stepping import Step

_NOTE_LONGEST = 500


@dataclass(frozen=True, slots=True)
class _Reaction:
    """What a run did about an event, in words. `in_doubt`: it could not tell whether to take it."""

    note: str
    took: bool = False
    in_doubt: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class _Known:
    """What is known of the people of a batch; brought up to date as it is gone through."""

    earlier: dict[tuple[str, str], Earlier]
    """By campaign and contact."""
    open: dict[tuple[str, str], list[Open]]
    """By run and contact."""
    left: dict[str, list[Trace]]
    """By contact."""


def apply(
    conn: Connection,
    tenant_id: str,
    rows: Sequence[EventRow],
    listening: Mapping[str, Listening],
    now: datetime,
    *,
    first: Step = lambda _: None,
) -> Applied | None:
    """Apply claimed events. `listening`: what each run under way listens to. `first` steps whoever enters.

    None, and nothing is done, if there is a run it does not know.
    """
    going_on = under_way(conn, tenant_id)
    if not going_on <= listening.keys():
        return None
    types = {row.type for row in rows}
    heard = hold(conn, tenant_id, {run: listening[run] for run in going_on if listening[run].types & types})
    claimed = events.lock(conn, rows)
    notes = {row.event_id: (EventStatus.DEAD, f"no campaign listens to {row.type}") for row in claimed}
    meant = _meant(conn, tenant_id, claimed, heard, now)
    batch = _Batch(conn, heard, _look_up(conn, tenant_id, heard, meant), now)
    for row, event, person in meant:
        if isinstance(person, Unknown):
            notes[row.event_id] = (EventStatus.APPLIED if person.matters_not else EventStatus.DEAD, str(person))
            if person.matters_not:
                batch.remember(event, identities(event.contact))
        else:
            notes[row.event_id] = _outcome(tuple(batch.react(event, person)))
    due, steps = _write(conn, tenant_id, batch.known, now, first)
    event_traces.add(conn, tenant_id, batch.traces)
    events.finish(conn, notes)
    dead = sum(status is EventStatus.DEAD for status, _ in notes.values())
    urgent = frozenset(run.run_id for run in heard if run.urgent)
    return Applied(due=due, steps=steps, urgent=urgent, done=len(notes), dead=dead)


def _outcome(reactions: Sequence[_Reaction]) -> tuple[EventStatus, str]:
    """What becomes of an event that all have reacted to. Of what was done nothing may be done anew."""
    lost = any(one.in_doubt for one in reactions) and not any(one.took for one in reactions)
    note = "; ".join(one.note for one in reactions if one.note)[:_NOTE_LONGEST]
    return EventStatus.DEAD if lost else EventStatus.APPLIED, note


_Meant = tuple[EventRow, QueueEvent, Person | Unknown]


def _meant(
    conn: Connection, tenant_id: str, rows: Sequence[EventRow], heard: Sequence[ListeningRun], now: datetime
) -> list[_Meant]:
    """The events that some run hears, with the people they are about, who are locked.

    Nobody is made of an event that could only take them out.
    """
    bringing = {row.type: any(run.brings_in(row.type) for run in heard) for row in rows}
    wanted = [row for row in rows if bringing[row.type] or any(run.concerns(row.type) for run in heard)]
    if not wanted:
        return []
    read = [QueueEvent.from_json(row.type, row.key, row.occurred_at, row.payload) for row in wanted]
    about = [(event.contact, bringing[event.type]) for event in read]
    people = event_people.find_or_make(conn, tenant_id, about, now)
    return list(zip(wanted, read, people, strict=True))


def _look_up(conn: Connection, tenant_id: str, heard: Sequence[ListeningRun], meant: Sequence[_Meant]) -> _Known:
    """What is known of these people in the runs that do something about their events."""
    entering: dict[str, set[str]] = defaultdict(set)
    leaving: set[tuple[str, str]] = set()
    for _, event, person in meant:
        if isinstance(person, Person) and not person.is_new:
            contact_id = person.row.contact_id
            for run in heard:
                if run.brings_in(event.type):
                    entering[run.campaign_id].add(contact_id)
                if run.concerns(event.type):
                    leaving.add((run.run_id, contact_id))
    return _Known(
        earlier=event_enrollments.earlier_of(conn, tenant_id, entering),
        open=event_enrollments.open_of(conn, tenant_id, leaving),
        left=_left(conn, tenant_id, heard, meant),
    )


def _left(
    conn: Connection, tenant_id: str, heard: Sequence[ListeningRun], meant: Sequence[_Meant]
) -> dict[str, list[Trace]]:
    """What is remembered of whoever may enter a run that people are taken out of."""
    entering: dict[str, Entering] = {}
    types: set[str] = set()
    for run in heard:
        if not run.hears.cancel_on:
            continue
        for _, event, person in meant:
            if isinstance(person, Person) and run.brings_in(event.type):
                types.update(run.hears.cancel_on)
                contact_id, at = person.row.contact_id, millis(event.occurred_at)
                since = min(at, entering[contact_id].since) if contact_id in entering else at
                entering[contact_id] = Entering(person=person, since=since)
    return event_traces.of_people(conn, tenant_id, entering.values(), types, {row.key for row, *_ in meant})


class _Batch:
    """Goes through the events of a batch and keeps what is known up to date. Nothing is written yet."""

    def __init__(self, conn: Connection, heard: Sequence[ListeningRun], known: _Known, now: datetime) -> None:
        self._conn, self._heard, self._now = conn, heard, now
        self.known = known
        self.traces: list[tuple[Sequence[Identity], Trace]] = []

    def react(self, event: QueueEvent, person: Person) -> Iterator[_Reaction]:
        """What an event does in each run that hears it, and whether a trace of it is left."""
        told = event_traces.told(event)
        roots, contact_id = {"event": told, "contact": person.row.fields}, person.row.contact_id
        for run in self._heard:
            if run.takes_out(event.type):
                yield self._leave(roots, run, contact_id)
            if run.awaits(event.type):
                yield self._tell(told, run, contact_id)
            if run.brings_in(event.type):
                yield self._enter(roots, run, person, millis(event.occurred_at))
        if trace := self.remember(event, [(CONTACT_ID, contact_id)]):
            self.known.left.setdefault(contact_id, []).append(trace)
            yield _Reaction("", took=True)

    def remember(self, event: QueueEvent, names: Sequence[Identity]) -> Trace | None:
        """Keep a trace of an event that takes people out, for whoever is brought in later."""
        hearing = [run.hears for run in self._heard if run.takes_out(event.type)]
        if not hearing:
            return None
        trace = event_traces.trace_of(event, hearing)
        self.traces.append((names, trace))
        return trace

    def _leave(self, roots: Mapping[str, Any], run: ListeningRun, contact_id: str) -> _Reaction:
        """Take the person out of what this event ends. One that begins anew does not end what began after it."""
        event_type, left = roots["event"]["type"], 0
        at = roots["event"]["occurredAt"] if run.brings_in(event_type) else ""
        for one in self.known.open.get((run.run_id, contact_id), ()):
            if at and one.start is not None and one.start["occurredAt"] > at:
                continue
            start = {} if one.start is None else {"start": one.start}
            if not one.reason and run.hears.leaves(Facts(roots={**roots, **start}, now=self._now), event_type):
                one.reason = f"taken out by the event {event_type}"
                left += 1
        return _Reaction(f"taken out of {run.run_id}" if left else f"nothing to end in {run.run_id}", took=bool(left))

    def _tell(self, event: Mapping[str, Any], run: ListeningRun, contact_id: str) -> _Reaction:
        """Let those hear of it who may be waiting for it."""
        told = [one for one in self.known.open.get((run.run_id, contact_id), ()) if not one.reason]
        for one in told:
            one.news.append(Happened(event=event))
        return _Reaction(f"told {run.run_id}" if told else f"nobody to tell in {run.run_id}", took=bool(told))

    def _over(self, roots: Mapping[str, Any], run: ListeningRun, contact_id: str, at: int) -> str:
        """The type of an event that has ended already what this one would begin; "": there is none.

        Of two at the same moment one that could begin it itself does not end the other.
        """
        for trace in self.known.left.get(contact_id, ()):
            event_type = trace.event["type"]
            if trace.at > at or (trace.at == at and not run.brings_in(event_type)):
                facts = Facts(roots={**roots, "event": trace.event, "start": roots["event"]}, now=self._now)
                if run.hears.leaves(facts, event_type):
                    return str(event_type)
        return ""

    def _enter(self, roots: Mapping[str, Any], run: ListeningRun, person: Person, at: int) -> _Reaction:
        """Bring the person in, unless the campaign does not want them."""
        contact_id = person.row.contact_id
        event, key = roots["event"], (run.campaign_id, contact_id)
        earlier = self.known.earlier.get(key, Earlier())
        match run.hears.enters(Facts(roots=roots, now=self._now), event["type"], earlier):
            case PassOver(reason, in_doubt):
                return _Reaction(f"passed over by {run.run_id}: {reason}", in_doubt=in_doubt)
            case Enroll():
                if over := self._over(roots, run, contact_id, at):
                    return _Reaction(f"passed over by {run.run_id}: {over} has happened since")
                entered = Open(
                    enrollment_id=dialect.new_id(self._conn),
                    run_id=run.run_id,
                    contact_id=contact_id,
                    start=event,
                    entering=sha256(event["key"].encode()).hexdigest()[:32],
                    recipient=person.as_recipient() if run.runs else None,
                )
                self.known.open.setdefault((run.run_id, contact_id), []).append(entered)
                self.known.earlier[key] = Earlier(entered_at=self._now, is_in=True)
                return _Reaction(f"entered {run.run_id}", took=True)


def _write(
    conn: Connection, tenant_id: str, known: _Known, now: datetime, first: Step
) -> tuple[Counter[str], list[StepCommit]]:
    """Write who entered and who left. Returns how many of each run are to be stepped now, and the first steps taken."""
    everybody = [one for opened in known.open.values() for one in opened]
    entering = [one for one in everybody if one.entering]
    steps = event_enrollments.enter(conn, tenant_id, entering, now, first)
    leaving = {one.enrollment_id: one.reason for one in everybody if one.reason and not one.entering}
    event_enrollments.end(conn, tenant_id, leaving, now)
    signals.post(conn, [(tenant_id, one.enrollment_id, event) for one in everybody for event in one.news], now)
    rest = {s.claim.enrollment.enrollment_id for s in steps if not s.transition.due_at or s.transition.due_at > now}
    touched = (one for one in everybody if one.entering or one.reason or one.news)
    return Counter(one.run_id for one in touched if one.enrollment_id not in rest), steps
