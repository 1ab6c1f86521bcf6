"""Starts runs, and pauses, resumes and cancels them.

1. A launch checks everything first and says all that is wrong; a refused launch changes nothing.
2. A run keeps a snapshot of its definitions: later edits do not reach people under way.
3. Stop means stop: when `pause` or `cancel` returns True, nothing more can leave.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ulid import ULID

from worker.domain.campaign import Campaign
from worker.domain.disposition import Disposition
from worker.domain.run import Run, RunStatus
from worker.domain.workflow import Workflow, parse_workflow
from worker.engine.check import check
from worker.runtime.bootstrap import Runtime
from worker.runtime.errors import CannotLaunch, NotFound
from worker.runtime.hints import Hint, Work
from worker.runtime.settings import missing_credentials
from worker.store.rows import Document, DocumentType

ENROLL_CHUNK = 2000
CANCEL_CHUNK = 2000


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    """What to launch over whom. `campaign` and `contact_list` are ids or names.

    `speed`: how many seconds of the workflow's waits pass in one; more than 1 is a rehearsal and is refused when a
    provider is not on this machine.
    """

    tenant_id: str
    campaign: str
    contact_list: str
    speed: float = 1.0


def find_document(rt: Runtime, tenant_id: str, kind: DocumentType, key: str) -> Document:
    """A live document by id, else by name. Raises NotFound."""
    found = rt.store.find_document(tenant_id, kind, key)
    if found is None:
        raise NotFound(f"no {kind} with the id or name {key!r}")
    return found


def launch(rt: Runtime, request: Launch) -> Run:
    """Create the run and hint at its enrollment. Raises NotFound, CannotLaunch."""
    document = find_document(rt, request.tenant_id, DocumentType.CAMPAIGN, request.campaign)
    audience = find_document(rt, request.tenant_id, DocumentType.CONTACT_LIST, request.contact_list)
    campaign = Campaign.parse(document.data, rt.settings.default_region)
    workflows = _workflows(rt, request.tenant_id)
    dispositions = [d.data for d in rt.store.list_documents(request.tenant_id, DocumentType.DISPOSITION)]
    reasons = _reasons_against(rt, request, campaign, workflows, dispositions, audience.id)
    if reasons:
        raise CannotLaunch(reasons)
    run = Run(
        tenant_id=request.tenant_id,
        run_id=f"run_{ULID()}".lower(),
        campaign_id=document.id,
        status=RunStatus.RUNNING,
        campaign=document.data,
        workflows=workflows,
        dispositions=tuple(dispositions),
        options={"speed": request.speed, "defaultTimezone": rt.settings.default_timezone},
        contact_list_id=audience.id,
        enrolled=False,
        created_at=rt.now(),
    )
    rt.store.create_run(run)
    rt.hint(Hint(Work.ENROLL, run.tenant_id, run.run_id))
    return run


def only_list(rt: Runtime) -> str:
    """The contact list to launch over when none is named. Raises CannotLaunch unless there is exactly one."""
    lists = rt.store.list_documents(rt.settings.tenant_id, DocumentType.CONTACT_LIST)
    if len(lists) != 1:
        names = ", ".join(sorted(document.name for document in lists)) or "none: `campaigns import` makes one"
        raise CannotLaunch([f"name the contact list with --list; there are {names}"])
    return lists[0].id


def enroll(rt: Runtime, tenant_id: str, run_id: str) -> int:
    """Enroll the rest of the audience, chunk by chunk; stepping starts after the first chunk. Returns how many."""
    enrolled = 0
    while chunk := rt.store.enroll_chunk(tenant_id, run_id, size=ENROLL_CHUNK, now=rt.now()):
        enrolled += chunk
        rt.hint(Hint(Work.ADVANCE, tenant_id, run_id, chunk))
    rt.hint(Hint(Work.ADVANCE, tenant_id, run_id))
    return enrolled


def pause(rt: Runtime, tenant_id: str, run_id: str) -> bool:
    """Let nothing more leave. True when nothing is in flight any more, False when a call is still unanswered."""
    rt.store.change_run_status(tenant_id, run_id, RunStatus.PAUSED, rt.now())
    return _landed(rt, tenant_id, run_id)


def resume(rt: Runtime, tenant_id: str, run_id: str) -> None:
    """Go on where it was paused."""
    rt.store.change_run_status(tenant_id, run_id, RunStatus.RUNNING, rt.now())
    rt.hint(Hint(Work.ADVANCE, tenant_id, run_id))


def cancel(rt: Runtime, tenant_id: str, run_id: str) -> bool:
    """End the run for good; everybody still in it ends as cancelled. Returns as `pause` does."""
    rt.store.change_run_status(tenant_id, run_id, RunStatus.CANCELLED, rt.now())
    landed = _landed(rt, tenant_id, run_id)
    cancel_rest(rt, tenant_id, run_id)
    return landed


def cancel_rest(rt: Runtime, tenant_id: str, run_id: str) -> int:
    """End the enrollments of a cancelled run in bounded steps. Safe to repeat."""
    cancelled = 0
    while chunk := rt.store.cancel_chunk(tenant_id, run_id, size=CANCEL_CHUNK, now=rt.now()):
        cancelled += chunk
    return cancelled


def _landed(rt: Runtime, tenant_id: str, run_id: str) -> bool:
    """Wait until what had left before the stop has been answered; an HTTP call is bounded, so this is too."""
    ends = time.monotonic() + rt.settings.http_timeout_seconds + 5
    while rt.store.in_flight(tenant_id, run_id):
        if time.monotonic() > ends:
            return False
        time.sleep(0.1)
    return True


def _workflows(rt: Runtime, tenant_id: str) -> dict[str, Mapping[str, Any]]:
    return {d.id: d.data for d in rt.store.list_documents(tenant_id, DocumentType.WORKFLOW)}


def _reasons_against(
    rt: Runtime,
    request: Launch,
    campaign: Campaign,
    workflows: Mapping[str, Mapping[str, Any]],
    dispositions: list[Mapping[str, Any]],
    list_id: str,
) -> list[str]:
    reasons = []
    if request.speed != 1 and not rt.settings.rehearsal:
        reasons.append(
            "a rehearsal at another speed needs providers on this machine:"
            " TWILIO_BASE_URL and SENDGRID_BASE_URL point elsewhere"
        )
    if not campaign.channels:
        reasons.append("nothing to send: no channel of the campaign is on (useForSMS, useForEmail, useForOutbound)")
    missing = missing_credentials(rt.settings, frozenset(campaign.channels))
    reasons += [f"{name} is not set; put it into the environment or .env" for name in missing]
    if campaign.workflow_id not in workflows:
        reasons.append(f"its workflow {campaign.workflow_id!r} does not exist")
        return reasons
    fields = rt.store.contact_fields(request.tenant_id, list_id)
    if not fields:
        reasons.append("the contact list is empty: import contacts first")
        return reasons
    parsed: dict[str, Workflow] = {workflow_id: parse_workflow(data) for workflow_id, data in workflows.items()}
    customs = [Disposition.parse(data) for data in dispositions]
    reasons += [str(fault) for fault in check(campaign, parsed, customs, contact_fields=fields)]
    return reasons
