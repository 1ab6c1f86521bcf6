"""Watches every run of the tenant: pauses it over its bounds, and lets the rest of an audience follow its canary.

1. Any worker looks, some seconds after outcomes came in; two at once do no harm (`store.guards`).
2. What it does is a change by the system, with its reason among the run's changes and an alert to the supervisors.
3. It needs no provider: a run that was launched against others than ours is judged all the same.
4. A run whose definition cannot be read any more is not judged; it does not keep the others from being.
"""

import structlog

from worker.domain.faults import Invalid
from worker.engine.watch import Watch, conclude, judge
from worker.runtime.bootstrap import Runtime
from worker.runtime.hints import Hint, Work
from worker.store.guards import Decision, GuardNews

log = structlog.get_logger()


def look(rt: Runtime) -> int:
    """Judge what has come since the last look. Returns how many runs were paused, told of or let go on."""
    tenant_id = rt.settings.tenant_id
    news = rt.store.guard_news(tenant_id, rt.now())
    decisions = [decision for run_id in news.filed if (decision := _decide(rt, news, run_id))]
    done = rt.store.commit_guard(tenant_id, news, decisions, rt.now())
    for one in done:
        if one.follow:
            rt.hint(Hint(Work.ENROLL, tenant_id, one.run_id))
        else:
            log.warning("the guard stopped or warned of a run", run=one.run_id, reason=one.pause or one.warn)
            rt.hint(Hint(Work.ALERT, tenant_id))
    return len(done)


def _decide(rt: Runtime, news: GuardNews, run_id: str) -> Decision | None:
    try:
        definition = rt.definition(rt.settings.tenant_id, run_id)
    except Invalid:
        log.exception("the guard cannot read the definition of a run", run=run_id)
        return None
    guard = definition.guard
    known = Watch.from_json(news.states.get(run_id, {}))
    judged = judge(known, news.filed[run_id], definition.book, guard)
    stop, follow = judged.stop, ""
    if run_id in news.idle and not (stop or judged.fine):
        stop = conclude(judged.watch, guard, resumed=run_id in news.marks)
        follow = "" if stop else "the canary has come to its end within the bounds"
    elif run_id in news.waiting and judged.fine and not stop:
        follow = "the canary keeps within the bounds"
    return Decision(
        run_id=run_id, state=judged.watch.to_json(), pause=stop, warn="" if stop else judged.warn, follow=follow
    )
