"""Looks at the dates of people: an open run enrolls whoever is due before its next look.

1. A look goes through the whole audience, which is who belongs now: people may come and their dates may change.
2. It reaches further than the next look, so that nobody falls between two; somebody is enrolled once for each date.
3. Somebody whose moment passed by more than the grace is not enrolled. The run's changes count them: all of them at the
   first look, later those whose moment passed since the last.
"""

from collections import Counter
from datetime import datetime, timedelta
from typing import Final

from worker.domain.campaign import Campaign
from worker.domain.run import Run
from worker.domain.schedule import ContactDate, Schedule
from worker.engine.calendar import zone_of
from worker.engine.schedule import is_over, is_past
from worker.engine.schedule_dates import NotDue, due_of
from worker.runtime.bootstrap import Runtime
from worker.runtime.hints import Hint, Work
from worker.runtime.make_run import zone_for
from worker.runtime.selecting import selection_of
from worker.store.dates import Dated, Entry, Look

LOOK_EVERY: Final = timedelta(minutes=15)
AHEAD: Final = timedelta(minutes=30)
"""How far a look reaches: to the next one, and as long again for a look that takes its time."""
WINDOW: Final = 5000
BUDGET_SECONDS: Final = 10.0
_PAST: Final = "had a moment that passed too long ago"


def look(rt: Runtime, run: Run) -> int:
    """Enroll whoever is due before the next look, for a while; the rest is hinted at. Returns how many are new."""
    schedule = Campaign.model_validate(run.campaign).starts_by
    begun = rt.store.dates_looked_at(run.tenant_id, run.run_id)
    if begun is None or schedule is None or not isinstance(schedule.timing, ContactDate):
        return 0
    now = rt.now()
    glance = _Glance(run, schedule, schedule.timing, since=begun.since, now=now)
    selection = selection_of(run.selection or {"lists": [run.contact_list_id]}, now)  # who belongs now
    ends, cursor = rt.clock.elapsed() + BUDGET_SECONDS, begun.cursor
    while rt.clock.elapsed() < ends:
        window = rt.store.dated_people(run, selection, schedule.timing.field, now, after=cursor, size=WINDOW)
        entries = [entry for person in window.people if (entry := glance.at(person))]
        new = rt.store.enroll_dated(
            run.tenant_id,
            run.run_id,
            entries,
            now,
            moved=window.waiting - {(entry.contact_id, entry.entry) for entry in entries},
            look=Look(begun.since, cursor),
            cursor=window.last,
        )
        if new is None:
            return glance.enrolled  # another process is at it
        glance.enrolled += new
        if window.over:
            place = (run.tenant_id, run.run_id)
            rt.store.finish_look(*place, begun.since, now, next_at=now + LOOK_EVERY, note=glance.note())
            if is_over(schedule, now):
                rt.store.close_run(*place, now, reason="its schedule has come to its end")
            break
        cursor = window.last
    else:
        rt.hint(Hint(Work.SCHEDULE, run.tenant_id, run.run_id, share=1))
    rt.hint_at_steps(run.tenant_id, run.run_id, glance.enrolled)
    return glance.enrolled


class _Glance:
    """One look: who is to be enrolled, and what is to be said of the others."""

    def __init__(self, run: Run, schedule: Schedule, timing: ContactDate, *, since: datetime, now: datetime) -> None:
        self.enrolled = 0
        self._schedule, self._timing, self._since, self._now = schedule, timing, since, now
        self._default = zone_for(schedule, run)
        self._first = since == (run.started_at or run.created_at)
        self._others: Counter[str] = Counter()

    def at(self, person: Dated) -> Entry | None:
        """The entry of somebody who is due before the next look."""
        zone = zone_of(person.timezone) or self._default
        due = due_of(self._schedule, self._timing, person.value, zone)
        if isinstance(due, NotDue):
            self._others[due] += 1
            return None
        if due.at >= self._now + AHEAD:
            return None
        if is_past(due.at, self._now, self._schedule.grace):
            if self._first or due.at >= self._since:
                self._others[_PAST] += 1
            return None
        return Entry(person.contact_id, due.entry, due.at)

    def note(self) -> str:
        """What is worth a line among the run's changes: everything at first, later who was missed."""
        if not self._first:
            missed = self._others[_PAST]
            return f"of the people with a {self._timing.field}, {missed} {_PAST}: skipped" if missed else ""
        others = [f"{count} {why.partition(';')[0]}" for why, count in sorted(self._others.items())]
        return f"first look at {self._timing.field}: " + ", ".join([f"{self.enrolled} enrolled", *others])
