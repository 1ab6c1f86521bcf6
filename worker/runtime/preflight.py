"""Everything a launch needs, gathered and checked before anything is created; all that is wrong is said at once."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from worker.domain.base import references
from worker.domain.campaign import Campaign
from worker.domain.disposition import Disposition
from worker.domain.workflow import called_workflows, parse_workflow
from worker.engine.check import check
from worker.runtime.bootstrap import Runtime
from worker.runtime.errors import CannotLaunch, NotFound
from worker.runtime.settings import missing_credentials
from worker.store.document_rows import Document, DocumentType
from worker.store.errors import AlreadyRunning
from worker.store.runs import UNDER_WAY


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    """What to launch over whom. `campaign` and `contact_list` are ids or names; without a list it is the only one.

    `speed`: how many seconds of the workflow's waits pass in one; more than 1 is a rehearsal and is refused when a
    provider is not on this machine. `documents`: definitions that come with the launch; they go before saved ones, and
    are saved unless it is refused. `again`: also while another run of this campaign over this list is going on.
    """

    tenant_id: str
    campaign: str
    contact_list: str = ""
    speed: float = 1.0
    documents: tuple[Document, ...] = ()
    again: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """The documents a run keeps: the campaign, the workflows it runs, the tenant's dispositions."""

    campaign: Document
    contact_list: Document
    workflows: Mapping[str, Mapping[str, Any]] = field(repr=False)
    dispositions: tuple[Mapping[str, Any], ...] = field(repr=False)


def gather(rt: Runtime, request: Launch) -> Snapshot:
    """Read what the launch names. Raises NotFound, and CannotLaunch where no list is named and there are several."""
    campaign = _find_campaign(rt, request)
    workflows = _documents(rt, request, DocumentType.WORKFLOW)
    needed = _reachable(str(campaign.data.get("workflowId", "")), workflows)
    return Snapshot(
        campaign=_with_joined(rt, request, campaign),
        contact_list=_find_list(rt, request),
        workflows={workflow_id: workflows[workflow_id] for workflow_id in needed},
        dispositions=tuple(_documents(rt, request, DocumentType.DISPOSITION).values()),
    )


def require_launchable(rt: Runtime, request: Launch, snapshot: Snapshot) -> None:
    """Raise CannotLaunch with every reason."""
    campaign = Campaign.parse(snapshot.campaign.data, rt.settings.default_region)
    reasons = [
        *_reasons_of_place(rt, request, campaign),
        *_reasons_of_content(rt, request, campaign, snapshot),
        *_runs_under_way(rt, request, snapshot),
    ]
    if reasons:
        raise CannotLaunch(reasons)


def _reasons_of_place(rt: Runtime, request: Launch, campaign: Campaign) -> Iterator[str]:
    if request.speed != 1 and not rt.settings.rehearsal:
        yield (
            "a rehearsal at another speed needs providers on this machine;"
            " TWILIO_BASE_URL and SENDGRID_BASE_URL point elsewhere"
        )
    for name in missing_credentials(rt.settings, campaign.channels):
        yield f"{name} is not set; put it into the environment or .env"


def _reasons_of_content(rt: Runtime, request: Launch, campaign: Campaign, snapshot: Snapshot) -> Iterator[str]:
    if not campaign.channels:
        yield "nothing to send: no channel of the campaign is on (useForSMS, useForEmail, useForOutbound)"
    if not rt.store.list_size(request.tenant_id, snapshot.contact_list.id):
        yield f"the contact list {snapshot.contact_list.name!r} is empty; import contacts first"
        return
    if campaign.workflow_id not in snapshot.workflows:
        yield f"its workflow {campaign.workflow_id!r} does not exist; save it first"
        return
    workflows = {workflow_id: parse_workflow(data) for workflow_id, data in snapshot.workflows.items()}
    dispositions = [Disposition.parse(data) for data in snapshot.dispositions]
    fields = rt.store.contact_fields(request.tenant_id, snapshot.contact_list.id)
    for fault in check(campaign, workflows, dispositions, contact_fields=fields):
        yield str(fault)


def _runs_under_way(rt: Runtime, request: Launch, snapshot: Snapshot) -> Iterator[str]:
    """A launch that is repeated by mistake would contact everybody twice."""
    if request.again:
        return
    for run in rt.store.find_runs(request.tenant_id, snapshot.campaign.id, statuses=UNDER_WAY):
        if run.contact_list_id == snapshot.contact_list.id:
            yield str(AlreadyRunning(run.run_id, run.status))


def _find_campaign(rt: Runtime, request: Launch) -> Document:
    key = request.campaign
    for document in request.documents:
        if document.type == DocumentType.CAMPAIGN and key in (document.id, document.name):
            return document
    found = rt.store.find_document(request.tenant_id, DocumentType.CAMPAIGN, key)
    if found is None:
        raise NotFound(
            f"there is no saved campaign, and no file or folder, {key!r}; check the name, or `campaigns save` it"
        )
    return found


def _with_joined(rt: Runtime, request: Launch, campaign: Document) -> Document:
    """The campaign with the dispositions that join documents add to it."""
    joins = _documents(rt, request, DocumentType.CAMPAIGN_DISPOSITION).values()
    joined = [str(join["dispositionId"]) for join in joins if join.get("campaignId") == campaign.id]
    if not joined:
        return campaign
    own = references(campaign.data.get("dispositions"), "dispositionId")
    return replace(campaign, data={**campaign.data, "dispositions": list(dict.fromkeys([*own, *joined]))})


def _find_list(rt: Runtime, request: Launch) -> Document:
    lists = rt.store.list_documents(request.tenant_id, DocumentType.CONTACT_LIST)
    if not request.contact_list and len(lists) == 1:
        return lists[0]
    names = ", ".join(document.name for document in lists) or "none: `campaigns import` makes one"
    if not request.contact_list:
        raise CannotLaunch([f"name the contact list with --list; there are {names}"])
    found = rt.store.find_document(request.tenant_id, DocumentType.CONTACT_LIST, request.contact_list)
    if found is None:
        raise NotFound(f"there is no contact list {request.contact_list!r}; there are {names}")
    return found


def _documents(rt: Runtime, request: Launch, kind: DocumentType) -> dict[str, Mapping[str, Any]]:
    """The documents of this kind by id: the saved ones, and those that come with the launch."""
    documents = [*rt.store.list_documents(request.tenant_id, kind), *request.documents]
    return {document.id: document.data for document in documents if document.type == kind}


def _reachable(first: str, workflows: Mapping[str, Mapping[str, Any]]) -> set[str]:
    """The workflow and those it calls, and those they call; ids that do not exist are left to the checks."""
    found: set[str] = set()
    waiting = {first}
    while waiting:
        workflow_id = waiting.pop()
        if workflow_id in workflows and workflow_id not in found:
            found.add(workflow_id)
            waiting |= called_workflows(parse_workflow(workflows[workflow_id]))
    return found
