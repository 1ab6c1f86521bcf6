"""Drafts: checked and kept at their launch, checked again when somebody starts them.

1. What a draft is of stays as it was drafted: campaign, workflows, dispositions, which lists and which queries.
2. What it rests on is asked anew, as a launch asks it: credentials, email accounts, providers, its schedule, what its
   people have and how many they are. What stands in the way leaves the draft as it is.
3. Who belongs, how large a canary is, and how long ago somebody was contacted, count from the start.
"""

from dataclasses import replace

from worker.domain.run import Run
from worker.runtime.bootstrap import Runtime
from worker.runtime.launch_checks import require_launchable
from worker.runtime.make_run import require_ours, running
from worker.runtime.preflight import kept, said_again
from worker.store.errors import AlreadyListening, AlreadyRunning


def start(rt: Runtime, draft: Run, reason: str = "") -> tuple[str, ...]:
    """Start a draft in the name of whoever acts. Returns what is worth a warning.

    Raises CannotLaunch with every reason, AlreadyRunning, AlreadyListening, AlreadyStarted.
    """
    require_ours(rt, draft)
    request, snapshot = said_again(draft), kept(rt, draft)
    # A second run over the same people is refused in the transaction that starts this one.
    warns = require_launchable(rt, replace(request, again=True), snapshot)
    run = replace(running(rt, request, snapshot), run_id=draft.run_id, created_at=draft.created_at)
    by, again, taking = rt.actor.user_id, request.again, request.replace
    try:
        rt.store.start_draft(run, rt.now(), by=by, reason=reason, again=again, replace=taking)
    except AlreadyRunning as error:
        raise AlreadyRunning(error.run_id, error.status, draft=True) from None
    except AlreadyListening as error:
        raise AlreadyListening(error.run_id, error.status, error.what, draft=True) from None
    return warns
