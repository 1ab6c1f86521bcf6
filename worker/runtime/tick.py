"""The pulse: looks what is due and hints at it. Every worker process ticks; a lease in the database lets one do it.

1. A process serves one tenant, whose credentials it has; so each tenant has a lease of its own.
2. Before it looks it sees to it that the database can plan what follows.
3. Losing every tick of one process, or having two beats, changes nothing: the next process takes the lease.
"""

from typing import Final

from worker.runtime import events
from worker.runtime.bootstrap import Runtime
from worker.runtime.hints import Hint, Work
from worker.store.rows import WorkKind

PERIOD_SECONDS = 0.5
WORK_OF: Final = {
    WorkKind.ENROLL: Work.ENROLL,
    WorkKind.STEP: Work.ADVANCE,
    WorkKind.ADVANCE: Work.ADVANCE,
    WorkKind.CANCEL: Work.CANCEL,
    WorkKind.SCHEDULE: Work.SCHEDULE,
    WorkKind.SMS: Work.SMS,
    WorkKind.EMAIL: Work.EMAIL,
    WorkKind.VOICE: Work.VOICE,
    WorkKind.INBOX: Work.INBOX,
    WorkKind.EVENTS: Work.EVENTS,
    WorkKind.RECONCILE: Work.RECONCILE,
    WorkKind.GUARD: Work.GUARD,
    WorkKind.ALERT: Work.ALERT,
}
MOST_SHARES = 4
"""Hints for one kind of work in one run per tick, for as many processes; each drains until nothing is left."""
ONE_SHARE = 750
"""So much is enough for a process of its own."""


def tick(rt: Runtime) -> int:
    """Hint at everything that is due, if it is our turn. Returns the number of hints."""
    lease = f"tick:{rt.settings.tenant_id}"
    if not rt.store.lease_is_free(lease, rt.owner) or not rt.store.take_lease(lease, rt.owner, 2 * PERIOD_SECONDS):
        return 0
    rt.store.gather_statistics()
    hints = 0
    for due in rt.store.due_work(rt.settings.tenant_id, rt.now(), events.forgotten_before(rt)):
        for share in range(1, 1 + min(MOST_SHARES, 1 + due.count // ONE_SHARE)):
            if due.kind is WorkKind.STEP and not due.urgent:
                rt.hint_at_steps(due.tenant_id, due.run_id, due.count, share)
            else:
                rt.hint(Hint(WORK_OF[due.kind], due.tenant_id, due.run_id, due.count, share, due.urgent))
            hints += 1
    return hints
